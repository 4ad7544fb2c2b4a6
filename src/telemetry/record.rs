//! One line of the log before it has a form: everything an event and its spans say, cleaned and flat.
//!
//! Flow: [`Records`] is the layer that `tracing` calls; each event becomes one [`Record`], each [`Sink`]
//! writes it in its own form.
//!
//! Invariants:
//! - One namespace: the event's own fields first, then those of its spans from the innermost outwards; a
//!   name that is there already is left out.
//! - An event whose kind is known carries its `MESSAGE_ID`; nobody who logs has to think of it.
//! - Every text has been through [`super::clean`](mod@super::clean).
//!
//! Not here: the forms (`text`, `json`, `journal`, `syslog`), what is logged at all (the filter).

use std::fmt;

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::clean::render;
use super::event;
use crate::clock::Clock;

/// Most fields of one record; more are left out.
const MAX_FIELDS: usize = 64;

/// What a field holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Clean text.
    Text(String),
    /// A whole number.
    Signed(i64),
    /// A whole number.
    Unsigned(u64),
    /// A number.
    Float(f64),
    /// Yes or no.
    Truth(bool),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Signed(number) => number.fmt(f),
            Self::Unsigned(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
            Self::Truth(value) => value.fmt(f),
        }
    }
}

/// One line of the log.
#[derive(Clone, Debug)]
pub struct Record {
    /// When.
    pub time: Timestamp,
    /// How grave.
    pub level: Level,
    /// Module.
    pub target: String,
    /// Source file and line.
    pub code: Option<(&'static str, u32)>,
    /// The constant sentence.
    pub message: String,
    /// The id of the event's kind.
    pub message_id: Option<&'static str>,
    /// Everything else, by name.
    pub fields: Vec<(&'static str, Value)>,
}

impl Record {
    /// The field of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let found = self.fields.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value)
    }

    /// The field of that name, if it is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::Text(text) => Some(text),
            Value::Signed(_) | Value::Unsigned(_) | Value::Float(_) | Value::Truth(_) => None,
        }
    }
}

/// Where records go.
pub trait Sink: Send + Sync {
    /// Writes one record, or loses it; never waits for long.
    fn write(&self, record: &Record);
}

/// The layer that makes records.
pub struct Records {
    clock: Clock,
    sinks: Vec<Box<dyn Sink>>,
}

impl Records {
    /// Records for these sinks.
    pub fn new(clock: Clock, sinks: Vec<Box<dyn Sink>>) -> Self {
        Self { clock, sinks }
    }
}

impl<S> Layer<S> for Records
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &tracing::span::Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.join(outer);
            }
        }
        let metadata = event.metadata();
        let code = metadata.file().zip(metadata.line());
        let target = fields.target.take();
        let mut record = Record {
            time: self.clock.wall(),
            level: *metadata.level(),
            target: target.unwrap_or_else(|| metadata.target().to_owned()),
            code,
            message: std::mem::take(&mut fields.message),
            message_id: None,
            fields: fields.named,
        };
        record.message_id = record.text("event").and_then(event::message_id);
        if record.message.is_empty() {
            // The journal shows a record without a message as a blank line.
            metadata.name().clone_into(&mut record.message);
        }
        for sink in &self.sinks {
            sink.write(&record);
        }
    }
}

/// What is said in one place.
#[derive(Default)]
struct Fields {
    message: String,
    /// Module of a record that came through the `log` crate.
    target: Option<String>,
    named: Vec<(&'static str, Value)>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", value) => self.message = value.to_string(),
            ("log.target", value) => self.target = Some(value.to_string()),
            // Of records that came through the `log` crate: where, in another spelling.
            (name, _) if name.starts_with("log.") => {}
            (name, value) => self.set(name, value),
        }
    }

    fn set(&mut self, name: &'static str, value: Value) {
        let is_full = self.named.len() >= MAX_FIELDS;
        let known = self.named.iter_mut().find(|(known, _)| *known == name);
        match known {
            Some(slot) => slot.1 = value,
            None if is_full => {}
            None => self.named.push((name, value)),
        }
    }

    fn join(&mut self, outer: &Self) {
        for (name, value) in &outer.named {
            if self.named.iter().all(|(known, _)| known != name) {
                self.set(name, value.clone());
            }
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Value::Float(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::Signed(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::Unsigned(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::Truth(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::Text(render(format_args!("{value}"))));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::Text(render(format_args!("{value:?}"))));
    }
}
