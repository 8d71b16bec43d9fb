//! Outgoing connections.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::time::Duration;

/// An open connection. Reads return after a quarter of a second with
/// [`WouldBlock`](io::ErrorKind::WouldBlock) when nothing came, so that a reader can see that it must stop.
pub trait Connection: Read + Write + Send {
    /// Closes both directions: a blocked read returns.
    fn close(&self);
}

/// What connections are made through.
pub trait Net: Send + Sync + 'static {
    /// Connects to `host:port`, giving up after `timeout`.
    fn connect(&self, address: &str, timeout: Duration) -> io::Result<Box<dyn Connection>>;
}

/// The machine's network.
pub struct RealNet;

const READ_WAIT: Duration = Duration::from_millis(250);

impl Net for RealNet {
    fn connect(&self, address: &str, timeout: Duration) -> io::Result<Box<dyn Connection>> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(READ_WAIT))?;
                    stream.set_nodelay(true)?;
                    return Ok(Box::new(stream));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl Connection for TcpStream {
    fn close(&self) {
        // A connection that is already gone is closed.
        let _ = self.shutdown(Shutdown::Both);
    }
}
