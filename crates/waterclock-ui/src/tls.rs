//! Certificates from files.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, version};
use tokio_rustls::server::TlsStream;
use waterclock_base::world::{Disk, RealDisk};
use waterclock_base::{Error, Result};

/// How long encryption may take to begin.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Begins to speak encrypted; none where the visitor can't, or takes too long.
pub(crate) async fn begin(acceptor: &TlsAcceptor, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
    timeout(HANDSHAKE, acceptor.accept(stream)).await.ok()?.ok()
}

/// Encryption by the certificate chain and the key in these files, both PEM.
pub(crate) fn acceptor(certificates: &Path, key: &Path) -> Result<TlsAcceptor> {
    let refuse = |why: String| Error::Setting { setting: "page.tls", why };
    let named = |path: &Path| path.display().to_string();
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&read(certificates)?)
        .collect::<Result<_, _>>()
        .map_err(|error| refuse(format!("{} holds no certificates: {error}", named(certificates))))?;
    let private = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|_| refuse(format!("{} holds no private key", named(key))))?;
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|error| refuse(format!("certificate and key don't work together: {error}")))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let read = |content: &mut Vec<u8>| -> io::Result<usize> { RealDisk.open(path)?.read_to_end(content) };
    read(&mut content).map_err(|error| Error::outside("can't read", path.display(), error))?;
    Ok(content)
}
