//! The page of a program that runs: its tests in a browser, its pictures, its metrics.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::ci::commands::{cargo, cargo_with};
use crate::packages::need;
use crate::workspace;

/// Pictures of the page go here.
const PICTURES: &str = "docs/images";

/// The tests, driven by a WebDriver that is started for them.
const TESTS: &[&str] = &[
    "xtask",
    "servers",
    "browser",
    "--",
    "cargo",
    "test",
    "--quiet",
    "-p",
    "waterclock-ui",
    "--test",
    "browser",
];

/// The part of the outer ring: the tests; then the first example, whose page changes and whose metrics are read by
/// Prometheus's own tool.
pub(crate) fn check() -> Result<(), String> {
    cargo(&[TESTS, &["--features", "browser-tests"]].concat())?;
    let program = Program::start()?;
    let scratch = workspace::target().join("ci-page");
    fs::create_dir_all(&scratch).map_err(|e| e.to_string())?;
    pictures(&program, &scratch)?;
    understood(&program.get("/metrics")?)
}

/// Takes the pictures of the documents again.
pub(crate) fn screenshots() -> Result<(), String> {
    let directory = workspace::root().join(PICTURES);
    fs::create_dir_all(&directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    pictures(&Program::start()?, &directory)
}

fn pictures(program: &Program, directory: &Path) -> Result<(), String> {
    let directory = directory.display().to_string();
    let named = [("WATERCLOCK_PAGE", &*program.url), ("WATERCLOCK_PICTURES", &*directory)];
    cargo_with(&[TESTS, &["--features", "browser-tests", "--", "pictures"]].concat(), &named)
}

/// Whether `promtool`, which belongs to Prometheus, has nothing against these metrics.
fn understood(metrics: &str) -> Result<(), String> {
    need(&["prometheus"], "promtool", &["--version"], "page: `promtool` is not there")?;
    let mut tool = Command::new("promtool");
    let tool = tool.args(["check", "metrics"]).stdin(Stdio::piped());
    let mut tool = tool.spawn().map_err(|e| format!("`promtool` can't be started: {e}"))?;
    if let Some(mut input) = tool.stdin.take() {
        input.write_all(metrics.as_bytes()).map_err(|e| format!("`promtool`: {e}"))?;
    }
    let status = tool.wait().map_err(|e| format!("`promtool`: {e}"))?;
    println!("promtool read {} lines of metrics", metrics.lines().count());
    if status.success() { Ok(()) } else { Err(format!("`promtool check metrics`: {status}")) }
}

/// The first example at work, with its page; it ends with this value.
struct Program {
    process: Child,
    url: String,
}

impl Program {
    fn start() -> Result<Self, String> {
        let example = ["--quiet", "--release", "-p", "waterclock-examples", "--example", "hashtags"];
        cargo(&[&["build"][..], &example].concat())?;
        let built = workspace::target().join("release").join("examples").join("hashtags");
        let mut command = Command::new(&built);
        command.stdout(Stdio::piped());
        command.args(["--page", "127.0.0.1:0", "--batch", "200", "--slide", "400", "--window", "10000"]);
        let mut process = command.spawn().map_err(|e| format!("{}: {e}", built.display()))?;
        let output = process.stdout.take().map(BufReader::new);
        let mut program = Program { process, url: String::new() };
        let mut lines = output.into_iter().flat_map(BufRead::lines).map_while(Result::ok);
        let url = lines.find_map(|line| line.strip_prefix("live page: ").map(str::to_owned));
        program.url = url.ok_or("`hashtags` ends without the address of its page")?;
        // What it prints is read on, as it would wait otherwise.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(program)
    }

    /// What is at a path of the page.
    fn get(&self, path: &str) -> Result<String, String> {
        let address = self.url.trim_start_matches("http://").trim_end_matches('/');
        let ask = || {
            let mut stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        let answer = ask().map_err(|e: std::io::Error| format!("{}: {e}", self.url))?;
        match answer.split_once("\r\n\r\n") {
            Some((head, body)) if head.contains(" 200 ") => Ok(body.to_owned()),
            _ => Err(format!("{path}: {answer}")),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Where this fails it has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
