//! Bodies made worse: values of other kinds, fields gone, documents cut short, bytes that are no text.

use serde_json::{Value, json};

/// Longest body sent, in bytes; now and then one of this size is.
const LARGE: usize = 300_000;

/// `body` as it is, or changed in one of many ways.
pub(super) fn body(body: Vec<u8>, rng: &mut fastrand::Rng) -> Vec<u8> {
    match rng.u8(0..100) {
        0..45 => body,
        45..80 => match serde_json::from_slice::<Value>(&body) {
            Ok(mut value) => {
                for _ in 0..rng.usize(1..4) {
                    worsen(&mut value, rng);
                }
                value.to_string().into_bytes()
            }
            Err(_) => text(body, rng),
        },
        80..93 => text(body, rng),
        93..96 => Vec::new(),
        96 => vec![b'['; 5_000],
        97 => "<a>".repeat(5_000).into_bytes(),
        98 => (0..64).map(|_| rng.u8(..)).collect(),
        _ => [body, vec![b' '; LARGE]].concat(),
    }
}

/// Changes one value somewhere inside.
fn worsen(value: &mut Value, rng: &mut fastrand::Rng) {
    let deeper = rng.u8(..) < 190;
    match value {
        Value::Object(object) if deeper && !object.is_empty() => {
            let at = rng.usize(0..object.len());
            if rng.u8(..) < 30 {
                let name = object.keys().nth(at).cloned();
                object.remove(&name.unwrap_or_default());
            } else if let Some(inner) = object.values_mut().nth(at) {
                worsen(inner, rng);
            }
        }
        Value::Array(array) if deeper && !array.is_empty() => {
            let at = rng.usize(0..array.len());
            if rng.u8(..) < 30 {
                let copy = array[at].clone();
                array.push(copy);
            } else {
                worsen(&mut array[at], rng);
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => *value = odd(rng),
    }
}

fn odd(rng: &mut fastrand::Rng) -> Value {
    match rng.u8(0..14) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(u64::MAX),
        4 => json!(1e308),
        5 => json!(""),
        6 => json!("x".repeat(rng.usize(1..5000))),
        7 => json!([[[]]]),
        8 => json!({"": {}}),
        9 => json!("\u{0}\u{7f}ü😀\"<&>"),
        10 => json!("10.0.0.999-10.0.0.1/33"),
        11 => json!("urn:vcloud:org:00000000-0000-0000-0000-000000000000"),
        12 => json!(rng.i64(..)),
        _ => json!([1, "a", null]),
    }
}

/// Changes the text itself, whatever it is.
fn text(mut body: Vec<u8>, rng: &mut fastrand::Rng) -> Vec<u8> {
    const INSERTED: [&[u8]; 9] = [
        b"<!DOCTYPE x [<!ENTITY a \"b\">]>&a;",
        b"&#0;&unknown;",
        b"<![CDATA[x]]>",
        b"\xff\xfe",
        b"</a>",
        b"\"",
        b"<!--",
        b"xmlns:ovf=\"\"",
        b"99999999999999999999",
    ];
    for _ in 0..rng.usize(1..4) {
        let at = rng.usize(0..=body.len());
        match rng.u8(0..5) {
            0 => body.truncate(at),
            1 => {
                let inserted = INSERTED[rng.usize(0..INSERTED.len())];
                body.splice(at..at, inserted.iter().copied());
            }
            2 => {
                let end = (at + rng.usize(0..40)).min(body.len());
                body.drain(at..end);
            }
            3 => {
                let end = (at + rng.usize(0..60)).min(body.len());
                let copy = body[at..end].to_vec();
                body.splice(at..at, copy);
            }
            _ => {
                if let Some(byte) = body.get_mut(at) {
                    *byte = rng.u8(..);
                }
            }
        }
    }
    body
}
