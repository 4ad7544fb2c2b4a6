//! The directory of a backup: one file per entity, a manifest, and checksums for `sha256sum -c`.
//!
//! Invariants:
//! - Everything is written next to the final directory, and moved there when it is complete and on disk.
//! - Only this user may read it: directories 0700, files 0600.
//! - Reading believes nothing: names, sizes, checksums and ids are checked before anything is compared.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::saved::{Counts, FORMAT, Listed, Manifest, SavedEntity, VERSION};
use super::{BackupError, io_at};
use crate::vcd::model::EntityDocument;

const MANIFEST: &str = "manifest.json";
const SUMS: &str = "SHA256SUMS";
const ENTITIES: &str = "entities";
/// Stands in an unfinished directory, so that the next run may take it away.
const UNFINISHED: &str = "UNFINISHED";
/// Longest manifest and longest entity, in bytes.
const MANIFEST_BYTES: u64 = 256 * 1024 * 1024;
const ENTITY_BYTES: u64 = 32 * 1024 * 1024;

/// A backup in the making.
pub struct Writer {
    target: PathBuf,
    unfinished: PathBuf,
    sums: String,
    listed: Vec<Listed>,
}

impl Writer {
    /// Begins a backup that will be at `target`.
    ///
    /// # Errors
    /// - [`BackupError::Exists`]: there is something.
    /// - [`BackupError::Io`].
    pub fn begin(target: &Path) -> Result<Self, BackupError> {
        let target = std::path::absolute(target).map_err(io_at("use", target))?;
        match fs::read_dir(&target) {
            Ok(entries) => {
                if entries.count() > 0 {
                    return Err(BackupError::Exists(target));
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_at("use", target)(error)),
        }
        let name = target
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let name = name.ok_or_else(|| BackupError::Exists(target.clone()))?;
        let unfinished = target.with_file_name(format!("{name}.unfinished"));
        if unfinished.join(UNFINISHED).exists() {
            fs::remove_dir_all(&unfinished).map_err(io_at("clear", &unfinished))?;
        }
        let parent = target.parent().map(Path::to_owned).unwrap_or_default();
        fs::create_dir_all(&parent).map_err(io_at("make", &parent))?;
        make_dir(&unfinished)?;
        let writer = Self {
            target,
            unfinished,
            sums: String::new(),
            listed: Vec::new(),
        };
        writer.write(UNFINISHED, b"")?;
        make_dir(&writer.unfinished.join(ENTITIES))?;
        Ok(writer)
    }

    fn write(&self, name: &str, text: &[u8]) -> Result<(), BackupError> {
        let path = self.unfinished.join(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        let written = file.and_then(|mut file| file.write_all(text));
        written.map_err(io_at("write", path))
    }

    fn write_json(&mut self, name: &str, document: &impl Serialize) -> Result<String, BackupError> {
        let text = serde_json::to_string_pretty(document)
            .map_err(|error| io_at("write", self.unfinished.join(name))(error.into()))?;
        let text = format!("{text}\n");
        self.write(name, text.as_bytes())?;
        let sum = hex(text.as_bytes());
        // Writing to a String cannot fail.
        writeln!(self.sums, "{sum}  {name}").unwrap_or_default();
        Ok(sum)
    }

    /// Adds an entity, without its secrets.
    ///
    /// # Errors
    /// [`BackupError::Io`].
    pub fn add(
        &mut self,
        document: &EntityDocument,
        access: Vec<serde_json::Value>,
    ) -> Result<(), BackupError> {
        let (saved, left_out) = SavedEntity::of(document, access);
        // The whole id: one uuid may stand for entities of two types.
        let file = format!("{}.json", saved.id.replace(':', "_"));
        let sha256 = self.write_json(&format!("{ENTITIES}/{file}"), &saved)?;
        let org = saved.org().to_owned();
        let SavedEntity {
            id,
            name,
            entity_type,
            ..
        } = saved;
        self.listed.push(Listed {
            file,
            id,
            name,
            org,
            entity_type,
            sha256,
            left_out,
        });
        Ok(())
    }

    /// Ids of the entities in it.
    pub fn ids(&self) -> BTreeSet<String> {
        self.listed.iter().map(|one| one.id.clone()).collect()
    }

    /// Writes the manifest, and gives the directory its name.
    ///
    /// # Errors
    /// [`BackupError::Io`].
    pub fn finish(mut self, head: Manifest) -> Result<Manifest, BackupError> {
        let entities = std::mem::take(&mut self.listed);
        let manifest = Manifest {
            counts: counts(&entities),
            entities,
            ..head
        };
        self.write_json(MANIFEST, &manifest)?;
        self.write(SUMS, self.sums.as_bytes())?;
        let mark = self.unfinished.join(UNFINISHED);
        fs::remove_file(&mark).map_err(io_at("remove", mark))?;
        let dir = File::open(&self.unfinished).map_err(io_at("open", &self.unfinished))?;
        rustix::fs::syncfs(&dir).map_err(|error| io_at("sync", &self.unfinished)(error.into()))?;
        fs::rename(&self.unfinished, &self.target).map_err(io_at("name", &self.target))?;
        let parent = self.target.parent().map(File::open);
        if let Some(Ok(parent)) = parent {
            parent.sync_all().map_err(io_at("sync", &self.target))?;
        }
        Ok(manifest)
    }
}

fn counts(entities: &[Listed]) -> Counts {
    let configurations = entities
        .iter()
        .filter(|one| one.entity_type.contains(":VCDKEConfig:"))
        .count();
    Counts {
        clusters: entities.len() - configurations,
        configurations,
    }
}

fn make_dir(path: &Path) -> Result<(), BackupError> {
    DirBuilder::new()
        .mode(0o700)
        .create(path)
        .map_err(io_at("make", path))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in digest(&SHA256, bytes).as_ref() {
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    text
}

/// A backup that was read and is whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Backup {
    /// What it is.
    pub manifest: Manifest,
    /// Its entities, in the order of the manifest.
    pub entities: Vec<SavedEntity>,
}

impl Backup {
    /// Reads and checks the backup at `dir`.
    ///
    /// # Errors
    /// - [`BackupError::Io`]: it cannot be read.
    /// - [`BackupError::Unusable`]: damaged, incomplete, of another format or from somewhere else.
    pub fn read(dir: &Path) -> Result<Self, BackupError> {
        let unusable = |problems: Vec<String>| BackupError::Unusable {
            path: dir.to_owned(),
            problems,
        };
        if dir.join(UNFINISHED).exists() {
            return Err(unusable(vec!["it was never finished".to_owned()]));
        }
        let text = read_file(&dir.join(MANIFEST), MANIFEST_BYTES)?;
        let head: serde_json::Value =
            parse(&text).map_err(|problem| unusable(vec![format!("{MANIFEST}: {problem}")]))?;
        if head.get("format").and_then(serde_json::Value::as_str) != Some(FORMAT) {
            return Err(unusable(vec![format!(
                "{MANIFEST} is no manifest of a {FORMAT}"
            )]));
        }
        if head.get("version").and_then(serde_json::Value::as_u64) != Some(u64::from(VERSION)) {
            let reason = format!(
                "it is not of version {VERSION}, the one this program reads; use the program that wrote it"
            );
            return Err(unusable(vec![reason]));
        }
        let manifest: Manifest =
            parse(&text).map_err(|problem| unusable(vec![format!("{MANIFEST}: {problem}")]))?;
        let sums = read_file(&dir.join(SUMS), MANIFEST_BYTES)?;
        let sums = String::from_utf8_lossy(&sums);
        let wanted = format!("{}  {MANIFEST}", hex(&text));
        let mut problems = Vec::new();
        if !sums.lines().any(|line| line == wanted) {
            problems.push(format!(
                "{MANIFEST} is not as it was written (its checksum is not in {SUMS})"
            ));
        }
        if counts(&manifest.entities) != manifest.counts {
            problems.push(format!(
                "{MANIFEST} lists other numbers of entities than it tells"
            ));
        }
        let entities = entities(dir, &manifest, &mut problems);
        if problems.is_empty() {
            Ok(Self { manifest, entities })
        } else {
            Err(unusable(problems))
        }
    }
}

/// All entities that are as the manifest says; what is not is a problem.
fn entities(dir: &Path, manifest: &Manifest, problems: &mut Vec<String>) -> Vec<SavedEntity> {
    let mut found = Vec::new();
    let mut files = BTreeSet::new();
    for listed in &manifest.entities {
        match entity(dir, listed) {
            Ok(saved) => found.push(saved),
            Err(problem) => problems.push(format!("{ENTITIES}/{:?}: {problem}", listed.file)),
        }
        if !files.insert(listed.file.clone()) {
            problems.push(format!("{:?} is listed twice", listed.file));
        }
    }
    let there = fs::read_dir(dir.join(ENTITIES))
        .into_iter()
        .flatten()
        .flatten();
    let names = there.map(|entry| entry.file_name().to_string_lossy().into_owned());
    problems.extend(
        names
            .filter(|name| !files.contains(name))
            .map(|name| format!("{ENTITIES}/{name:?} is not in {MANIFEST}")),
    );
    found
}

fn entity(dir: &Path, listed: &Listed) -> Result<SavedEntity, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if listed.file.starts_with('.') || !listed.file.chars().all(is_name) {
        return Err("a file name that no backup has".to_owned());
    }
    let path = dir.join(ENTITIES).join(&listed.file);
    let text = read_file(&path, ENTITY_BYTES)
        .map_err(|error| crate::telemetry::chain(&error).to_string())?;
    if hex(&text) != listed.sha256 {
        return Err("it is not as it was written (checksum)".to_owned());
    }
    let saved: SavedEntity = parse(&text)?;
    if saved.id != listed.id || saved.entity_id().is_none() {
        return Err("it is another entity than the manifest says".to_owned());
    }
    Ok(saved)
}

fn read_file(path: &Path, most: u64) -> Result<Vec<u8>, BackupError> {
    let mut text = Vec::new();
    let file = File::open(path).map_err(io_at("read", path))?;
    let length = file
        .take(most + 1)
        .read_to_end(&mut text)
        .map_err(io_at("read", path))?;
    if u64::try_from(length).is_ok_and(|length| length <= most) {
        Ok(text)
    } else {
        Err(io_at("read", path)(std::io::Error::other(format!(
            "longer than {most} bytes"
        ))))
    }
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    serde_json::from_slice(text).map_err(|error| {
        format!(
            "damaged at line {}, column {}",
            error.line(),
            error.column()
        )
    })
}
