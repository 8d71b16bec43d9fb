//! Encrypted connections, to a server that proves who it is.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore, crypto};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::PostgresError;

/// Trusts the certificates of a PEM text, or those of the system.
pub(crate) fn connector(trusted: Option<&[u8]>) -> Result<MakeRustlsConnect, PostgresError> {
    let refused = |why: String| PostgresError::Tls { why };
    let mut roots = RootCertStore::empty();
    let certificates = match trusted {
        Some(pem) => CertificateDer::pem_slice_iter(pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| refused(format!("the certificates can't be read: {error}")))?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(refused("there is no certificate to trust".to_owned()));
    }
    // Named here, so that another crate's choice of an implementation makes no difference.
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused() {
        let why = |pem: &[u8]| connector(Some(pem)).err().unwrap().to_string();
        assert!(why(b"").contains("no certificate"));
        let cut = b"-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(why(cut).contains("can't be read"), "{}", why(cut));
        let other = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(why(other).contains("no certificate"));
    }
}
