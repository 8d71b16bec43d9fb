//! Connections: how many, how patient, how large.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Sleep, sleep};

/// Connections at the same time; those beyond are closed at once.
const CONNECTIONS: usize = 256;
/// How long a visitor may take to say what it wants, and how long a connection may be idle.
const HEADERS: Duration = Duration::from_secs(15);
/// How long a visitor may take to take a part of an answer.
const STALLED: Duration = Duration::from_secs(20);
/// Bytes of a request's line and headers.
const HEAD_BYTES: usize = 16 * 1024;
/// Headers of a request.
const HEAD_LINES: usize = 64;

/// How what is sent is protected on its way.
#[derive(Clone)]
pub(crate) enum Encryption {
    None,
    #[cfg(feature = "tls")]
    Tls(tokio_rustls::TlsAcceptor),
}

/// Serves until `stop` changes.
pub(crate) async fn serve(
    listener: TcpListener,
    encryption: Encryption,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => return,
        };
        let Ok((stream, _)) = accepted else {
            // There are no more descriptors, or the visitor is gone again.
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(place) = room.clone().try_acquire_owned() else { continue };
        let (router, encryption) = (router.clone(), encryption.clone());
        tokio::spawn(async move {
            // How a single visitor's connection ends is nobody's concern.
            let _ = stream.set_nodelay(true);
            match encryption {
                Encryption::None => converse(stream, router).await,
                #[cfg(feature = "tls")]
                Encryption::Tls(acceptor) => {
                    if let Some(stream) = crate::tls::begin(&acceptor, stream).await {
                        converse(stream, router).await;
                    }
                }
            }
            drop(place);
        });
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, router: Router) {
    let io = TokioIo::new(Patient { stream, stalled: None });
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .half_close(true)
        .header_read_timeout(HEADERS)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEAD_LINES);
    // A malformed request ends its own connection.
    let _ = server.serve_connection(io, TowerToHyperService::new(router)).await;
}

/// A stream that gives up on a visitor who does not take what is written.
struct Patient<S> {
    stream: S,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    fn judge<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stalled = None;
            return outcome;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALLED)));
        match stalled.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(cx, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.judge(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.judge(cx, outcome)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::Instant;

    use super::*;

    /// Talks to a router of one large answer; how long the conversation took, in time that passes as fast as nobody
    /// does anything.
    fn conversation(room: usize, visit: impl AsyncFnOnce(DuplexStream)) -> Duration {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().start_paused(true).build().unwrap().block_on(async {
            let (visitor, stream) = duplex(room);
            let large = "x".repeat(100_000);
            let router = Router::new().route("/", axum::routing::get(|| async move { large }));
            let began = Instant::now();
            let ((), ()) = tokio::join!(converse(stream, router), visit(visitor));
            began.elapsed()
        })
    }

    #[test]
    fn who_says_nothing_is_sent_away() {
        let silent = conversation(64, async |mut visitor| {
            let mut answer = Vec::new();
            visitor.read_to_end(&mut answer).await.unwrap();
        });
        assert_eq!(silent, HEADERS);
        // Also whoever says it letter by letter.
        let slow = conversation(64, async |mut visitor| {
            while visitor.write_all(b"G").await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        });
        assert!(slow <= HEADERS + Duration::from_secs(1), "{slow:?}");
    }

    #[test]
    fn who_stays_without_a_further_question_is_sent_away() {
        let idle = conversation(1 << 20, async |mut visitor| {
            visitor.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
            let mut answer = Vec::new();
            visitor.read_to_end(&mut answer).await.unwrap();
            assert!(answer.len() > 100_000);
        });
        assert_eq!(idle, HEADERS);
    }

    #[test]
    fn who_does_not_take_the_answer_is_sent_away() {
        let stuck = conversation(64, async |mut visitor| {
            visitor.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
            sleep(STALLED + Duration::from_secs(1)).await;
            // What was sent is still there, and then the end.
            let mut answer = Vec::new();
            visitor.read_to_end(&mut answer).await.unwrap();
            assert!(answer.len() < 1000);
        });
        assert!(stuck <= STALLED + Duration::from_secs(1), "{stuck:?}");
    }
}
