//! Certificates of the simulator: an authority of its own, or what the operator gives.
//!
//! Invariants:
//! - An authority that is kept signs again after a restart, for other names too, and whoever trusted it
//!   goes on to trust it: its name and key are the same.
//!
//! Not here: which certificate a site serves with (`sim::standalone`).

use std::fmt;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};

/// Names that every certificate of the simulator is good for.
const LOCAL_NAMES: [&str; 2] = ["127.0.0.1", "localhost"];

/// A certificate authority with its key.
#[derive(Clone, Serialize, Deserialize)]
pub struct Authority {
    /// Certificate, for clients to trust.
    pub ca_pem: String,
    key_pem: String,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// What a server needs, and what its clients need.
#[derive(Clone, Debug)]
pub struct TlsIdentity {
    /// Certificate of the authority, for clients to trust.
    pub ca_pem: String,
    /// Key and certificate of the server.
    pub config: Arc<ServerConfig>,
}

/// A TLS identity could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsIdentityError {
    /// Key or certificate could not be generated.
    #[error("cannot make a certificate")]
    Certificate(#[source] rcgen::Error),
    /// The TLS stack refused what was generated or given.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
    /// What was given is no certificate or no key.
    #[error("{what} cannot be read as PEM")]
    Pem {
        /// `the certificate` or `the key`.
        what: &'static str,
        /// The cause.
        #[source]
        cause: rustls::pki_types::pem::Error,
    },
}

/// Makes a fresh authority and a server certificate signed by it, for 127.0.0.1 and `localhost`.
///
/// # Errors
/// [`TlsIdentityError`]: the cryptography library failed.
pub fn tls_identity() -> Result<TlsIdentity, TlsIdentityError> {
    Authority::new()?.identity(&[])
}

impl Authority {
    /// A fresh authority.
    ///
    /// # Errors
    /// [`TlsIdentityError`]: the cryptography library failed.
    pub fn new() -> Result<Self, TlsIdentityError> {
        let make = || -> Result<_, rcgen::Error> {
            let key = KeyPair::generate()?;
            let certificate = authority_params().self_signed(&key)?;
            Ok(Self {
                ca_pem: certificate.pem(),
                key_pem: key.serialize_pem(),
            })
        };
        make().map_err(TlsIdentityError::Certificate)
    }

    /// A fresh server certificate for this machine and for `names`, host names or addresses.
    ///
    /// # Errors
    /// [`TlsIdentityError`]: a name is none, or the cryptography library failed.
    pub fn identity(&self, names: &[String]) -> Result<TlsIdentity, TlsIdentityError> {
        let signed = || -> Result<_, rcgen::Error> {
            let issuer = Issuer::new(authority_params(), KeyPair::from_pem(&self.key_pem)?);
            let mut all: Vec<String> = LOCAL_NAMES.map(str::to_owned).to_vec();
            all.extend(
                names
                    .iter()
                    .filter(|name| !LOCAL_NAMES.contains(&name.as_str()))
                    .cloned(),
            );
            let key = KeyPair::generate()?;
            let certificate = CertificateParams::new(all)?.signed_by(&key, &issuer)?;
            Ok((certificate, key))
        };
        let (certificate, key) = signed().map_err(TlsIdentityError::Certificate)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(TlsIdentity {
            ca_pem: self.ca_pem.clone(),
            config: server_config(vec![certificate.der().clone()], key)?,
        })
    }
}

/// An identity from PEM texts: the certificate with what it needs to be verified, and its key.
///
/// # Errors
/// [`TlsIdentityError`]: a text is no PEM, or key and certificate do not belong together.
pub fn given_identity(chain_pem: &str, key_pem: &str) -> Result<TlsIdentity, TlsIdentityError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain_pem.as_bytes()).collect();
    let chain = chain.map_err(|cause| TlsIdentityError::Pem {
        what: "the certificate",
        cause,
    })?;
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes());
    let key = key.map_err(|cause| TlsIdentityError::Pem {
        what: "the key",
        cause,
    })?;
    Ok(TlsIdentity {
        ca_pem: chain_pem.to_owned(),
        config: server_config(chain, key)?,
    })
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
        .distinguished_name
        .push(DnType::CommonName, "VCD simulator CA");
    params
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, TlsIdentityError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    let mut config = config.map_err(TlsIdentityError::Tls)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
