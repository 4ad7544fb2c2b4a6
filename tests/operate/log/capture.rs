//! A log that is kept in memory, in every form it is written in.

use std::sync::{Arc, Mutex};

use cse_server::clock::Clock;
use cse_server::telemetry::record::{Record, Records, Sink};
use cse_server::telemetry::text::Reader;
use cse_server::telemetry::{journal, json, parse_filter, text};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt;

/// Everything logged on this thread while it lives.
pub(crate) struct Capture {
    records: Arc<Mutex<Vec<Record>>>,
    _guard: DefaultGuard,
}

struct Memory(Arc<Mutex<Vec<Record>>>);

impl Sink for Memory {
    fn write(&self, record: &Record) {
        self.0.lock().unwrap().push(record.clone());
    }
}

impl Capture {
    pub(crate) fn at(filter: &str) -> Self {
        let records = Arc::new(Mutex::new(Vec::new()));
        let memory = Memory(Arc::clone(&records));
        let subscriber = tracing_subscriber::registry()
            .with(parse_filter(filter).unwrap())
            .with(Records::new(Clock::system(), vec![Box::new(memory)]));
        Self {
            records,
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.records.lock().unwrap().clone()
    }

    pub(crate) fn clear(&self) {
        self.records.lock().unwrap().clear();
    }
}

/// A record in the four forms it is read in.
pub(crate) fn forms(record: &Record) -> [String; 4] {
    let datagram = journal::datagram(record, "cse-1");
    [
        String::from_utf8(datagram).unwrap(),
        json::line(record, "cse-1"),
        text::line(record, Reader::File),
        text::line(record, Reader::Terminal { colours: false }),
    ]
}
