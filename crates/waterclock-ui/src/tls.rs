//! Certificates from files.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, version};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{TlsAcceptor, rustls};
use waterclock_base::world::{Disk, RealDisk};
use waterclock_base::{Error, Result};

/// How long encryption may take to begin.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Begins to speak encrypted; none where the visitor can't, or takes too long.
pub(crate) async fn begin(acceptor: &TlsAcceptor, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
    timeout(HANDSHAKE, acceptor.accept(stream)).await.ok()?.ok()
}

/// Encryption by the certificate chain and the key in these files, both PEM.
///
/// # Errors
/// [`Error::Outside`] where a file can't be read; [`Error::Setting`] where it does not hold what it should, or both
/// don't belong together. Nothing of the key is in it.
pub(crate) fn acceptor(certificates: &Path, key: &Path) -> Result<TlsAcceptor> {
    let refuse = |why: String| Error::Setting { setting: "page.tls", why };
    let (chain_file, key_file) = (certificates.display(), key.display());
    let no_chain = || refuse(format!("{chain_file} holds no certificate in PEM that can be used"));
    let no_key = || refuse(format!("{key_file} holds no private key in PEM that can be used"));
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&read(certificates)?)
        .collect::<Result<_, _>>()
        .map_err(|_| no_chain())?;
    if chain.is_empty() {
        return Err(no_chain());
    }
    let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|_| no_key())?;
    let provider = ring::default_provider();
    provider.key_provider.load_private_key(private.clone_key()).map_err(|_| no_key())?;
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|error| match error {
            rustls::Error::InvalidCertificate(_) => no_chain(),
            _ => refuse(format!("the key in {key_file} is not that of the certificate in {chain_file}")),
        })?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let read = |content: &mut Vec<u8>| -> io::Result<usize> { RealDisk.open(path)?.read_to_end(content) };
    read(&mut content).map_err(|error| Error::outside("can't read", path.display(), error))?;
    Ok(content)
}
