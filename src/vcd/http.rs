//! The network: TLS, proxies, time and size limits. Implements the transport with reqwest and rustls.
//!
//! Flow: one [`Request`] in, one complete [`Response`] or a [`TransportError`] out.
//!
//! Invariants:
//! - No redirect is followed, no answer is repeated: a redirected `PUT` or a second attempt would
//!   break the rule that one read licenses one write.
//! - Certificates are always checked, against the system's roots and the given ones.
//! - Pages of listings have connections of their own: HTTP/2 would put heartbeats behind megabytes of them. All
//!   other requests share theirs, so that no claim is kept alive by a replica that can do nothing else.
//! - A body is read into one buffer, sized by its announced length but never beyond the limit.
//!
//! Not here: what goes wrong in words (`vcd::network_failure`), what a status means (`vcd::error`).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Method};
use url::Url;

use super::network_failure::{self, Phase};
use super::transport::{CallLimits, Obstacle, Page, Request, Response, Transport, TransportError};

/// How long an idle connection is kept; below the idle limit of common load balancers (60 s).
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// How often the kernel probes an idle connection, so that a silent firewall is noticed.
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);

/// First buffer for a body of unannounced length, in bytes.
const FIRST_BUFFER_BYTES: usize = 64 * 1024;

/// Where VCD is and how to get there.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// `https://host[:port]`; a path `/api` is tolerated and dropped.
    pub base_url: Url,
    /// Certificates in PEM to trust besides the system's.
    pub ca_file_pem: Option<Vec<u8>>,
    /// Sent when a request has none of its own.
    pub user_agent: String,
    /// Longest wait for name look-up, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Never HTTP/2: spreads calls over the cells behind a load balancer.
    pub http1_only: bool,
    /// Whether `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` of the environment count.
    pub use_env_proxy: bool,
}

/// Why there is no transport.
#[derive(Debug, thiserror::Error)]
pub enum HttpSetupError {
    /// The URL is of no use.
    #[error("base URL {url}: {reason}")]
    BaseUrl {
        /// The URL, without credentials.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The given certificates cannot be used.
    #[error("the given CA certificates cannot be used: {reason}")]
    CaCertificates {
        /// What is wrong with them.
        reason: String,
    },
    /// This host trusts nobody, and no certificates were given.
    #[error(
        "this host has no system CA certificates and none are given, so no HTTPS server can be trusted"
    )]
    NoTrustedRoots,
    /// Anything else, such as TLS without a provider.
    #[error("cannot set up HTTPS: {reason}")]
    Client {
        /// What reqwest or rustls said.
        reason: String,
    },
}

/// Makes aws-lc-rs the process's TLS provider; later calls change nothing.
pub fn install_crypto_provider() {
    // An error means that a provider is installed already, which is all that is wanted.
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .unwrap_or(());
}

/// Connections to one VCD.
#[derive(Clone, Debug)]
pub struct HttpTransport {
    client: reqwest::Client,
    /// For pages of listings.
    pages: reqwest::Client,
    /// Scheme, host and port, without a slash at the end.
    origin: String,
    /// Host and port, for messages.
    host: String,
}

impl HttpTransport {
    /// Prepares connections; none is made yet.
    ///
    /// # Errors
    /// [`HttpSetupError`]: unusable URL or certificates, or nothing to trust.
    pub fn new(options: &HttpOptions) -> Result<Self, HttpSetupError> {
        install_crypto_provider();
        let url = &options.base_url;
        check(url)?;
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        Ok(Self {
            client: connections(options)?,
            pages: connections(options)?,
            origin: url.origin().ascii_serialization(),
            host: format!("{host}:{port}"),
        })
    }

    fn prepare(
        &self,
        request: Request,
        limits: CallLimits,
    ) -> Result<reqwest::Request, TransportError> {
        let (parts, body) = request.into_parts();
        let target = parts
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str());
        let url = Url::parse(&format!("{}{target}", self.origin)).map_err(|error| {
            TransportError::NotSent {
                host: self.host.clone(),
                obstacle: Obstacle::Other,
                reason: error.to_string(),
            }
        })?;
        let mut prepared = reqwest::Request::new(parts.method, url);
        *prepared.timeout_mut() = Some(limits.timeout);
        *prepared.headers_mut() = parts.headers;
        if !body.is_empty() {
            *prepared.body_mut() = Some(body.into());
        } else if matches!(*prepared.method(), Method::POST | Method::PUT) {
            // Some proxies answer 411 to a POST that does not say how long it is.
            prepared
                .headers_mut()
                .insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        Ok(prepared)
    }

