//! Ids that answers have shown, by kind.

use std::collections::BTreeMap;

use crate::support::lab::SITE;

/// Most ids kept of one kind; older ones make room.
const KEPT: usize = 24;

#[derive(Debug, Default)]
pub(super) struct Ids {
    by_kind: BTreeMap<String, Vec<String>>,
}

impl Ids {
    /// Notes every URN and every link in `text`.
    pub(super) fn learn(&mut self, text: &str) {
        for found in text.split("urn:vcloud:").skip(1) {
            let rest = word(found);
            if let Some((kind, _)) = rest.split_once(':') {
                self.note(kind.to_owned(), format!("urn:vcloud:{rest}"));
            }
        }
        let prefix = format!("{SITE}/api/");
        for found in text.split(prefix.as_str()).skip(1) {
            let found = found.strip_prefix("admin/").unwrap_or(found);
            let mut parts = found.splitn(3, '/');
            let kind = word(parts.next().unwrap_or_default());
            let id = word(parts.next().unwrap_or_default());
            if !id.is_empty() && id != "action" {
                self.note(format!("@{kind}"), id.to_owned());
            }
        }
    }

    fn note(&mut self, kind: String, id: String) {
        let known = self.by_kind.entry(kind).or_default();
        if known.contains(&id) {
            return;
        }
        if known.len() >= KEPT {
            known.remove(0);
        }
        known.push(id);
    }

    /// Replaces every `{kind}` in `text` by an id of the kind, or now and then by something else.
    pub(super) fn fill(&self, text: &str, rng: &mut fastrand::Rng) -> String {
        let mut parts = text.split('{');
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            match part.split_once('}') {
                Some((kind, rest)) if is_kind(kind) => {
                    out.push_str(&self.any_of(kind, rng));
                    out.push_str(rest);
                }
                _ => {
                    out.push('{');
                    out.push_str(part);
                }
            }
        }
        out
    }

    /// All ids of a kind.
    pub(super) fn all(&self, kind: &str) -> &[String] {
        self.by_kind.get(kind).map_or(&[], Vec::as_slice)
    }

    fn any_of(&self, kind: &str, rng: &mut fastrand::Rng) -> String {
        if rng.u8(..) < 16 || kind == "any" {
            return self.odd(rng);
        }
        let bare = kind.strip_prefix('~');
        let known = self.by_kind.get(bare.unwrap_or(kind));
        let Some(id) = known.and_then(|known| rng.choice(known)) else {
            return self.odd(rng);
        };
        match bare {
            Some(_) => id.rsplit(':').next().unwrap_or_default().to_owned(),
            None => id.clone(),
        }
    }

    /// An id of any other kind, or none at all.
    fn odd(&self, rng: &mut fastrand::Rng) -> String {
        let all: Vec<&String> = self.by_kind.values().flatten().collect();
        match rng.u8(0..10) {
            0..=3 => rng
                .choice(&all)
                .map_or_else(String::new, |id| (*id).clone()),
            4 => uuid::Uuid::from_u128(rng.u128(..)).to_string(),
            5 => "urn:vcloud:entity:vmware:capvcdCluster:00000000".to_owned(),
            6 => "%2e%2e%2f%00%ff".to_owned(),
            7 => "x".repeat(rng.usize(1..3000)),
            8 => "vm-vapp-urn:vcloud:::".to_owned(),
            _ => "current".to_owned(),
        }
    }
}

fn is_kind(kind: &str) -> bool {
    !kind.is_empty()
        && kind
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "@~-".contains(c))
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || ":._-".contains(c)));
    end.map_or(text, |end| text.split_at(end).0)
}
