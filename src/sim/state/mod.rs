//! The whole world in a file: what a simulator goes on from after a restart, or on another machine.
//!
//! Format: one JSON document per line. First a head with the format's number; then the world without its
//! entities; then one line per entity, and those of snapshots; at last a line that says how many entities
//! there are, so that a file cut short is noticed. The file holds every token and password, as VCD's database does.
//!
//! Invariants:
//! - Entities are written and read one by one: no second copy of their contents is ever in memory.
//! - The world is locked while it is taken hold of, not while it is written.
//! - What was compiled from schemas is left out and compiled again.
//! - References inside the world follow the site to its new URL; what tenants wrote stays as they wrote it.
//! - A file of another format, or one that is damaged, is refused as a whole.
//!
//! Not here: when it is saved, and where to (`state::file`, `sim::standalone`); faults, which are of one run.

pub mod file;
pub(crate) mod pairs;
pub(crate) mod rng;
pub(crate) mod secret;

use std::io::{self, BufRead, Write};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::entities::Entity;
use super::levers::Snapshot;
use super::tls::Authority;
use super::world::World;
use crate::clock::Moment;

/// Number of the format that this program reads and writes.
pub const FORMAT: u32 = 1;

/// A saved world could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file system, or whatever the text goes to or comes from, failed.
    #[error("cannot {doing} the state file {file}")]
    Io {
        /// What was tried: `read`, `write`.
        doing: &'static str,
        /// Path as given.
        file: String,
        /// The cause.
        #[source]
        cause: io::Error,
    },
    /// A newer or foreign format.
    #[error(
        "format {found} is not the one this program reads ({FORMAT}); use the program that wrote it"
    )]
    Format {
        /// Number in the head.
        found: u32,
    },
    /// Not what [`World::save`] writes, or not all of it.
    #[error("line {line} is damaged: {what}")]
    Damaged {
        /// Line, counted from 1.
        line: usize,
        /// What was found.
        what: String,
    },
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    /// Number of the format.
    cse_simulator_state: u32,
    /// Version of the program that wrote it.
    program: String,
    /// Base URL of the hrefs inside.
    site: String,
    /// Who signed the server's certificate, so that clients trust it after a restart, too.
    authority: Option<Authority>,
}

/// Every line after the second one; `E` is an entity or a reference to one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line<E> {
    Entity(E),
    /// The next so many entities are those of a snapshot.
    Snapshot {
        name: String,
        taken: Timestamp,
        entities: usize,
    },
    /// The last line: how many entities the world has.
    End {
        entities: usize,
    },
}

/// A world read back.
#[derive(Debug)]
pub struct Loaded {
    /// The world; it stood still meanwhile.
    pub world: World,
    /// The moment up to which it had been looked at; its clock goes on from there.
    pub moment: Moment,
    /// Who signed the server's certificate.
    pub authority: Option<Authority>,
}

/// A world as it was at one moment, to be written while the true one goes on.
#[derive(Debug)]
pub(crate) struct Frozen {
    site: String,
    /// The world without its entities, as text.
    world: Vec<u8>,
    /// They share their contents with those of the world.
    entities: Vec<Entity>,
    snapshots: Vec<(String, Snapshot)>,
}

impl Frozen {
    /// Writes everything.
    ///
    /// # Errors
    /// Whatever `out` fails with.
    pub(crate) fn write(
        &self,
        authority: Option<&Authority>,
        mut out: impl Write,
    ) -> io::Result<()> {
        let head = Head {
            cse_simulator_state: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            site: self.site.clone(),
            authority: authority.cloned(),
        };
        put_line(&mut out, &head)?;
        out.write_all(&self.world)?;
        for entity in &self.entities {
            put_line(&mut out, &Line::Entity(entity))?;
        }
        for (name, snapshot) in &self.snapshots {
            let head: Line<&Entity> = Line::Snapshot {
                name: name.clone(),
                taken: snapshot.taken,
                entities: snapshot.entities.len(),
            };
            put_line(&mut out, &head)?;
            for entity in &snapshot.entities {
                put_line(&mut out, &Line::Entity(entity))?;
            }
        }
        let entities = self.entities.len();
        let end: Line<&Entity> = Line::End { entities };
        put_line(&mut out, &end)?;
        out.flush()
    }
}

impl World {
    /// Takes hold of the world as it is now; what entities contain is shared and not copied.
    ///
    /// # Errors
    /// None that a world can cause; the text could not be made.
    pub(crate) fn freeze(&self) -> io::Result<Frozen> {
        let mut world = Vec::new();
        put_line(&mut world, self)?;
        let snapshots = self.snapshots.iter();
        Ok(Frozen {
            site: self.site.clone(),
            world,
            entities: self.entities.iter().cloned().collect(),
            snapshots: snapshots
                .map(|(name, snapshot)| (name.clone(), snapshot.clone()))
                .collect(),
        })
    }

