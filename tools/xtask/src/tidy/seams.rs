//! Only `base::world` reaches the operating system, and unsafe code stands in few named files.
//!
//! Clippy's disallowed methods say the same of calls that it can resolve; this looks at the text, so that a new
//! function of the standard library is not a way around.

use crate::source::{line_of, words};
use crate::tidy::Project;

const LIBRARY: &[&str] = &[
    "crates/base/src/",
    "crates/engine/src/",
    "crates/streaming/src/",
    "crates/waterclock/src/",
    "crates/waterclock-kafka/src/",
];
const WORLD: &str = "crates/base/src/world/";

const OUTSIDE: &[(&str, &str)] = &[
    ("std::fs", "files are reached through base::world::Disk"),
    ("fs::", "files are reached through base::world::Disk"),
    ("std::net", "connections are made through base::world::Net"),
    ("TcpStream::connect", "connections are made through base::world::Net"),
    ("Instant::now", "time comes from base::world::Clock"),
    ("SystemTime::now", "time comes from base::world::Clock"),
    ("thread::sleep", "waiting goes through base::world::Clock"),
    ("thread::spawn", "threads are started by base::world::spawn"),
    ("thread::Builder", "threads are started by base::world::spawn"),
    ("thread::scope", "threads are started by base::world::spawn"),
    ("process::Command", "no other process is started"),
    ("process::exit", "the program decides when it ends"),
    ("process::abort", "the program decides when it ends"),
];

/// Files of the library that may hold unsafe code, and why.
const UNSAFE: &[(&str, &str)] = &[
    ("crates/base/src/text/mod.rs", "a text of 16 bytes hides whether it is inline or on the heap"),
    ("crates/base/src/text/words.rs", "pieces between spaces of valid text are valid text"),
    ("crates/base/src/text/find.rs", "the processor's instructions that find spaces"),
    ("crates/engine/src/task/run.rs", "the running task is known to its thread for as long as it runs"),
];

/// Uses outside the world that are meant: file, text, why.
const MEANT: &[(&str, &str, &str)] = &[
    (
        "crates/streaming/src/batch/waiters.rs",
        "Instant::now",
        "the patience of a caller is real time, whatever the clock of the batches shows",
    ),
    ("crates/streaming/src/source/socket.rs", "std::net", "an address is looked at, nothing is opened"),
];

pub(crate) fn check(project: &Project) -> Vec<String> {
    let mut found = Vec::new();
    for source in &project.sources {
        let path = source.path.to_string_lossy();
        if !LIBRARY.iter().any(|part| path.starts_with(part)) || path.starts_with(WORLD) {
            continue;
        }
        if !UNSAFE.iter().any(|(file, _)| *file == path) {
            let places = words(&source.product, "unsafe").map(|at| line_of(&source.product, at));
            found.extend(places.map(|line| format!("{path}:{line}: unsafe code has its named files")));
        }
        for (text, reason) in OUTSIDE {
            if MEANT.iter().any(|(file, use_of, _)| *file == path && use_of == text) {
                continue;
            }
            for at in words(&source.product, text) {
                found.push(format!("{path}:{}: `{text}`: {reason}", line_of(&source.product, at)));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::source::Source;

    fn found(path: &str, text: &str) -> usize {
        let sources = vec![Source::new(Path::new(path), text.to_owned())];
        check(&Project { sources, documents: Vec::new() }).len()
    }

    #[test]
    fn only_the_world_may() {
        let text = "fn f() { let _ = std::time::Instant::now(); }";
        assert_eq!(found("crates/engine/src/a.rs", text), 1);
        assert_eq!(found("crates/base/src/world/a.rs", text), 0);
        assert_eq!(found("tools/bench/src/a.rs", text), 0);
        assert_eq!(found("crates/engine/src/a.rs", "#[cfg(test)]\nmod tests { use std::fs; }"), 0);
    }
}
