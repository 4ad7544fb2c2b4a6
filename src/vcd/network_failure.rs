//! What went wrong on the network, in words an operator can act on.
//!
//! Invariants:
//! - The words come from types, not from texts, as far as the libraries keep the types.
//! - No URL, header or body is quoted; the host is named by the caller.

use std::error::Error;
use std::io;

use rustls::CertificateError;

use super::refusal::clean;

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

/// The reason why there is no complete answer.
pub(super) fn reason(error: &reqwest::Error, phase: Phase) -> String {
    let chain = chain(error);
    if let Some(tls) = chain.iter().find_map(|e| e.downcast_ref::<rustls::Error>()) {
        return tls_reason(tls);
    }
    if error.is_dns() {
        return format!("name look-up failed: {}", innermost(error));
    }
    if error.is_timeout() {
        let what = if error.is_connect() {
            "no connection"
        } else {
            "no complete answer"
        };
        return format!("timed out: {what} within the time limit");
    }
    let io = chain.iter().find_map(|e| e.downcast_ref::<io::Error>());
    match io.map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
            "no route to the host".to_owned()
        }
        Some(io::ErrorKind::ConnectionReset) => "connection reset".to_owned(),
        _ => match phase {
            Phase::Head => format!("connection closed: {}", innermost(error)),
            Phase::Body => format!("answer cut short: {}", innermost(error)),
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

fn tls_reason(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(certificate) = error else {
        return format!(
            "TLS failed: {}",
            clean(&error.to_string(), MAX_REASON_CHARS)
        );
    };
    let why = certificate_reason(certificate);
    format!(
        "certificate not trusted ({})",
        clean(&why, MAX_REASON_CHARS)
    )
}

fn certificate_reason(error: &CertificateError) -> String {
    if let CertificateError::NotValidForNameContext { presented, .. } = error {
        return format!("issued for another name: {}", presented.join(", "));
    }
    if matches!(error, CertificateError::NotValidForName) {
        return "issued for another name".to_owned();
    }
    if matches!(error, CertificateError::UnknownIssuer) {
        return "unknown issuer".to_owned();
    }
    if matches!(
        error,
        CertificateError::BadSignature
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }
    ) {
        // The name of the issuer fits, its key does not: the certificate on this side is outdated.
        return "signed with another key than the trusted one of that name".to_owned();
    }
    if matches!(
        error,
        CertificateError::Expired | CertificateError::ExpiredContext { .. }
    ) {
        return "expired".to_owned();
    }
    if matches!(
        error,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }
    ) {
        return "not valid yet; is this host's clock right?".to_owned();
    }
    error.to_string()
}
