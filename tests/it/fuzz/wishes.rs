//! One request: who, where, how, and what with.

use bytes::Bytes;
use cse_server::vcd::transport::Request;
use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::catalogue::{CATALOGUE, KEYS, QUERY_TYPES};
use super::guests::Guest;
use super::{Fuzz, mutate};

const VERSIONS: [&str; 8] = [
    "37.0", "37.1", "37.2", "37.3", "38.0", "38.1", "39.0", "39.1",
];
const ODD_VERSIONS: [&str; 6] = ["36.0", "40.0", "37.2.0-alpha", "", "x", "99999999999.1"];
const MEDIA: [&str; 4] = [
    "application/json",
    "application/*+xml",
    "*/*",
    "application/vnd.vmware.vcloud.vApp+xml",
];
const TYPES: [&str; 6] = [
    "application/json",
    "application/json;charset=utf-8",
    "application/x-www-form-urlencoded",
    "application/vnd.vmware.vcloud.composeVAppParams+xml",
    "text/html",
    "\u{7f}",
];
const OPERATORS: [&str; 8] = ["==", "!=", "=gt=", "=ge=", "=lt=", "=le=", "=", "=="];
const VALUES: [&str; 9] = [
    "*",
    "acme*",
    "RESOLVED",
    "10",
    "2026-03-01T10:00:00.000Z",
    "(a,b)",
    "",
    "%252a",
    "ü'\"<",
];

