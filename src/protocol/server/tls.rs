//! The operator's certificate and key.

use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, crypto};

use super::ServerError;

/// Reads chain and key, both PEM, and checks that they belong together.
pub(super) fn acceptor(chain: &Path, key: &Path) -> Result<TlsAcceptor, ServerError> {
    let unreadable = |what: &str, path: &Path, error: String| {
        ServerError(format!("cannot read the {what} `{}`: {error}; it must be PEM", path.display()))
    };
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable("certificate", chain, error.to_string()))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable("key", key, error.to_string()))?;
    let refused = |error: tokio_rustls::rustls::Error| {
        ServerError(format!("cannot use the certificate `{}` with its key: {error}", chain.display()))
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(refused)?
        .with_no_client_auth()
        .with_single_cert(certificates, private)
        .map_err(refused)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
