//! Goal: with certificate files the page speaks HTTPS and nothing else, and files that can't be used are refused when
//! the context is made, by an error that says which and why.
//! Method: certificates made on the spot, and a client that trusts only what it is told to.
#![expect(
    clippy::disallowed_methods,
    reason = "the test is the visitor, and whoever has put the files there"
)]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use tempfile::TempDir;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use waterclock_base::{Error, Result};
use waterclock_streaming::testing::{TestClock, manual};
use waterclock_streaming::{Stop, StreamingContext};
use waterclock_ui::Page;

/// Where patience ends: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A certificate for this machine's own name, in files.
struct Certified {
    made: CertifiedKey<KeyPair>,
    dir: TempDir,
}

impl Certified {
    fn new() -> Self {
        let made = generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let certified = Certified { made, dir: tempfile::tempdir().unwrap() };
        certified.file("page.crt", certified.made.cert.pem());
        certified.file("page.key", certified.made.signing_key.serialize_pem());
        certified
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    fn page(&self) -> Page {
        Page::new().at("127.0.0.1:0").tls(self.path("page.crt"), self.path("page.key"))
    }
}

/// A job of one batch that shows its numbers.
fn running(page: &Page) -> (StreamingContext, TestClock) {
    let builder = StreamingContext::builder("secure").batch_interval(Duration::from_secs(1));
    let (ssc, clock) = manual(builder.watch(page.clone())).unwrap();
    ssc.queue_stream(vec![vec![1, 2]]).show("numbers");
    ssc.start().unwrap();
    clock.advance_batches(1);
    (ssc, clock)
}

fn connect(page: &Page) -> TcpStream {
    let url = page.url();
    let address = url.strip_prefix("https://").unwrap().trim_end_matches('/').to_owned();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// What the page answers to a client that trusts `trusted` alone, and expects to speak to `name`.
fn get(page: &Page, path: &str, trusted: &Certified, name: &str) -> io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(client, connect(page));
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    // The end may come without a farewell.
    let read = stream.read_to_end(&mut answer);
    read.or_else(|error| if error.kind() == io::ErrorKind::UnexpectedEof { Ok(0) } else { Err(error) })?;
    Ok(String::from_utf8(answer).unwrap())
}

#[test]
fn who_trusts_the_certificate_sees_the_page() {
    let certified = Certified::new();
    let page = certified.page();
    let (ssc, _clock) = running(&page);
    let answer = get(&page, "/", &certified, "localhost").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("<html"), "{answer}");
    let results =
        get(&page, "/api/v1/applications/secure/streaming/results", &certified, "127.0.0.1").unwrap();
    assert!(results.contains("\"numbers\""), "{results}");
    assert!(get(&page, "/nothing", &certified, "localhost").unwrap().starts_with("HTTP/1.1 404"));
    ssc.stop(Stop::Now).unwrap();
}

/// The certificate is what it says: nobody else's, and for no other name.
#[test]
fn who_does_not_trust_it_sees_nothing() {
    let (certified, other) = (Certified::new(), Certified::new());
    let page = certified.page();
    let (ssc, _clock) = running(&page);
    let refused = get(&page, "/", &other, "localhost").unwrap_err().to_string();
    assert!(refused.contains("certificate"), "{refused}");
    let refused = get(&page, "/", &certified, "elsewhere.example").unwrap_err().to_string();
    assert!(refused.contains("certificate"), "{refused}");
    assert!(get(&page, "/", &certified, "localhost").unwrap().starts_with("HTTP/1.1 200"));
    ssc.stop(Stop::Now).unwrap();
}

/// Who speaks plainly, or nonsense, or nothing, gets nothing, and keeps nobody from the page.
#[test]
fn plain_requests_get_no_answer() {
    let certified = Certified::new();
    let page = certified.page();
    let (ssc, _clock) = running(&page);
    let _silent: Vec<_> = (0..20).map(|_| connect(&page)).collect();
    let requests: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /api/overview HTTP/1.0\r\n\r\n",
        b"\x16\x03\x01\xff\xff\x01\x00\x01\xfc\x03\x03 nothing that a client would say",
        b"\x00",
        b"",
    ];
    for request in requests {
        let mut stream = connect(&page);
        // It may be closed while it is still being written to, and then reading fails.
        let _ = stream.write_all(request);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer);
        assert!(!text.contains("HTTP/") && !text.contains("html"), "{text}");
        assert!(get(&page, "/", &certified, "localhost").unwrap().starts_with("HTTP/1.1 200"));
    }
    ssc.stop(Stop::Now).unwrap();
}

/// What making a context says of a page with these files.
fn refused(certificates: &Path, key: &Path) -> Error {
    let page = Page::new().at("127.0.0.1:0").tls(certificates, key);
    let built: Result<StreamingContext> = StreamingContext::builder("refused").watch(page).build();
    built.err().expect("files that can't be used are refused")
}

#[test]
fn files_that_are_missing_are_named() {
    let certified = Certified::new();
    let (certificate, key, gone) =
        (certified.path("page.crt"), certified.path("page.key"), certified.path("gone.pem"));
    for (certificate, key) in
        [(&certificate, &gone), (&gone, &key), (&certificate, &certified.dir.path().to_owned())]
    {
        let error = refused(certificate, key);
        assert!(matches!(error, Error::Outside { .. }), "{error:?}");
        let text = error.full_text();
        assert!(
            text.contains("can't read") && text.contains(&*certified.dir.path().to_string_lossy()),
            "{text}"
        );
    }
    assert!(refused(&gone, &key).full_text().contains("gone.pem"));
}

/// Each is refused by name, and nothing of a key is told.
#[test]
fn files_that_can_not_be_used_say_why() {
    let (certified, other) = (Certified::new(), Certified::new());
    let (certificate, key) = (certified.path("page.crt"), certified.path("page.key"));
    let pem = fs::read_to_string(&key).unwrap();
    let secret = pem.lines().nth(1).unwrap();
    let text = |certificate: &Path, key: &Path| {
        let error = refused(certificate, key);
        assert!(matches!(error, Error::Setting { setting: "page.tls", .. }), "{error:?}");
        let text = error.full_text();
        assert!(!text.contains(secret) && !text.contains(&secret[..20]), "{text}");
        text
    };
    let certificate_pem = fs::read_to_string(&certificate).unwrap();
    let garbled = [
        ("empty", String::new()),
        ("words", "this is no certificate\n".to_owned()),
        ("cut", certificate_pem[..certificate_pem.len() / 2].to_owned()),
        ("letters", certificate_pem.replace('M', "!")),
        ("inside", certificate_pem.replacen("MII", "AAA", 1)),
    ];
    for (name, content) in garbled {
        let told = text(&certified.file(&format!("{name}.crt"), content), &key);
        assert!(told.contains(&format!("{name}.crt")) && told.contains("certificate"), "{told}");
    }
    let garbled = [
        ("empty", String::new()),
        ("words", "this is no key\n".to_owned()),
        ("cut", pem[..pem.len() / 2].to_owned()),
        ("inside", pem.replacen("MI", "AA", 1)),
    ];
    for (name, content) in garbled {
        let told = text(&certificate, &certified.file(&format!("{name}.key"), content));
        assert!(told.contains(&format!("{name}.key")) && told.contains("key"), "{told}");
    }
    // One for the other.
    let told = text(&key, &certificate);
    assert!(told.contains("page.key") && told.contains("certificate"), "{told}");
    // Both are well, and don't belong together.
    let told = text(&certificate, &other.path("page.key"));
    assert!(told.contains("page.crt") && told.contains(&*other.path("page.key").to_string_lossy()), "{told}");
}
