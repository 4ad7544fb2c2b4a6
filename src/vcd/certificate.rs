//! What certificates a server shows, whoever signed them: for telling an operator which one is missing.
//!
//! Flow: a connected socket in, the names and dates of the chain out.
//!
//! Invariants:
//! - Nothing is sent over such a connection but the handshake, and nothing is concluded from it: whether the
//!   server is trusted is the business of the connections of `vcd::http` alone.
//!
//! Source: RFC 8446 (handshake), RFC 5280 (certificates).

use std::net::TcpStream;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::refusal::clean;

/// Longest name that is repeated, in characters.
const MAX_NAME_CHARS: usize = 160;
/// Most host names of one certificate that are repeated.
const MAX_HOSTS: usize = 8;

/// One certificate of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Whose it is.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The host names it is for.
    pub hosts: Vec<String>,
    /// First moment at which it is valid.
    pub from: Option<Timestamp>,
    /// Last moment at which it is valid.
    pub until: Option<Timestamp>,
}

impl Shown {
    /// Whether it signed itself.
    pub fn is_self_signed(&self) -> bool {
        self.subject == self.issuer
    }
}

/// Shakes hands and tells which certificates the server shows, its own first.
///
/// Blocks; set read and write time limits on `stream` before.
///
/// # Errors
/// The reason in words: what listens there speaks no TLS, or shows nothing that can be read.
pub fn shown_by(mut stream: TcpStream, host: &str) -> Result<Vec<Shown>, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Onlooker(provider)))
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let connection = ClientConnection::new(Arc::new(config), name);
    let mut connection = connection.map_err(|error| error.to_string())?;
    while connection.is_handshaking() {
        let progress = connection.complete_io(&mut stream);
        progress.map_err(|error| clean(&error.to_string(), MAX_NAME_CHARS))?;
    }
    let chain = connection.peer_certificates().unwrap_or_default();
    let shown: Vec<Shown> = chain.iter().filter_map(|der| read(der)).collect();
    if shown.is_empty() {
        return Err("it shows no certificate that can be read".to_owned());
    }
    Ok(shown)
}

fn read(der: &[u8]) -> Option<Shown> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let name = |text: String| clean(&text, MAX_NAME_CHARS);
    let hosts = certificate.subject_alternative_name().ok().flatten();
    let hosts = hosts.map(|extension| {
        let names = extension.value.general_names.iter();
        let host = |one: &GeneralName<'_>| match one {
            GeneralName::DNSName(host) => Some(name((*host).to_owned())),
            GeneralName::OtherName(..)
            | GeneralName::RFC822Name(_)
            | GeneralName::X400Address(_)
            | GeneralName::DirectoryName(_)
            | GeneralName::EDIPartyName(_)
            | GeneralName::URI(_)
            | GeneralName::IPAddress(_)
            | GeneralName::RegisteredID(_)
            | GeneralName::Invalid(..) => None,
        };
        names.filter_map(host).take(MAX_HOSTS).collect()
    });
    let moment = |seconds: i64| Timestamp::from_second(seconds).ok();
    let validity = certificate.validity();
    Some(Shown {
        subject: name(certificate.subject().to_string()),
        issuer: name(certificate.issuer().to_string()),
        hosts: hosts.unwrap_or_default(),
        from: moment(validity.not_before.timestamp()),
        until: moment(validity.not_after.timestamp()),
    })
}

/// Looks at certificates without judging them.
#[derive(Debug)]
struct Onlooker(Arc<CryptoProvider>);

impl ServerCertVerifier for Onlooker {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
