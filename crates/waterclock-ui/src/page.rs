//! What a program says of its page, and the thread that serves it.

use std::io;
use std::net::SocketAddr;
#[cfg(feature = "tls")]
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, lookup_host};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use waterclock_base::world::{JoinHandle, lock, spawn};
use waterclock_base::{Error, Result, Watched, Watcher};

use crate::access::{Secret, may_serve};
use crate::connection::{Encryption, serve};
use crate::live::{look, looks};
use crate::routes::{Site, router};

/// Where the page is, unless the program says otherwise: as in Spark, and at the next port where that is taken.
const FIRST_PORT: u16 = 4040;
/// Ports that are tried; then any.
const PORTS: u16 = 16;

/// The page of a context: handed to `Builder::watch`, it is there from `build` to the end of the context.
///
/// Handles are cheap to clone and mean the same page.
///
/// # Who may look
/// By default the page is at `127.0.0.1:4040`, or at the next port that is free: only programs of the same machine
/// reach it, and a browser only by the machine's own name. [`at`](Page::at) puts it elsewhere. Where another machine
/// could reach it, it needs a [`secret`](Page::secret), without which the context is refused; and whoever is on the
/// way can read that secret and all that is shown, unless the feature `tls` encrypts it.
///
/// Records of the program are shown as text, whatever they contain. No setting that is shown is secret; what the
/// program itself writes into records, names and errors is shown as it is.
///
/// # Cost
/// One thread. While nobody looks, nothing.
#[derive(Clone)]
pub struct Page(Arc<Inner>);

struct Inner {
    asked: Asked,
    state: Mutex<State>,
}

/// What the program wants.
#[derive(Clone)]
struct Asked {
    address: Option<String>,
    secret: Secret,
    #[cfg(feature = "tls")]
    tls: Option<(PathBuf, PathBuf)>,
}

#[derive(Default)]
struct State {
    ready: Option<Ready>,
    address: Option<SocketAddr>,
    serving: Option<(watch::Sender<bool>, JoinHandle<()>)>,
}

/// Bound, and not served yet.
struct Ready {
    runtime: Runtime,
    listener: TcpListener,
    encryption: Encryption,
}

impl Default for Page {
    fn default() -> Self {
        Page::new()
    }
}

impl Page {
    /// A page for this machine alone.
    ///
    /// ```
    /// use waterclock_streaming::StreamingContext;
    /// use waterclock_ui::Page;
    /// let page = Page::new();
    /// let ssc = StreamingContext::builder("app").watch(page.clone()).build()?;
    /// assert!(page.url().starts_with("http://127.0.0.1:"));
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    pub fn new() -> Self {
        Page::with(Asked {
            address: None,
            secret: Secret::None,
            #[cfg(feature = "tls")]
            tls: None,
        })
    }

    fn with(asked: Asked) -> Self {
        Page(Arc::new(Inner { asked, state: Mutex::default() }))
    }

    /// Puts the page at `host:port`. Port 0 is any that is free.
    ///
    /// ```
    /// use waterclock_streaming::StreamingContext;
    /// use waterclock_ui::Page;
    /// let open = StreamingContext::builder("app").watch(Page::new().at("0.0.0.0:0")).build();
    /// assert!(open.err().unwrap().to_string().contains("secret"));
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[must_use = "the answer is the page at that address"]
    pub fn at(&self, address: impl Into<String>) -> Self {
        Page::with(Asked { address: Some(address.into()), ..self.0.asked.clone() })
    }

    /// Lets in only who knows this: programs by `Authorization: Bearer ..`, people by a password, under any name.
    #[must_use = "the answer is the page with that secret"]
    pub fn secret(&self, secret: impl Into<String>) -> Self {
        Page::with(Asked { secret: Secret::Word(secret.into()), ..self.0.asked.clone() })
    }

    /// Encrypts by the certificate chain and the private key in these files, both PEM; the context is refused where
    /// they can't be read or used, or don't belong together.
    #[cfg(feature = "tls")]
    #[must_use = "the answer is the encrypted page"]
    pub fn tls(&self, certificates: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Page::with(Asked { tls: Some((certificates.into(), key.into())), ..self.0.asked.clone() })
    }

