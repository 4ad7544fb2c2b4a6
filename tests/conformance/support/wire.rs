//! Requests as any client could send them, and what came back, without a model in between.

use http::{HeaderMap, Method};
use serde_json::Value;

/// A request under construction; API version 37.2 and JSON unless it says otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    accept: Option<String>,
}

impl Ask {
    pub(crate) fn new(method: Method, path: &str) -> Self {
        Self {
            method,
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            accept: Some("application/json;version=37.2".to_owned()),
        }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn post(path: &str) -> Self {
        Self::new(Method::POST, path)
    }

    pub(crate) fn put(path: &str) -> Self {
        Self::new(Method::PUT, path)
    }

    pub(crate) fn delete(path: &str) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// One more header; repeated ones are sent repeatedly.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With the access token `token`.
    pub(crate) fn by(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn accept(mut self, accept: &str) -> Self {
        self.accept = Some(accept.to_owned());
        self
    }

    pub(crate) fn without_accept(mut self) -> Self {
        self.accept = None;
        self
    }

    /// JSON at another API version.
    pub(crate) fn version(self, version: &str) -> Self {
        self.accept(&format!("application/json;version={version}"))
    }

    /// The legacy API's media type.
    pub(crate) fn xml(self) -> Self {
        self.accept("application/*+xml;version=37.2")
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into_bytes();
        self.header("content-type", "application/json")
    }

    /// A body of the legacy API; `media` such as `application/vnd.vmware.vcloud.vm+xml`.
    pub(crate) fn document(mut self, media: &str, body: &str) -> Self {
        self.body = body.as_bytes().to_vec();
        self.header("content-type", media)
    }

    pub(crate) fn form(mut self, pairs: &[(&str, &str)]) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(pairs);
        self.body = form.finish().into_bytes();
        self.header("content-type", "application/x-www-form-urlencoded")
    }

    pub(crate) async fn send(self, client: &reqwest::Client, site: &str) -> Answer {
        let asked = format!("{} {}", self.method, self.path);
        let mut request = client.request(self.method, format!("{site}{}", self.path));
        if let Some(accept) = &self.accept {
            request = request.header("accept", accept);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let answer = request.body(self.body).send().await.expect("an answer");
        Answer {
            asked,
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body: answer.text().await.expect("a body"),
        }
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    asked: String,
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    pub(crate) fn text(&self) -> String {
        self.body.clone()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.asked, self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let value = self.headers.get(name)?;
        Some(value.to_str().ok()?.to_owned())
    }

    /// The answer itself, if it has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.asked, self.body);
        self
    }

    /// The same for a refusal with this minor error code, in JSON or XML.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, minor: &str) -> Self {
        let answer = self.expect(status);
        let in_json = format!("\"minorErrorCode\":\"{minor}\"");
        let in_xml = format!("minorErrorCode=\"{minor}\"");
        let found = answer.body.contains(&in_json) || answer.body.contains(&in_xml);
        assert!(found, "{}: no {minor}: {}", answer.asked, answer.body);
        answer
    }
}
