//! Somebody who has the page open.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread::JoinHandle;

use waterclock::BoxError;
use waterclock::ui::Page;

/// Reads what the page tells, as soon as it does and until it ends.
pub(crate) struct Visitor(JoinHandle<u64>);

impl Visitor {
    /// Opens the page of a context that has started.
    pub(crate) fn of(page: &Page) -> Result<Self, BoxError> {
        let url = page.url();
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(address)?;
        write!(stream, "GET /api/live HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
        Ok(Visitor(std::thread::spawn(move || {
            let (mut told, mut buffer) = (0, vec![0; 1 << 16]);
            while let Ok(bytes @ 1..) = stream.read(&mut buffer) {
                told += bytes as u64;
            }
            told
        })))
    }

    /// The bytes that it was told. The page has ended.
    pub(crate) fn told(self) -> Result<u64, BoxError> {
        match self.0.join() {
            Ok(0) => Err("the page told nothing".into()),
            Ok(told) => Ok(told),
            Err(_) => Err("the visitor panicked".into()),
        }
    }
}
