//! Goal: with a certificate the page is encrypted, and nothing of it can be had otherwise.
//! Method: a job under virtual time, and a client that trusts the certificate of `tests/certificate`, which is good for
//! a hundred years and for nothing else.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod speaking;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use waterclock_streaming::{Stop, StreamingContext};
use waterclock_ui::Page;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/certificate").join(name)
}

fn page() -> Page {
    Page::new().at("127.0.0.1:0").secret("open sesame").tls(file("page.crt"), file("page.key"))
}

/// Asks by TLS, as `name`; the answer, or why there is no connection.
fn ask(page: &Page, name: &'static str, headers: &str) -> Result<String, String> {
    let mut trusted = RootCertStore::empty();
    trusted.add(CertificateDer::from_pem_file(file("page.crt")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    let address = page.url().trim_start_matches("https://").trim_end_matches('/').to_owned();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {name}\r\n{headers}Connection: close\r\n\r\n");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = TcpStream::connect(address).await.unwrap();
        let server = ServerName::try_from(name).unwrap();
        let connected = TlsConnector::from(Arc::new(config)).connect(server, stream).await;
        let mut stream = connected.map_err(|error| error.to_string())?;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.map_err(|error| error.to_string())?;
        Ok(String::from_utf8(answer).unwrap())
    })
}

#[test]
fn the_page_is_encrypted_and_still_asks_for_its_secret() {
    let (ssc, _clock, page) = speaking::word_count(2, page());
    assert!(page.url().starts_with("https://127.0.0.1:"), "{}", page.url());
    let answer = ask(&page, "localhost", "Authorization: Bearer open sesame\r\n").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("waterclock_batches_completed_total 2"));
    assert!(ask(&page, "localhost", "").unwrap().starts_with("HTTP/1.1 401"));
    // A client sees whose page it is before it says a word.
    let other = ask(&page, "other.example", "Authorization: Bearer open sesame\r\n").unwrap_err();
    assert!(other.contains("certificate"), "{other}");
    ssc.stop(Stop::Now).unwrap();
}

/// Who speaks otherwise hears nothing of the page, and disturbs nobody.
#[test]
fn nothing_is_told_without_encryption() {
    let (ssc, _clock, page) = speaking::word_count(1, page());
    let plain = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer open sesame\r\n\r\n";
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    for request in [&plain[..], hello, b"", &[0xff; 5000]] {
        let answer = String::from_utf8_lossy(&speaking::raw(&page, request)).into_owned();
        assert!(!answer.contains("HTTP/1.1") && !answer.contains("waterclock"), "{answer}");
    }
    assert!(ask(&page, "localhost", "Authorization: Bearer open sesame\r\n").unwrap().contains(" 200 "));
    ssc.stop(Stop::Now).unwrap();
}

#[test]
fn files_that_are_no_certificate_or_key_are_named_and_not_shown() {
    let refused = |certificates: PathBuf, key: PathBuf| {
        let page = Page::new().at("127.0.0.1:0").tls(certificates, key);
        StreamingContext::builder("door").watch(page).build().err().unwrap().full_text()
    };
    let (certificate, key) = (file("page.crt"), file("page.key"));
    let secret = std::fs::read_to_string(&key).unwrap().lines().nth(1).unwrap().to_owned();
    for (certificates, key, said) in [
        (file("nowhere.crt"), key.clone(), "nowhere.crt"),
        (certificate.clone(), file("nowhere.key"), "nowhere.key"),
        (key.clone(), key.clone(), "certificate"),
        (certificate.clone(), certificate.clone(), "no private key"),
        (certificate.clone(), file("other.key"), "together"),
    ] {
        let text = refused(certificates, key);
        assert!(text.contains(said) && !text.contains(&secret), "{said}: {text}");
    }
}
