//! Modules import downwards.
//!
//! The lists below are the layers of each crate, lowest first: a module may import from those in front of it.
//! What is only compiled for tests may import anything. A name is imported from the module that owns it, never
//! through the root of its own crate, which would hide the direction.

use crate::source::{Source, line_of, name_at, words};
use crate::tidy::Project;

/// The modules of a crate, lowest first; `a/b` is a part of `a` with a place of its own.
struct Layers {
    sources: &'static str,
    order: &'static [&'static str],
}

const LAYERS: &[Layers] = &[
    Layers {
        sources: "crates/base/src/",
        order: &[
            "data",
            "ids",
            "error",
            "time",
            "codec",
            "text",
            "key_group",
            "schema",
            "text_form",
            "columns",
            "event",
            "status",
            "world",
            "config",
        ],
    },
    Layers {
        sources: "crates/engine/src/",
        order: &[
            "chunk",
            "partition",
            "table",
            "shared",
            "context",
            "stage",
            "executor",
            "task",
            "lines",
            "block",
            "job",
            "rdd",
            "shuffle",
            "rdd/sources",
            "rdd/actions",
            "rdd/operators",
        ],
    },
    Layers {
        sources: "crates/streaming/src/",
        order: &[
            "listen",
            "checkpoint",
            "block",
            "graph",
            "job",
            "batch",
            "context",
            "receiver",
            "state",
            "dstream",
            "source",
            "testing",
        ],
    },
    Layers {
        sources: "crates/waterclock-ui/src/",
        order: &["access", "assets", "rest", "live", "metrics", "routes", "tls", "connection", "page"],
    },
    Layers { sources: "crates/waterclock-progress/src/", order: &["said", "screen", "line"] },
    Layers {
        sources: "crates/waterclock-postgres/src/",
        order: &["error", "row", "table", "tls", "server", "sink"],
    },
    Layers {
        sources: "crates/waterclock-cli/src/",
        order: &["answer", "show", "ask", "check", "replay", "main"],
    },
    Layers {
        sources: "crates/waterclock-kafka/src/",
        order: &[
            "error",
            "client",
            "record",
            "offsets",
            "rates",
            "topics",
            "cut",
            "group",
            "reader",
            "source",
            "mark",
            "new_record",
            "sink",
        ],
    },
];

/// Imports against the order that are meant: file, imported module, why.
const MEANT: &[(&str, &str, &str)] = &[
    ("crates/base/src/error.rs", "time", "errors name batch times, and a bad time is an error"),
    (
        "crates/engine/src/context.rs",
        "block",
        "the engine is held by all and owns one of each: the account of memory",
    ),
    (
        "crates/engine/src/context.rs",
        "executor",
        "the engine is held by all and owns one of each: the threads",
    ),
    (
        "crates/engine/src/context.rs",
        "task",
        "the engine is held by all and owns one of each: the local pool",
    ),
    (
        "crates/engine/src/context.rs",
        "job",
        "the engine is held by all and owns one of each: the running jobs",
    ),
    (
        "crates/engine/src/shared/accumulator.rs",
        "task",
        "an accumulator is added to through the running task",
    ),
    ("crates/engine/src/stage/output.rs", "rdd", "what a stage makes stands in the lineage"),
    ("crates/engine/src/stage/output.rs", "task", "what a stage makes is made by tasks"),
    ("crates/engine/src/stage/plan.rs", "rdd", "the plan cuts the lineage"),
    ("crates/engine/src/task/rehearsal.rs", "rdd", "who is to blame is found in the lineage"),
    ("crates/engine/src/executor.rs", "task", "what is submitted is a task"),
    ("crates/engine/src/block/keep.rs", "rdd", "keeping is a dataset that others can be computed from"),
    ("crates/engine/src/job/result.rs", "rdd", "a job's target is a dataset"),
    ("crates/engine/src/job/run.rs", "rdd", "a job's target is a dataset"),
    ("crates/engine/src/job/told.rs", "rdd", "a job's target is a dataset"),
];

pub(crate) fn check(project: &Project) -> Vec<String> {
    let mut found = Vec::new();
    let mut used = Vec::new();
    for layers in LAYERS {
        let inside = |source: &&Source| source.path.to_string_lossy().starts_with(layers.sources);
        for source in project.sources.iter().filter(inside) {
            if source.path.ends_with("src/lib.rs") {
                found.extend(undeclared(layers, source));
            } else {
                check_file(layers, source, &mut found, &mut used);
            }
        }
    }
    let here = |file: &str| project.sources.iter().any(|source| source.path.to_string_lossy() == file);
    for (file, to, _) in MEANT.iter().filter(|meant| here(meant.0) && !used.contains(&(meant.0, meant.1))) {
        found.push(format!("tidy/layers.rs: the exception {file} -> {to} is not needed any more"));
    }
    found
}