    /// Where the page is; empty before the context was built.
    pub fn url(&self) -> String {
        let scheme = if self.is_encrypted() { "https" } else { "http" };
        let address = lock(&self.0.state).address;
        address.map(|address| format!("{scheme}://{address}/")).unwrap_or_default()
    }

    #[cfg(feature = "tls")]
    fn is_encrypted(&self) -> bool {
        self.0.asked.tls.is_some()
    }

    #[cfg(not(feature = "tls"))]
    fn is_encrypted(&self) -> bool {
        false
    }

    #[cfg(feature = "tls")]
    fn encryption(&self) -> Result<Encryption> {
        let files = self.0.asked.tls.as_ref();
        let acceptor =
            files.map(|(certificates, key)| crate::tls::acceptor(certificates, key)).transpose()?;
        Ok(acceptor.map_or(Encryption::None, Encryption::Tls))
    }

    #[cfg(not(feature = "tls"))]
    fn encryption(&self) -> Result<Encryption> {
        Ok(Encryption::None)
    }
}

/// A listener at the first of these addresses that may be used.
async fn bind(asked: &Asked) -> Result<TcpListener> {
    let refuse = |why: String| Error::Setting { setting: "page", why };
    if asked.secret == Secret::Word(String::new()) {
        return Err(refuse("its secret is empty".into()));
    }
    let Some(wanted) = &asked.address else {
        let mut outcome = Err(io::ErrorKind::AddrInUse.into());
        for port in (FIRST_PORT..FIRST_PORT + PORTS).chain([0]) {
            outcome = TcpListener::bind(("127.0.0.1", port)).await;
            if !matches!(&outcome, Err(error) if error.kind() == io::ErrorKind::AddrInUse) {
                break;
            }
        }
        return outcome.map_err(|error| Error::outside("can't open a port for", "the page", error));
    };
    let cannot = |error| Error::outside("can't put the page at", wanted, error);
    let addresses: Vec<SocketAddr> = lookup_host(wanted).await.map_err(cannot)?.collect();
    if let Some(open) = addresses.iter().find(|address| !may_serve(**address, &asked.secret)) {
        let why = format!(
            "at {open} other machines could reach it: give it a `secret`, or an address of this machine"
        );
        return Err(refuse(why));
    }
    TcpListener::bind(&addresses[..]).await.map_err(cannot)
}

impl Watcher for Page {
    fn prepare(&self) -> Result<()> {
        let mut state = lock(&self.0.state);
        if state.ready.is_some() || state.serving.is_some() {
            return Err(Error::Setting { setting: "page", why: "it shows another context already".into() });
        }
        let cannot = |error| Error::outside("can't begin", "the page", error);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(cannot)?;
        let encryption = self.encryption()?;
        let listener = runtime.block_on(bind(&self.0.asked))?;
        let address = listener.local_addr().map_err(cannot)?;
        if !address.ip().is_loopback() && !self.is_encrypted() {
            tracing::warn!(%address, "what the page shows, and its secret, can be read on its way: see `Page::tls`");
        }
        state.address = Some(address);
        state.ready = Some(Ready { runtime, listener, encryption });
        Ok(())
    }

    fn begin(&self, watched: Arc<dyn Watched>) {
        let mut state = lock(&self.0.state);
        let Some(Ready { runtime, listener, encryption }) = state.ready.take() else { return };
        let looks = looks(watched.status().results.len());
        let (secret, viewers) = (self.0.asked.secret.clone(), Arc::<AtomicUsize>::default());
        let router = router(Site { watched: watched.clone(), looks: looks.clone(), secret, viewers });
        let (stop, stopped) = watch::channel(false);
        let thread = spawn("page", move || {
            runtime.spawn(look(watched, looks));
            runtime.block_on(serve(listener, encryption, router, stopped));
            // Whoever is still connected is cut off.
            runtime.shutdown_background();
        });
        state.serving = Some((stop, thread));
    }

    fn end(&self) {
        let (ready, serving) = {
            let mut state = lock(&self.0.state);
            (state.ready.take(), state.serving.take())
        };
        drop(ready);
        if let Some((stop, thread)) = serving {
            // Where nobody hears it, the thread has ended.
            let _ = stop.send(true);
            if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
                tracing::error!("the page's thread panicked");
            }
        }
    }
}
