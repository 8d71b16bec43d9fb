//! The parts of the outer ring.

use std::collections::BTreeSet;
use std::time::Duration;

use super::commands::{cargo, cargo_output, cargo_with};
use super::word_count;
use crate::packages::need;
use crate::page;
use crate::torture::{Options, torture_files};
use crate::workspace;

/// One part.
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// The share of the time that it belongs to, in `GROUPS`.
    pub(super) group: usize,
    pub(super) run: fn() -> Result<(), String>,
}

const BUILD: usize = 0;
const TESTS: usize = 1;
const CRASHES: usize = 2;
const SERVERS: usize = 3;
const PAGE: usize = 4;

/// The shares of the time: name and limit.
pub(super) const GROUPS: &[(&str, Duration)] = &[
    ("build and lints", Duration::from_secs(25 * 60)),
    ("tests and golden", Duration::from_secs(10 * 60)),
    ("crashes", Duration::from_secs(12 * 60)),
    ("real servers", Duration::from_secs(15 * 60)),
    ("page", Duration::from_secs(5 * 60)),
];

pub(super) const PARTS: &[Part] = &[
    Part { name: "fmt", what: "the formatter has nothing to change", group: BUILD, run: fmt },
    Part { name: "clippy", what: "no lint anywhere", group: BUILD, run: clippy },
    Part { name: "doc", what: "no broken link in the documentation", group: BUILD, run: doc },
    Part { name: "features", what: "the facade with each set of features", group: BUILD, run: features },
    Part { name: "msrv", what: "one oldest compiler for all packages", group: BUILD, run: msrv },
    Part { name: "packages", what: "few packages from outside, no C", group: BUILD, run: packages },
    Part { name: "examples", what: "the examples build", group: BUILD, run: examples },
    Part { name: "benches", what: "the benches build", group: BUILD, run: benches },
    Part { name: "conformance", what: "the conformance tool builds", group: BUILD, run: conformance },
    Part { name: "golden-1", what: "real Spark's outputs, one thread", group: TESTS, run: || golden("1") },
    Part { name: "golden-2", what: "real Spark's outputs, two threads", group: TESTS, run: || golden("2") },
    Part { name: "golden-5", what: "real Spark's outputs, five threads", group: TESTS, run: || golden("5") },
    Part {
        name: "golden-killed",
        what: "the same, killed after each batch",
        group: TESTS,
        run: golden_killed,
    },
    Part { name: "simulation", what: "a thousand seeds under crashes", group: CRASHES, run: simulation },
    Part { name: "hashtags", what: "three batches of the first example", group: TESTS, run: hashtags },
    Part { name: "postgres", what: "the sink with a real PostgreSQL", group: SERVERS, run: postgres },
    Part { name: "torture-pg", what: "PostgreSQL, killed", group: SERVERS, run: torture_postgres },
    Part { name: "word-count", what: "against tr, sort, uniq", group: TESTS, run: word_count::check },
    Part { name: "unsynced", what: "the disk that forgets", group: CRASHES, run: unsynced },
    Part { name: "torture", what: "a program is killed 120 times", group: CRASHES, run: kill_often },
    Part { name: "kafka", what: "source and sink with a real Kafka", group: SERVERS, run: kafka },
    Part {
        name: "torture-kafka",
        what: "Kafka to Kafka and PostgreSQL, killed",
        group: SERVERS,
        run: torture_kafka,
    },
    Part { name: "page", what: "the page in a browser, its metrics", group: PAGE, run: page::check },
    Part { name: "https", what: "the page over HTTPS", group: PAGE, run: https },
];

fn fmt() -> Result<(), String> {
    cargo(&["fmt", "--all", "--check"])
}

fn clippy() -> Result<(), String> {
    cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])
}

fn doc() -> Result<(), String> {
    let deny = [("RUSTDOCFLAGS", "-D warnings")];
    // The crate of Kafka has features that need libraries which few machines have.
    let apart = ["--exclude", "waterclock-kafka"];
    let all = [&["doc", "--quiet", "--no-deps", "--workspace", "--all-features"][..], &apart].concat();
    cargo_with(&all, &deny)?;
    cargo_with(&["doc", "--quiet", "--no-deps", "-p", "waterclock-kafka"], &deny)
}

/// All crates below the facade too: the other parts build with every feature, which hides what is unused.
fn features() -> Result<(), String> {
    let crates = [
        "-p",
        "waterclock",
        "-p",
        "waterclock-streaming",
        "-p",
        "waterclock-engine",
        "-p",
        "waterclock-base",
        "-p",
        "waterclock-postgres",
        "-p",
        "waterclock-kafka",
        "-p",
        "waterclock-ui",
        "-p",
        "waterclock-progress",
    ];
    let sets = [
        "",
        "waterclock/testing",
        "waterclock/kill-points",
        "waterclock/kafka",
        "waterclock/postgres",
        "waterclock/postgres-tls",
        "waterclock/ui",
        "waterclock/ui-tls",
        "waterclock/progress",
    ];
    for set in sets {
        let lint = ["--no-default-features", "--features", set, "--", "-D", "warnings"];
        cargo(&[&["clippy", "--quiet"][..], &crates, &lint].concat())?;
    }
    // What the workspace's lints leave out.
    let connectors = [
        "clippy",
        "--quiet",
        "-p",
        "waterclock-postgres",
        "-p",
        "waterclock-ui",
        "-p",
        "waterclock-examples",
    ];
    let all = [
        "--features",
        "waterclock-postgres/server-tests,waterclock-ui/browser-tests,waterclock-ui/tls-tests,waterclock-examples/postgres",
    ];
    cargo(&[&connectors[..], &["--all-targets"], &all, &["--", "-D", "warnings"]].concat())
}