impl Fuzz {
    /// A request of `guest` for anything in the catalogue, with its address there.
    pub(super) fn wish(&mut self, guest: Guest) -> (&'static str, Request) {
        loop {
            let (methods, address, sample) = *self.rng.choice(CATALOGUE).unwrap();
            let path = self.ids.fill(address, &mut self.rng);
            let method = self.method(methods);
            let query = self.query(address);
            let legacy = address.starts_with("/api");
            let headers = self.headers(guest, legacy);
            let mut builder = http::Request::builder()
                .method(method.as_str())
                .uri(format!("{path}{query}"));
            for (name, value) in &headers {
                let name = HeaderName::from_bytes(name.as_bytes());
                if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
                    builder = builder.header(name, value);
                }
            }
            let body = if method == "GET" || method == "DELETE" {
                self.rng.u8(..) < 6
            } else {
                true
            };
            let body = if body {
                let body = self.body(guest, (&path, &method), sample);
                mutate::body(body, &mut self.rng)
            } else {
                Vec::new()
            };
            // What is no address at all never gets as far as the simulator.
            if let Ok(request) = builder.body(Bytes::from(body)) {
                return (address, request);
            }
        }
    }

    fn method(&mut self, methods: &str) -> String {
        let own: Vec<&str> = methods.split(' ').collect();
        match self.rng.u8(..) {
            0..6 => (*self
                .rng
                .choice(&["PATCH", "HEAD", "OPTIONS", "GET", "PUT", "POST", "DELETE"])
                .unwrap())
            .to_owned(),
            // What is read teaches more than what is gone.
            6..130 if own.contains(&"GET") => "GET".to_owned(),
            130..190 if own.contains(&"PUT") => "PUT".to_owned(),
            _ => (*self.rng.choice(&own).unwrap()).to_owned(),
        }
    }

    fn query(&mut self, address: &str) -> String {
        let mut pairs: Vec<(String, String)> = Vec::new();
        let rng = &mut self.rng;
        if address == "/api/query" {
            let kind = *rng.choice(QUERY_TYPES).unwrap();
            pairs.push(("type".to_owned(), kind.to_owned()));
        }
        if rng.u8(..) < 150 {
            for _ in 0..rng.usize(0..4) {
                let number = *rng
                    .choice(&[
                        "1",
                        "2",
                        "128",
                        "129",
                        "0",
                        "-1",
                        "x",
                        "18446744073709551616",
                    ])
                    .unwrap();
                let key = *rng.choice(KEYS).unwrap();
                pairs.push(match rng.u8(0..12) {
                    0 => ("page".to_owned(), number.to_owned()),
                    1 => ("pageSize".to_owned(), number.to_owned()),
                    2 => ("sortAsc".to_owned(), key.to_owned()),
                    3 => ("sortDesc".to_owned(), key.to_owned()),
                    4..7 => ("filter".to_owned(), filter(rng, 3)),
                    7 => ("filterEncoded".to_owned(), "true".to_owned()),
                    8 => {
                        let format = ["records", "idrecords", "references", "x"];
                        (
                            "format".to_owned(),
                            (*rng.choice(&format).unwrap()).to_owned(),
                        )
                    }
                    9 => ("resolveEntity".to_owned(), "true".to_owned()),
                    10 => ("invokeHooks".to_owned(), "false".to_owned()),
                    _ => (key.to_owned(), number.to_owned()),
                });
            }
        }
        if pairs.is_empty() {
            return String::new();
        }
        let filled: Vec<_> = pairs
            .into_iter()
            .map(|(name, value)| (name, self.ids.fill(&value, &mut self.rng)))
            .collect();
        let mut query = url::form_urlencoded::Serializer::new("?".to_owned());
        query.extend_pairs(filled);
        query.finish()
    }

    fn headers(&mut self, guest: Guest, legacy: bool) -> Vec<(String, String)> {
        let token = self.guests.token(guest, &mut self.lab);
        let mut headers: Vec<(String, String)> = Vec::new();
        let mut put = |name: &str, value: String| headers.push((name.to_owned(), value));
        let rng = &mut self.rng;
        match rng.u8(..) {
            _ if token.is_empty() => {}
            0..20 => put("x-vmware-vcloud-access-token", token),
            20..23 => put("authorization", token),
            23..26 => put("authorization", "Basic YTpi".to_owned()),
            _ => put("authorization", format!("Bearer {token}")),
        }
        let version = match rng.u8(..) {
            0..6 => *rng.choice(&ODD_VERSIONS).unwrap(),
            _ => *rng.choice(&VERSIONS).unwrap(),
        };
        let media = match rng.u8(..) {
            0..20 => *rng.choice(&MEDIA).unwrap(),
            _ => MEDIA[usize::from(legacy)],
        };
        if rng.u8(..) > 5 {
            put("accept", format!("{media};version={version}"));
        }
        match rng.u8(..) {
            0..20 => put("content-type", (*rng.choice(&TYPES).unwrap()).to_owned()),
            _ if !legacy => put("content-type", "application/json".to_owned()),
            _ => {}
        }
        match rng.u8(..) {
            0..8 => put("if-match", "*".to_owned()),
            8..40 => put("if-match", format!("\"r{}\"", rng.u8(0..6))),
            40..44 => put("if-match", "\u{e9}\"".to_owned()),
            _ => {}
        }
        if rng.u8(..) < 24 {
            let org = self.ids.fill("{~org}", &mut self.rng);
            headers.push(("x-vmware-vcloud-tenant-context".to_owned(), org));
        }
        if self.rng.u8(..) < 16 {
            let id = self.ids.fill("{any}", &mut self.rng);
            headers.push(("x-vmware-vcloud-client-request-id".to_owned(), id));
        }
        headers
    }

    /// A good body for the address: its sample, its own document, or the first row of its list.
    fn body(&mut self, guest: Guest, (path, method): (&str, &str), sample: &str) -> Vec<u8> {
        if !sample.is_empty() && (method != "PUT" || self.rng.bool()) {
            return self.ids.fill(sample, &mut self.rng).into_bytes();
        }
        if http::Uri::try_from(path).is_err() {
            return Vec::new();
        }
        let (_, status, text) = self.look(guest, path);
        if status != 200 {
            return b"{}".to_vec();
        }
        let Ok(mut document) = serde_json::from_str::<Value>(&text) else {
            return text.into_bytes();
        };
        let row = document
            .get_mut("values")
            .and_then(Value::as_array_mut)
            .filter(|_| method == "POST")
            .and_then(|rows| rows.first_mut());
        if let Some(row) = row {
            let mut row = row.take();
            if let Some(object) = row.as_object_mut() {
                object.remove("id");
                if self.rng.bool()
                    && let Some(name) = object.get_mut("name")
                {
                    *name = Value::from(format!("fuzz-{}", self.rng.u32(..)));
                }
            }
            return row.to_string().into_bytes();
        }
        document.to_string().into_bytes()
    }
}

/// A filter of at most `depth` levels, mostly well-formed.
fn filter(rng: &mut fastrand::Rng, depth: u8) -> String {
    match rng.u8(0..10) {
        0 | 1 if depth > 0 => format!("{};{}", filter(rng, depth - 1), filter(rng, depth - 1)),
        2 if depth > 0 => format!("({})", filter(rng, depth - 1)),
        3 if depth > 0 => format!("{},{}", filter(rng, depth - 1), filter(rng, depth - 1)),
        4 => (*rng.choice(&["((", "a==b)", ";;", "=="]).unwrap()).to_owned(),
        _ => format!(
            "{}{}{}",
            rng.choice(KEYS).unwrap(),
            rng.choice(&OPERATORS).unwrap(),
            rng.choice(&VALUES).unwrap()
        ),
    }
}