    /// Writes the whole world.
    ///
    /// # Errors
    /// Whatever `out` fails with.
    pub fn save(&self, authority: Option<&Authority>, out: impl Write) -> io::Result<()> {
        self.freeze()?.write(authority, out)
    }

    /// Reads a world. With `site` it moves to this base URL, without it stays where it was.
    ///
    /// # Errors
    /// [`StateError`]: the text cannot be read, or is no whole world of this format.
    pub fn load(from: impl BufRead, site: Option<&str>) -> Result<Loaded, StateError> {
        let mut lines = Lines { from, number: 0 };
        let text = lines.next()?;
        let head: Value = lines.parse(&text)?;
        let found = head.get("cse_simulator_state").and_then(Value::as_u64);
        let found = found.ok_or_else(|| lines.damaged("this is no state of a simulator"))?;
        if found != u64::from(FORMAT) {
            let found = u32::try_from(found).unwrap_or(u32::MAX);
            return Err(StateError::Format { found });
        }
        let head: Head = lines.parse(&text)?;
        let mut world = lines.world(&head, site)?;
        loop {
            match lines.line()? {
                Line::Entity(entity) => {
                    let id = entity.id.clone();
                    if !world.entities.restore(entity, &world.registry) {
                        let what = format!("the type of {id} is not registered");
                        return Err(lines.damaged(&what));
                    }
                }
                Line::Snapshot {
                    name,
                    taken,
                    entities,
                } => {
                    let entities = lines.entities(entities)?;
                    world.snapshots.insert(name, Snapshot { taken, entities });
                }
                Line::End { entities } => {
                    let there = world.entities.iter().count();
                    if entities != there {
                        let what = format!("{there} entities are there, {entities} were saved");
                        return Err(lines.damaged(&what));
                    }
                    break;
                }
            }
        }
        let moment = world
            .seen_until
            .map_or(Moment::default(), |(moment, _)| moment);
        Ok(Loaded {
            world,
            moment,
            authority: head.authority,
        })
    }
}

fn put_line(out: &mut impl Write, document: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, document)?;
    out.write_all(b"\n")
}

struct Lines<R> {
    from: R,
    number: usize,
}

impl<R: BufRead> Lines<R> {
    /// The next line; the end of the file is no line.
    fn next(&mut self) -> Result<Vec<u8>, StateError> {
        let mut text = Vec::new();
        self.number += 1;
        match self.from.read_until(b'\n', &mut text) {
            Ok(0) => Err(self.damaged("the file ends before the state does")),
            Ok(_) => Ok(text),
            Err(cause) => Err(self.damaged(&format!("it cannot be read: {cause}"))),
        }
    }

    fn line(&mut self) -> Result<Line<Entity>, StateError> {
        let text = self.next()?;
        self.parse(&text)
    }

    /// The next `count` lines, which must be entities.
    fn entities(&mut self, count: usize) -> Result<Vec<Entity>, StateError> {
        let mut entities = Vec::new();
        for _ in 0..count {
            match self.line()? {
                Line::Entity(entity) => entities.push(entity),
                Line::Snapshot { .. } | Line::End { .. } => {
                    return Err(self.damaged("the snapshot has fewer entities than it says"));
                }
            }
        }
        Ok(entities)
    }

    fn parse<T: DeserializeOwned>(&self, text: &[u8]) -> Result<T, StateError> {
        serde_json::from_slice(text).map_err(|cause| self.damaged(&cause.to_string()))
    }

    fn damaged(&self, what: &str) -> StateError {
        StateError::Damaged {
            line: self.number,
            what: what.to_owned(),
        }
    }

    /// The world without its entities, at `site` if it moves.
    fn world(&mut self, head: &Head, site: Option<&str>) -> Result<World, StateError> {
        let text = self.next()?;
        let site = site.map(|site| site.trim_end_matches('/'));
        let mut world: World = match site.filter(|site| *site != head.site) {
            None => self.parse(&text)?,
            Some(site) => {
                let mut document: Value = self.parse(&text)?;
                move_to(&mut document, &head.site, site);
                serde_json::from_value(document)
                    .map_err(|cause| self.damaged(&cause.to_string()))?
            }
        };
        world
            .registry
            .compile()
            .map_err(|reason| self.damaged(&reason))?;
        Ok(world)
    }
}

/// Lets every text that is an address below `old` be one below `new`.
fn move_to(document: &mut Value, old: &str, new: &str) {
    match document {
        Value::String(text) => {
            let rest = text.strip_prefix(old);
            let below = rest.filter(|rest| rest.is_empty() || rest.starts_with('/'));
            if let Some(rest) = below {
                *text = format!("{new}{rest}");
            }
        }
        Value::Array(items) => {
            for item in items {
                move_to(item, old, new);
            }
        }
        Value::Object(members) => {
            for (_, member) in members.iter_mut() {
                move_to(member, old, new);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