/// Every package takes the oldest compiler from the workspace, which names one.
fn msrv() -> Result<(), String> {
    let root = workspace::root();
    for path in workspace::files(&root, &["Cargo.toml"])? {
        let text = workspace::read(&root, &path)?;
        let named = text.contains("rust-version.workspace = true") || text.contains("\nrust-version = \"");
        if !named {
            return Err(format!("{} names no `rust-version`", path.display()));
        }
    }
    Ok(())
}

/// At most this many packages come from outside with the default facade.
const MOST_PACKAGES: usize = 25;

/// Packages that bring or build C.
const C_PACKAGES: &[&str] = &["cc", "cmake", "pkg-config", "bindgen", "autotools"];

fn packages() -> Result<(), String> {
    let names = |edges| -> Result<BTreeSet<String>, String> {
        let args =
            ["tree", "--quiet", "-p", "waterclock", "-e", edges, "--prefix", "none", "--format", "{p}"];
        let text = cargo_output(&args, false)?;
        let name = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
        Ok(text
            .lines()
            .map(name)
            .filter(|name| !name.is_empty() && !name.starts_with("waterclock"))
            .collect())
    };
    let outside = names("normal")?;
    println!("{} packages from outside: {}", outside.len(), Vec::from_iter(outside.clone()).join(" "));
    if outside.len() > MOST_PACKAGES {
        return Err(format!("{} packages from outside; at most {MOST_PACKAGES}", outside.len()));
    }
    let built = names("normal,build")?;
    match built.iter().find(|name| C_PACKAGES.contains(&name.as_str()) || name.ends_with("-sys")) {
        Some(name) => Err(format!("`{name}` brings C")),
        None => Ok(()),
    }
}

fn examples() -> Result<(), String> {
    let features = ["--features", "postgres,kafka", "--examples"];
    cargo(&[&["build", "--quiet", "--release", "-p", "waterclock-examples"][..], &features].concat())
}

fn benches() -> Result<(), String> {
    cargo(&["build", "--quiet", "--release", "-p", "waterclock-bench", "--features", "kafka"])
}

fn conformance() -> Result<(), String> {
    cargo(&["build", "--quiet", "--release", "-p", "waterclock-conformance"])
}

fn golden(threads: &str) -> Result<(), String> {
    conforms(&["--threads", threads])
}

fn golden_killed() -> Result<(), String> {
    conforms(&["--killed"])
}

fn conforms(options: &[&str]) -> Result<(), String> {
    let package = ["run", "--quiet", "--release", "-p", "waterclock-conformance", "--", "golden"];
    let args = [&package[..], options].concat();
    let text = cargo_output(&args, true)?;
    match text.lines().rev().find(|line| line.contains(" passed, ")) {
        Some(line) if line.contains(" 0 failed") && !line.starts_with("0 passed") => Ok(()),
        Some(line) => Err(format!("`{line}`")),
        None => Err("the tool closes without a count".to_owned()),
    }
}

fn simulation() -> Result<(), String> {
    crate::simulate::seeds("0..1000")
}

fn hashtags() -> Result<(), String> {
    let args =
        ["run", "--quiet", "--release", "--example", "hashtags", "--", "--batches", "3", "--batch", "200"];
    let text = cargo_output(&[&args[..], &["--slide", "200", "--window", "1000"]].concat(), true)?;
    let shown = text.lines().filter(|line| line.contains('#')).count();
    if shown > 0 { Ok(()) } else { Err("it printed no hashtag".to_owned()) }
}

/// The tests of the disk that the next part relies on.
fn unsynced() -> Result<(), String> {
    let package = ["test", "--quiet", "-p", "waterclock-base", "--features", "kill-points"];
    cargo(&[&package[..], &["--lib", "--", "unsynced"]].concat())
}

/// Once as a process is killed, once as a machine is.
fn kill_often() -> Result<(), String> {
    for unsynced in [false, true] {
        torture_files(&Options { kills: 60, seed: 1, unsynced, ..Options::default() })?;
    }
    Ok(())
}

fn postgres() -> Result<(), String> {
    let tests = ["test", "--quiet", "-p", "waterclock-postgres", "--features", "server-tests"];
    cargo(&[&["xtask", "servers", "postgres", "--", "cargo"][..], &tests].concat())
}

fn torture_postgres() -> Result<(), String> {
    cargo(&["xtask", "torture-postgres", "--kills", "20"])
}

fn kafka() -> Result<(), String> {
    let tls = ["pkg-config", "libssl-dev"];
    need(&tls, "pkg-config", &["--exists", "openssl"], "kafka: OpenSSL is not found")?;
    let tests = ["test", "--quiet", "-p", "waterclock-kafka", "--features", "server-tests"];
    cargo(&[&["xtask", "servers", "kafka", "--", "cargo"][..], &tests].concat())
}

fn torture_kafka() -> Result<(), String> {
    cargo(&["xtask", "torture-kafka", "--kills", "20"])
}

fn https() -> Result<(), String> {
    cargo(&["test", "--quiet", "-p", "waterclock-ui", "--features", "tls-tests", "--test", "https"])
}
