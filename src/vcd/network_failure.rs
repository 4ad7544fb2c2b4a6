//! What went wrong on the network, in words an operator can act on.
//!
//! Invariants:
//! - The words come from types, not from texts, as far as the libraries keep the types.
//! - No URL, header or body is quoted; the host is named by the caller.

use std::error::Error;
use std::io;

use rustls::{CertificateError, InvalidMessage};

use super::refusal::clean;
use super::transport::Obstacle;

/// Longest foreign text in a reason, in characters.
const MAX_REASON_CHARS: usize = 200;

/// How far the call had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waiting for the head of the answer.
    Head,
    /// Reading its body.
    Body,
}

/// The reason why there is no complete answer, as a kind and in words.
pub(super) fn reason(error: &reqwest::Error, phase: Phase) -> (Obstacle, String) {
    let chain = chain(error);
    if let Some(tls) = chain.iter().find_map(|e| e.downcast_ref::<rustls::Error>()) {
        return tls_reason(tls);
    }
    if error.is_dns() {
        let text = format!("name look-up failed: {}", innermost(error));
        return (Obstacle::NameLookup, text);
    }
    if error.is_timeout() {
        let what = if error.is_connect() {
            "no connection"
        } else {
            "no complete answer"
        };
        let text = format!("timed out: {what} within the time limit");
        return (Obstacle::NoAnswer, text);
    }
    let io = chain.iter().find_map(|e| e.downcast_ref::<io::Error>());
    match io.map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => {
            (Obstacle::Refused, "connection refused".to_owned())
        }
        Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
            (Obstacle::NoAnswer, "no route to the host".to_owned())
        }
        Some(io::ErrorKind::ConnectionReset) => (Obstacle::Other, "connection reset".to_owned()),
        _ => match phase {
            Phase::Head => (
                Obstacle::Other,
                format!("connection closed: {}", innermost(error)),
            ),
            Phase::Body => (
                Obstacle::Other,
                format!("answer cut short: {}", innermost(error)),
            ),
        },
    }
}

/// The innermost cause in its own words, which are the most specific ones.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    let text = chain(error)
        .last()
        .map(ToString::to_string)
        .unwrap_or_default();
    clean(&text, MAX_REASON_CHARS)
}

/// An error and its causes; an I/O error hides its payload from `source`, so that is unwrapped.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut chain = vec![error];
    let mut current = error;
    // Causes are nested boxes, so that the chain ends; the bound is for a library that cheats.
    while chain.len() < 32 {
        let payload = current
            .downcast_ref::<io::Error>()
            .and_then(|io| io.get_ref());
        let payload = payload.map(|e| -> &'a (dyn Error + 'static) { e });
        let Some(next) = payload.or_else(|| current.source()) else {
            break;
        };
        chain.push(next);
        current = next;
    }
    chain
}

fn tls_reason(error: &rustls::Error) -> (Obstacle, String) {
    if let rustls::Error::InvalidCertificate(certificate) = error {
        let (obstacle, why) = certificate_reason(certificate);
        let why = clean(&why, MAX_REASON_CHARS);
        return (obstacle, format!("certificate not trusted ({why})"));
    }
    let not_tls = InvalidMessage::InvalidContentType;
    if *error == rustls::Error::InvalidMessage(not_tls) {
        // What came back was no TLS record: most often the first line of an HTTP answer.
        let text = "TLS failed: what listens there does not speak TLS";
        return (Obstacle::NotTls, text.to_owned());
    }
    let why = clean(&error.to_string(), MAX_REASON_CHARS);
    (Obstacle::Other, format!("TLS failed: {why}"))
}

fn certificate_reason(error: &CertificateError) -> (Obstacle, String) {
    if let CertificateError::NotValidForNameContext { presented, .. } = error {
        let text = format!("issued for another name: {}", presented.join(", "));
        return (Obstacle::WrongName, text);
    }
    if matches!(error, CertificateError::NotValidForName) {
        return (Obstacle::WrongName, "issued for another name".to_owned());
    }
    if matches!(error, CertificateError::UnknownIssuer) {
        return (Obstacle::UnknownIssuer, "unknown issuer".to_owned());
    }
    if matches!(
        error,
        CertificateError::BadSignature
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }
    ) {
        // The name of the issuer fits, its key does not: the certificate on this side is outdated.
        let text = "signed with another key than the trusted one of that name";
        return (Obstacle::UnknownIssuer, text.to_owned());
    }
    if matches!(
        error,
        CertificateError::Expired | CertificateError::ExpiredContext { .. }
    ) {
        return (Obstacle::Certificate, "expired".to_owned());
    }
    if matches!(
        error,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }
    ) {
        let text = "not valid yet; is this host's clock right?";
        return (Obstacle::Certificate, text.to_owned());
    }
    (Obstacle::Certificate, error.to_string())
}