    fn failed(&self, error: &reqwest::Error, phase: Phase) -> TransportError {
        let host = self.host.clone();
        let (obstacle, reason) = network_failure::reason(error, phase);
        if error.is_connect() || error.is_builder() {
            TransportError::NotSent {
                host,
                obstacle,
                reason,
            }
        } else {
            TransportError::Unanswered { host, reason }
        }
    }
}

impl Transport for HttpTransport {
    async fn send(&self, request: Request, limits: CallLimits) -> Result<Response, TransportError> {
        let client = match request.extensions().get::<Page>() {
            Some(Page) => &self.pages,
            None => &self.client,
        };
        let sent = client.execute(self.prepare(request, limits)?).await;
        let mut answer = sent.map_err(|error| self.failed(&error, Phase::Head))?;
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = answer.status();
        *response.version_mut() = answer.version();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        *response.body_mut() = self.body(answer, limits.max_body_bytes).await?;
        Ok(response)
    }
}

impl HttpTransport {
    async fn body(
        &self,
        mut answer: reqwest::Response,
        limit: usize,
    ) -> Result<Bytes, TransportError> {
        let announced = answer
            .content_length()
            .map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        if announced.is_some_and(|announced| announced > limit) {
            return Err(TransportError::TooLarge { limit });
        }
        let capacity = announced.unwrap_or(FIRST_BUFFER_BYTES.min(limit));
        let mut body = BytesMut::new();
        while let Some(chunk) = self.chunk(&mut answer).await? {
            if chunk.len() > limit - body.len() {
                return Err(TransportError::TooLarge { limit });
            }
            // The only chunk of a small answer is the body; copying it would be waste.
            if body.is_empty() && announced == Some(chunk.len()) {
                return match self.chunk(&mut answer).await? {
                    None => Ok(chunk),
                    Some(_) => Err(TransportError::TooLarge { limit }),
                };
            }
            if body.is_empty() {
                body.reserve(capacity);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    async fn chunk(&self, answer: &mut reqwest::Response) -> Result<Option<Bytes>, TransportError> {
        answer
            .chunk()
            .await
            .map_err(|error| self.failed(&error, Phase::Body))
    }
}

/// A set of connections of its own; none is made yet.
fn connections(options: &HttpOptions) -> Result<reqwest::Client, HttpSetupError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(&options.user_agent)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(options.connect_timeout)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .tcp_keepalive(TCP_KEEPALIVE)
        .tcp_nodelay(true)
        .referer(false);
    if options.http1_only {
        builder = builder.http1_only();
    }
    if !options.use_env_proxy {
        builder = builder.no_proxy();
    }
    if let Some(pem) = &options.ca_file_pem {
        builder = builder.tls_certs_merge(certificates(pem)?);
    } else if options.base_url.scheme() == "http" {
        // Plain HTTP needs no roots; without this a host that has none could not be used.
        builder = builder.tls_certs_only([]);
    }
    let given = options.ca_file_pem.is_some();
    builder.build().map_err(|error| setup_error(&error, given))
}

fn check(url: &Url) -> Result<(), HttpSetupError> {
    let refuse = |reason| {
        let mut shown = url.clone();
        // Fails for URLs that cannot have credentials; then there is nothing to hide.
        let hidden = shown.set_username("").is_ok() && shown.set_password(None).is_ok();
        let url = if hidden {
            shown.to_string()
        } else {
            url.scheme().to_owned() + ":"
        };
        Err(HttpSetupError::BaseUrl { url, reason })
    };
    if !matches!(url.scheme(), "https" | "http") {
        return refuse("the scheme must be https (or http, for the simulator)");
    }
    if url.host_str().is_none_or(str::is_empty) {
        return refuse("there is no host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("it must not hold credentials");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse("it must end after the host and port");
    }
    if !matches!(url.path(), "" | "/" | "/api" | "/api/") {
        return refuse("it must not have a path");
    }
    Ok(())
}

fn certificates(pem: &[u8]) -> Result<Vec<reqwest::Certificate>, HttpSetupError> {
    let found = reqwest::Certificate::from_pem_bundle(pem).map_err(|error| {
        HttpSetupError::CaCertificates {
            reason: network_failure::innermost(&error),
        }
    })?;
    if found.is_empty() {
        return Err(HttpSetupError::CaCertificates {
            reason: "there is none in PEM form".to_owned(),
        });
    }
    Ok(found)
}

/// `given`: whether there are certificates besides the system's.
fn setup_error(error: &reqwest::Error, given: bool) -> HttpSetupError {
    let reason = network_failure::innermost(error);
    if reason.contains("No CA certificates") {
        HttpSetupError::NoTrustedRoots
    } else if given && reason.starts_with("invalid peer certificate") {
        // Nobody has been connected to yet: a damaged certificate is one of those given.
        let reason = "one of them is damaged".to_owned();
        HttpSetupError::CaCertificates { reason }
    } else {
        HttpSetupError::Client { reason }
    }
}
