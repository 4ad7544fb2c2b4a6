//! Requests for NAT rules and their documents.
//!
//! Invariants:
//! - The list goes by cursor: the link to the next page has exactly the relation `nextPage`, and its
//!   query the cursor; the last page has no such link.
//! - A rule shows its type as the request's version spells it.
//!
//! Source: VCD `OpenAPI`, `edgeGateways/{id}/nat/rules`; CAPVCD follows `nextPage` and parses both
//! ports, go-vcloud-director compares all other fields to find what it created.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use serde_json::{Value, json};

use super::balancer_api::written;
use super::desk::{Desk, right};
use super::model::NatRule;
use super::specs::{self, NatSpec};
use crate::sim::call::ApiVersion;
use crate::sim::paging::{MAX_PAGE_SIZE, Page};
use crate::sim::reply::{Problem, Reply};

/// First version that spells the type `type`.
const TYPE_SINCE: ApiVersion = ApiVersion {
    major: 36,
    minor: 0,
};
/// First version that tells `firewallMatch` and `priority`.
const MATCH_SINCE: ApiVersion = ApiVersion {
    major: 35,
    minor: 2,
};

/// Where a page of rules begins.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cursor {
    /// Number of the page, from 1.
    page: usize,
    size: usize,
    /// Last rule of the page before.
    after: Option<String>,
}

impl Cursor {
    fn of(desk: &Desk<'_, '_>) -> Result<Self, Problem> {
        let given = desk.call.query("cursor").filter(|text| !text.is_empty());
        if let Some(text) = given {
            let invalid = || Problem::bad_request("The cursor is invalid.");
            return Self::decode(text).ok_or_else(invalid);
        }
        let page = Page::of(desk.call, MAX_PAGE_SIZE)?;
        Ok(Self {
            page: page.number(),
            size: page.size(),
            after: None,
        })
    }

    fn encode(&self) -> String {
        let after = self.after.as_deref().unwrap_or_default();
        URL_SAFE_NO_PAD.encode(format!("{}/{}/{after}", self.page, self.size))
    }

    fn decode(text: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let mut parts = text.splitn(3, '/');
        let page = parts.next()?.parse().ok()?;
        let size = parts.next()?.parse().ok()?;
        let after = parts.next()?.to_owned();
        (size > 0 && size <= MAX_PAGE_SIZE).then_some(Self {
            page,
            size,
            after: Some(after),
        })
    }
}

/// Answers `.../edgeGateways/{gw}/nat/rules[/{id}]`; `gateway` is a bare UUID of one that the caller sees.
pub(super) fn handle(
    desk: &mut Desk<'_, '_>,
    gateway: &str,
    rest: &[&str],
) -> Result<Reply, Problem> {
    let method = desk.call.method.clone();
    match (&method, rest) {
        (&Method::GET, []) => {
            desk.require(&[right::NAT, right::TRANSLATE])?;
            list(desk, gateway)
        }
        (&Method::POST, []) => {
            desk.require(&[right::TRANSLATE])?;
            let spec: NatSpec = specs::read(desk.call)?;
            let starter = desk.starter();
            let begun = desk
                .services
                .create_nat_rule(gateway, spec, &starter, desk.ctx)?;
            Ok(desk.accepted(&begun.task))
        }
        (&Method::GET, [id]) => {
            desk.require(&[right::NAT, right::TRANSLATE])?;
            let document = document(desk, rule(desk, gateway, id)?);
            Ok(Reply::json(200, desk.call.version, &document))
        }
        (&Method::PUT, [id]) => {
            desk.require(&[right::TRANSLATE])?;
            let uuid = rule(desk, gateway, id)?.uuid.clone();
            let spec: NatSpec = specs::read(desk.call)?;
            let starter = desk.starter();
            let task = desk
                .services
                .replace_nat_rule(&uuid, spec, &starter, desk.ctx)?;
            Ok(desk.accepted(&task))
        }
        (&Method::DELETE, [id]) => {
            desk.require(&[right::TRANSLATE])?;
            let uuid = rule(desk, gateway, id)?.uuid.clone();
            let starter = desk.starter();
            let task = desk.services.delete_nat_rule(&uuid, &starter, desk.ctx)?;
            Ok(desk.accepted(&task))
        }
        (_, [] | [_]) => Err(Problem::wrong_method()),
        _ => Err(Problem::no_such_url()),
    }
}

fn rule<'d>(desk: &'d Desk<'_, '_>, gateway: &str, id: &str) -> Result<&'d NatRule, Problem> {
    let found = desk.services.nat_rules.get(id);
    found
        .filter(|rule| rule.gateway == gateway)
        .ok_or_else(|| desk.missing(id))
}

fn list(desk: &Desk<'_, '_>, gateway: &str) -> Result<Reply, Problem> {
    if desk
        .call
        .query("filter")
        .is_some_and(|text| !text.is_empty())
    {
        return Err(Problem::bad_request("NAT rules cannot be filtered."));
    }
    let cursor = Cursor::of(desk)?;
    let rules = desk.services.nat_rules.values();
    let all: Vec<&NatRule> = rules.filter(|rule| rule.gateway == gateway).collect();
    let skipped = match &cursor.after {
        Some(after) => all.partition_point(|rule| rule.uuid <= *after),
        None => (cursor.page - 1).saturating_mul(cursor.size).min(all.len()),
    };
    let end = skipped.saturating_add(cursor.size).min(all.len());
    let shown = all.get(skipped..end).unwrap_or_default();
    let values: Vec<Value> = shown.iter().map(|rule| document(desk, rule)).collect();
    let body = json!({
        "resultTotal": all.len(),
        "pageCount": all.len().div_ceil(cursor.size),
        "page": cursor.page,
        "pageSize": cursor.size,
        "associations": null,
        "values": values,
    });
    let reply = Reply::json(200, desk.call.version, &body);
    let Some(last) = shown.last().filter(|_| end < all.len()) else {
        return Ok(reply);
    };
    let next = Cursor {
        page: cursor.page.saturating_add(1),
        size: cursor.size,
        after: Some(last.uuid.clone()),
    };
    let link = format!(
        "<{}/{}?pageSize={}&cursor={}>;rel=\"nextPage\";type=\"application/json\";\
         model=\"EdgeNatRules\"",
        desk.ctx.site,
        desk.call.segments.join("/"),
        next.size,
        next.encode()
    );
    Ok(reply.with_header("link", link))
}

fn document(desk: &Desk<'_, '_>, rule: &NatRule) -> Value {
    let version = desk.call.version;
    let mut document = written(&rule.spec);
    document.insert("id".to_owned(), json!(rule.uuid));
    document.insert("systemRule".to_owned(), json!(false));
    document.insert("version".to_owned(), json!({"version": rule.version}));
    // Tenants are not told about logging, which is the provider's.
    let logging = rule.spec.logging && desk.call.principal.provider;
    document.insert("logging".to_owned(), json!(logging));
    if version < TYPE_SINCE {
        document.remove("type");
    }
    if version < MATCH_SINCE {
        document.remove("firewallMatch");
        document.remove("priority");
    }
    Value::Object(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_where_it_came_from() {
        let cursor = Cursor {
            page: 3,
            size: 128,
            after: Some("0b7e5c3a-2a4b".to_owned()),
        };
        assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        for text in ["", "x", "MS8w", "MS8wLw", "MS8xMjkv", "\u{e4}"] {
            assert_eq!(Cursor::decode(text), None, "{text}");
        }
    }
}
