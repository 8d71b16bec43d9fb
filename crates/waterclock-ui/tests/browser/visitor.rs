//! A visitor with a browser: Chromium without a window, driven by WebDriver.

use std::path::Path;
use std::time::Duration;

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

/// Where patience ends, in milliseconds: a test that waits so long has failed.
const PATIENCE: u64 = 20_000;

/// A window, and the colours that its user likes.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) dark: bool,
}

pub(crate) const DESK: Window = Window { width: 1280, height: 900, dark: false };
pub(crate) const PHONE: Window = Window { width: 390, height: 844, dark: false };

/// A browser of its own for each test, which ends with it.
pub(crate) struct Browser {
    runtime: Runtime,
    client: Client,
}

impl Browser {
    /// A browser in front of this page.
    pub(crate) fn at(url: &str) -> Self {
        Self::with(DESK, url)
    }

    /// The same in another window.
    pub(crate) fn with(window: Window, url: &str) -> Self {
        let driver = std::env::var("WATERCLOCK_WEBDRIVER")
            .expect("run this by `cargo xtask servers browser -- cargo test ..`");
        let mut args = vec![
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
        ];
        args.extend(window.dark.then_some("--blink-settings=preferredColorScheme=0"));
        // Chromium's windows are never as narrow as a phone.
        let screen = json!({ "width": window.width, "height": window.height, "pixelRatio": 1 });
        let options = json!({ "args": args, "mobileEmulation": { "deviceMetrics": screen } });
        let wanted = json!({ "goog:chromeOptions": options, "timeouts": { "script": 2 * PATIENCE } });
        let wanted = wanted.as_object().cloned().unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            let client = builder.capabilities(wanted).connect(&driver).await.unwrap();
            client.goto(url).await.unwrap();
            client
        });
        Browser { runtime, client }
    }

    /// Runs a script, and gives what it returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.runtime.block_on(self.client.execute(script, Vec::new())).unwrap()
    }

    /// The value of an expression.
    pub(crate) fn value(&self, expression: &str) -> Value {
        self.run(&format!("return {expression};"))
    }

    /// Waits until a condition holds, looking often; it may await.
    pub(crate) fn until(&self, condition: &str) {
        let script = format!(
            "const done = arguments[0], end = Date.now() + {PATIENCE};
             const holds = async () => {condition};
             const shown = () => document.title + '\\n' + document.body.innerText;
             (async function look() {{
                 const value = await holds().catch(() => false);
                 if (value) done('');
                 else if (Date.now() > end) done(shown());
                 else setTimeout(look, 20);
             }})();"
        );
        let shown = self.runtime.block_on(self.client.execute_async(&script, Vec::new())).unwrap();
        assert_eq!(shown, "", "never came true: {condition}");
    }

    /// Waits until the text is to be seen in the page.
    pub(crate) fn until_shown(&self, text: &str) {
        self.until(&format!("document.body.innerText.includes({})", json!(text)));
    }

    /// Goes to one of the pages by its address.
    pub(crate) fn go(&self, name: &str, title: &str) {
        self.run(&format!("location.hash = '#/{name}'"));
        self.until(&format!("document.title.startsWith({})", json!(title)));
    }

    /// The cells of the table with this caption, row by row, as they are seen.
    pub(crate) fn table(&self, caption: &str) -> Vec<Vec<String>> {
        let rows = self.value(&format!(
            "[...document.querySelectorAll('table')].filter(of => of.caption?.textContent === {})
                 .flatMap(of => [...of.tBodies[0].rows].map(row => [...row.cells].map(cell => cell.innerText)))",
            json!(caption)
        ));
        serde_json::from_value(rows).unwrap()
    }

    /// Waits for a cell of the first row of a table.
    pub(crate) fn until_first_cell(&self, caption: &str, cell: usize, text: &str) {
        self.until(&format!(
            "[...document.querySelectorAll('table')].find(of => of.caption?.textContent === {})
                 .tBodies[0].rows[0].cells[{cell}].innerText === {}",
            json!(caption),
            json!(text)
        ));
    }

    /// Presses keys one after the other.
    pub(crate) fn press(&self, keys: &[Key]) {
        let both =
            |key: &Key| [KeyAction::Down { value: (*key).into() }, KeyAction::Up { value: (*key).into() }];
        let actions = keys.iter().flat_map(both);
        let pressed = actions.fold(KeyActions::new("keyboard".into()), |all, one| all.then(one));
        self.runtime.block_on(self.client.perform_actions(pressed)).unwrap();
    }

    /// The text of the element that has the focus.
    pub(crate) fn focused(&self) -> String {
        self.value("document.activeElement.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// Presses Tab until what is focused has this text.
    pub(crate) fn tab_to(&self, text: &str) {
        for _ in 0..60 {
            if self.focused() == text {
                return;
            }
            self.press(&[Key::Tab]);
        }
        panic!("Tab never reaches {text}");
    }

    /// Keeps what is seen as a picture.
    #[expect(clippy::disallowed_methods, reason = "the test is outside of the library")]
    pub(crate) fn picture(&self, path: &Path) {
        let bytes = self.runtime.block_on(self.client.screenshot()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Where it fails the browser has ended, or ends with its server.
        let client = self.client.clone();
        let _ = self
            .runtime
            .block_on(async { tokio::time::timeout(Duration::from_secs(5), client.close()).await });
    }
}
