//! One JSON object per line.
//!
//! The names in `fields` are those of the journal in lower case, the message and its id included.

use std::io::{self, Write};

use serde_json::{Map, Number, json};

use super::record::{Record, Sink, Value};

/// Writes to standard error.
pub(super) struct JsonLines {
    pub(super) replica: String,
}

impl Sink for JsonLines {
    fn write(&self, record: &Record) {
        let line = format!("{}\n", line(record, &self.replica));
        // There is nowhere to tell that nobody listens.
        io::stderr().lock().write_all(line.as_bytes()).unwrap_or(());
    }
}

/// The object of one record.
pub fn line(record: &Record, replica: &str) -> String {
    let mut fields = Map::new();
    fields.insert("message".to_owned(), json!(record.message));
    for (name, value) in &record.fields {
        fields.insert((*name).to_owned(), of(value));
    }
    if let Some(id) = record.message_id {
        fields.insert("message_id".to_owned(), json!(id));
    }
    json!({
        "timestamp": super::text::stamp(record.time),
        "level": record.level.as_str(),
        "replica": replica,
        "target": record.target,
        "fields": fields,
    })
    .to_string()
}

fn of(value: &Value) -> serde_json::Value {
    match value {
        Value::Text(text) => json!(text),
        Value::Signed(number) => json!(number),
        Value::Unsigned(number) => json!(number),
        Value::Float(number) => Number::from_f64(*number)
            .map_or_else(|| json!(number.to_string()), serde_json::Value::Number),
        Value::Truth(value) => json!(value),
    }
}
