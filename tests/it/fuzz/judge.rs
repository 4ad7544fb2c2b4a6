//! What every answer must be like, whatever was asked.

use cse_server::vcd::transport::{Request, Response};
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::Value;

/// What is wrong with the answer, if anything.
pub(super) fn fault(request: &Request, response: &Response) -> Option<String> {
    let status = response.status().as_u16();
    // The one server error that VCD is known for: a UI plugin that does not exist.
    let known = status == 500 && request.uri().path().starts_with("/cloudapi/extensions/ui/");
    if !(200..500).contains(&status) && !known {
        return Some(format!("status {status}"));
    }
    let id = response.headers().get("x-vmware-vcloud-request-id");
    let Some(id) = id.and_then(|id| id.to_str().ok()) else {
        return Some("no request id".to_owned());
    };
    let media = response.headers().get("content-type");
    let media = media.and_then(|media| media.to_str().ok());
    let Ok(text) = std::str::from_utf8(response.body()) else {
        return Some("the body is no text".to_owned());
    };
    if status >= 400 {
        let first = request
            .uri()
            .path()
            .split('/')
            .find(|part| !part.is_empty());
        // The legacy API has a JSON form, for those who ask for it.
        let mut accepts = request.headers().get_all("accept").iter();
        let asked = accepts.any(|accept| accept.as_bytes().windows(4).any(|four| four == b"json"));
        let json = media.is_some_and(|media| media.contains("json"));
        return if first == Some("api") && !(asked && json) {
            xml_error(text, status, id)
        } else {
            json_error(text, id)
        };
    }
    match media {
        None if text.is_empty() => None,
        None => Some("a body without a media type".to_owned()),
        Some(_) if text.is_empty() && status != 200 => None,
        Some(media) if media.contains("xml") => malformed(text),
        Some(media) if media.contains("json") => serde_json::from_str::<Value>(text)
            .err()
            .map(|error| format!("the JSON does not parse: {error}")),
        Some(media) => Some(format!("the media type is {media}")),
    }
}

fn json_error(text: &str, id: &str) -> Option<String> {
    let Ok(body) = serde_json::from_str::<Value>(text) else {
        return Some("the error is no JSON".to_owned());
    };
    let minor = body["minorErrorCode"].as_str().unwrap_or_default();
    let message = body["message"].as_str().unwrap_or_default();
    // What the standard of tokens wants is told beside it.
    if minor.is_empty() || !message.starts_with(&format!("[ {id} ] ")) {
        return Some("the error lacks code or message".to_owned());
    }
    None
}

fn xml_error(text: &str, status: u16, id: &str) -> Option<String> {
    if let Some(fault) = malformed(text) {
        return Some(fault);
    }
    let start = text.find("<Error ").map(|at| text.split_at(at).1);
    let Some(start) = start.and_then(|rest| rest.split_once('>')) else {
        return Some("the error is no Error".to_owned());
    };
    let has = |attribute: &str| start.0.contains(attribute);
    let whole = has("minorErrorCode=\"")
        && has(&format!("majorErrorCode=\"{status}\""))
        && has(&format!("message=\"[ {id} ] "));
    (!whole).then(|| "the error lacks code or message".to_owned())
}

/// What is wrong with a document; nothing is looked for in it.
fn malformed(text: &str) -> Option<String> {
    let mut reader = Reader::from_str(text);
    let mut open = 0_usize;
    let mut roots = 0_usize;
    loop {
        match reader.read_event() {
            Err(error) => return Some(format!("the XML does not parse: {error}")),
            Ok(Event::Start(start)) => {
                roots += usize::from(open == 0);
                open += 1;
                if start.attributes().any(|attribute| attribute.is_err()) {
                    return Some("an attribute is malformed".to_owned());
                }
            }
            Ok(Event::End(_)) => open = open.saturating_sub(1),
            Ok(Event::Empty(_)) => roots += usize::from(open == 0),
            Ok(Event::Eof) => break,
            Ok(
                Event::Text(_)
                | Event::CData(_)
                | Event::Comment(_)
                | Event::Decl(_)
                | Event::PI(_)
                | Event::DocType(_)
                | Event::GeneralRef(_),
            ) => {}
        }
    }
    (open > 0 || roots != 1).then(|| format!("the XML has {roots} roots, {open} not closed"))
}