/// The list and the `mod` lines name the same modules.
fn undeclared(layers: &Layers, root: &Source) -> Vec<String> {
    let modules: Vec<_> = words(&root.code, "mod").map(|at| name_at(&root.code, at + 4)).collect();
    let missing = modules.iter().filter(|name| !layers.order.contains(name));
    let gone = layers.order.iter().filter(|name| !name.contains('/') && !modules.contains(name));
    let place = root.path.display();
    missing
        .map(|name| format!("{place}: `{name}` has no place in the layers of tidy/layers.rs"))
        .chain(gone.map(|name| format!("{place}: has no `{name}`, which tidy/layers.rs names")))
        .collect()
}

impl Layers {
    /// The layer of `first/second`, by the longer name where there is one.
    fn place_of(&self, first: &str, second: &str) -> Option<usize> {
        let find = |name: &str| self.order.iter().position(|layer| *layer == name);
        find(&format!("{first}/{second}")).or_else(|| find(first))
    }
}

fn check_file(
    layers: &Layers,
    source: &Source,
    found: &mut Vec<String>,
    used: &mut Vec<(&'static str, &'static str)>,
) {
    let path = source.path.to_string_lossy();
    let mut own = path.trim_start_matches(layers.sources).split(['/', '.']);
    let (first, second) = (own.next().unwrap_or_default(), own.next().unwrap_or_default());
    let Some(own_place) = layers.place_of(first, second) else { return };
    for (line, name, part) in imports(source) {
        let Some(place) = layers.place_of(name, part) else {
            found.push(format!("{path}:{line}: `crate::{name}`: import it from the module that owns it"));
            continue;
        };
        if place <= own_place {
            continue;
        }
        let (own, to) = (layers.order[own_place], layers.order[place]);
        match MEANT.iter().find(|(file, module, _)| *file == path && *module == to) {
            Some((file, to, _)) => used.push((file, to)),
            None => found.push(format!("{path}:{line}: `{own}` imports `{to}`, a layer above it")),
        }
    }
}

/// The first two names after each `crate::`, with the line; the second may be empty.
fn imports(source: &Source) -> Vec<(usize, &str, &str)> {
    let code = &source.product;
    let mut found = Vec::new();
    for at in words(code, "crate::").filter(|&at| !code[..at].ends_with('$')) {
        let from = at + "crate::".len();
        if code[from..].starts_with('{') {
            group(code, from, &mut found);
        } else if !name_at(code, from).is_empty() {
            found.push(path_at(code, from));
        }
    }
    found
}

fn path_at(code: &str, at: usize) -> (usize, &str, &str) {
    let first = name_at(code, at);
    let after = at + first.len();
    let second = if code[after..].starts_with("::") { name_at(code, after + 2) } else { "" };
    (line_of(code, at), first, second)
}

/// The paths that stand in the `{..}` at `open`.
fn group<'a>(code: &'a str, open: usize, found: &mut Vec<(usize, &'a str, &'a str)>) {
    let (mut depth, mut first) = (0usize, false);
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => {
                depth += 1;
                first = depth == 1;
            }
            b'}' if depth == 1 => break,
            b'}' => depth -= 1,
            b',' if depth == 1 => first = true,
            _ if first && !byte.is_ascii_whitespace() => {
                found.push(path_at(code, at));
                first = false;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let path = Path::new("crates/base/src").join(path);
        check(&Project { sources: vec![Source::new(&path, text.to_owned())], documents: Vec::new() })
    }

    #[test]
    fn downward_imports_pass() {
        assert_eq!(found("event.rs", "use crate::time::A;\nuse crate::event::B;"), Vec::<String>::new());
    }

    #[test]
    fn upward_imports_are_found_in_every_form() {
        let found = found("time.rs", "use crate::{ids::A, event::{B, C}};\nfn f() { crate::world::g() }");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("time.rs:1: `time` imports `event`"), "{found:?}");
        assert!(found[1].contains("time.rs:2: `time` imports `world`"), "{found:?}");
    }

    #[test]
    fn tests_and_comments_may_look_up() {
        let text = "// crate::world\n#[cfg(test)]\nmod tests { use crate::world::B; }";
        assert_eq!(found("ids.rs", text), Vec::<String>::new());
    }

    #[test]
    fn the_root_is_no_way_around() {
        let found = found("ids.rs", "use crate::Thing;");
        assert!(found[0].contains("import it from the module that owns it"), "{found:?}");
    }

    #[test]
    fn every_module_has_a_place() {
        let found = found("lib.rs", "mod data;\nmod surprise;");
        assert!(found.iter().any(|line| line.contains("`surprise` has no place")), "{found:?}");
    }
}
