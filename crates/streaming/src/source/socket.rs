//! Streams from sockets.

use std::panic::Location;
use std::sync::Arc;

use waterclock_base::world::Net;
use waterclock_base::{BoxError, Error, Record, Result, Text};

use crate::context::StreamingContext;
use crate::dstream::DStream;
use crate::receiver::{RawSocket, SocketReader, TextSocket, TypedSocket};

/// # Sources: sockets
///
/// All of them connect when the context starts. A peer that refuses, closes or breaks the connection is
/// connected to again after a pause (`receiver_restart_delay`, doubled with each failure in a row); one that
/// is silent is waited for. Each failure is an event for listeners and the receiver's last error in
/// [`status`](StreamingContext::status).
impl StreamingContext {
    /// A stream of the lines that `host:port` sends; each is a record, without its end (`\n` or `\r\n`).
    ///
    /// Lines that are not UTF-8 and lines of more than `max_line_bytes` are dropped and counted (listeners
    /// see [`Event::RecordsDropped`](waterclock_base::Event), `status` the sum).
    ///
    /// # Errors
    /// [`Error::Definition`] for an address that is not `host:port`; [`Error::Lifecycle`] after `start`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waterclock_streaming::testing::manual_context;
    /// let (ssc, _clock) = manual_context("lines", Duration::from_secs(1))?;
    /// ssc.socket_text_stream("127.0.0.1:9999")?.words().count_by_value().print();
    /// assert!(ssc.socket_text_stream("127.0.0.1").is_err());
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    ///
    /// # Recovery
    /// A socket can't repeat itself: what was received and not processed when the process dies is lost, and so is
    /// what is sent while nothing runs. With a checkpoint blocks are written ahead: then what is lost is the open
    /// block, and what the process had not read yet.
    #[track_caller]
    pub fn socket_text_stream(&self, address: impl Into<String>) -> Result<DStream<Text>> {
        let (operator, site) = ("socket_text_stream", Location::caller());
        let address = host_and_port(operator, site, address.into())?;
        let socket = TextSocket::new(self.net(), address, self.settings().max_line_bytes);
        self.receive(operator, site, socket).checked()
    }

    /// A stream of the records that `convert` makes of the bytes of `host:port`.
    ///
    /// `convert` is called once for each connection, with its bytes, and gives the records one by one. An
    /// error among them is a record that can't be made: it is dropped and counted.
    ///
    /// # Errors
    /// As [`socket_text_stream`](Self::socket_text_stream).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waterclock_streaming::testing::manual_context;
    /// use std::io::{BufRead, BufReader};
    /// let (ssc, _clock) = manual_context("numbers", Duration::from_secs(1))?;
    /// let numbers = ssc.socket_stream("127.0.0.1:9999", |bytes| {
    ///     Ok(BufReader::new(bytes).lines().map(|line| Ok(line?.trim().parse::<i64>()?)))
    /// })?;
    /// numbers.reduce(|a, b| a + b).print();
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    ///
    /// # Recovery
    /// As [`socket_text_stream`](Self::socket_text_stream).
    #[track_caller]
    pub fn socket_stream<T, I>(
        &self,
        address: impl Into<String>,
        convert: impl Fn(SocketReader) -> Result<I, BoxError> + Send + Sync + 'static,
    ) -> Result<DStream<T>>
    where
        T: Record,
        I: IntoIterator<Item = Result<T, BoxError>>,
    {
        let (operator, site) = ("socket_stream", Location::caller());
        let address = host_and_port(operator, site, address.into())?;
        self.receive(operator, site, TypedSocket::new(self.net(), address, convert)).checked()
    }

    /// A stream of records that `host:port` sends encoded already: frames of four bytes of length, most
    /// significant first, and that many bytes of records, each by [`encode`](waterclock_base::encode).
    ///
    /// A frame that can't be decoded is dropped as a whole and counted as one record.
    ///
    /// # Errors
    /// As [`socket_text_stream`](Self::socket_text_stream).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waterclock_streaming::testing::manual_context;
    /// let (ssc, _clock) = manual_context("raw", Duration::from_secs(1))?;
    /// ssc.raw_socket_stream::<(String, u64)>("127.0.0.1:9999")?.reduce_by_key(|a, b| a + b).print();
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    ///
    /// # Recovery
    /// As [`socket_text_stream`](Self::socket_text_stream).
    #[track_caller]
    pub fn raw_socket_stream<T: Record>(&self, address: impl Into<String>) -> Result<DStream<T>> {
        let (operator, site) = ("raw_socket_stream", Location::caller());
        let address = host_and_port(operator, site, address.into())?;
        self.receive(operator, site, RawSocket::new(self.net(), address)).checked()
    }

    fn net(&self) -> Arc<dyn Net> {
        self.engine().world().net.clone()
    }
}

/// Refuses what can't be an address. Whether somebody is there shows when the receiver connects.
fn host_and_port(call: &'static str, site: &'static Location<'static>, address: String) -> Result<String> {
    let refuse = |why: &str| {
        let why = format!("{address:?} {why}; give `host:port`, as 127.0.0.1:9999 or [::1]:9999");
        Err(Error::Definition { call, site, why })
    };
    let Some((host, port)) = address.rsplit_once(':') else { return refuse("has no port") };
    if port.starts_with('+') || !matches!(port.parse::<u16>(), Ok(1..)) {
        return refuse("has no port between 1 and 65535");
    }
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match bare {
        Some(bare) if is_like_ipv6(bare) => Ok(address),
        None if !host.is_empty() && !host.contains(|c: char| c == ':' || c == '/' || c.is_whitespace()) => {
            Ok(address)
        }
        _ => refuse("has no host name"),
    }
}

fn is_like_ipv6(host: &str) -> bool {
    host.contains(':') && host.chars().all(|c| c.is_ascii_hexdigit() || ":.%".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_host_and_port() {
        let check = |address: &str| host_and_port("call", Location::caller(), address.into());
        for good in ["127.0.0.1:9999", "localhost:1", "[::1]:80", "a-b.example.org:65535"] {
            assert_eq!(check(good).unwrap(), good);
        }
        for bad in [
            "",
            "localhost",
            ":80",
            "h:0",
            "h:65536",
            "h:x",
            "::1:80",
            "tcp://h:80",
            "a b:80",
            "[x]:80",
            "h:+8",
        ] {
            let error = check(bad).unwrap_err();
            assert!(error.to_string().contains("host:port"), "{error}");
        }
    }
}
