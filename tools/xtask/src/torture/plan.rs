//! Where to kill: every named point in turn, and any moment in between.

/// A kill.
#[derive(Clone, Copy)]
pub(super) enum Kill {
    /// At any moment.
    AnyTime,
    /// At a point, at one of the first so many times that it is reached.
    Point(&'static str, u64),
}

use Kill::{AnyTime, Point};

/// The kills in their order; then again from the first.
pub(super) const PLAN: &[Kill] = &[
    // A batch is cut and logged.
    Point("before-cut", 8),
    AnyTime,
    Point("after-cut", 8),
    Point("log-written", 16),
    AnyTime,
    Point("log-durable", 16),
    Point("cut-durable", 8),
    AnyTime,
    // Its outputs are written and shown.
    Point("before-stage", 8),
    Point("before-redo", 1),
    AnyTime,
    Point("after-stage", 8),
    Point("before-publish", 8),
    AnyTime,
    Point("mid-publish", 8),
    // The same batch again, while it is made up for.
    Point("mid-publish", 1),
    AnyTime,
    Point("publish-renamed", 8),
    Point("publish-renamed", 1),
    AnyTime,
    Point("after-publish", 8),
    Point("after-publish", 1),
    AnyTime,
    // Its end is logged.
    Point("before-ending", 8),
    AnyTime,
    Point("after-ending", 8),
    AnyTime,
    // A snapshot takes the log's place.
    Point("before-snapshot", 2),
    AnyTime,
    Point("at-roll", 2),
    Point("mid-snapshot", 2),
    AnyTime,
    Point("snapshot-written", 2),
    Point("before-snapshot-rename", 2),
    AnyTime,
    Point("after-snapshot-rename", 2),
    Point("before-clean", 2),
    AnyTime,
    Point("mid-clean", 2),
    Point("after-clean", 2),
    AnyTime,
    // A start finds all that.
    Point("facts-read", 1),
    AnyTime,
    Point("state-restored", 1),
    AnyTime,
];

/// The first kills of each life: before there is anything to go on from.
pub(super) const BIRTH: &[Kill] = &[
    AnyTime,
    Point("facts-read", 1),
    Point("mid-snapshot", 1),
    Point("before-snapshot-rename", 1),
    Point("after-snapshot-rename", 1),
    Point("before-cut", 1),
];

/// The names of the points.
pub(super) fn points() -> Vec<&'static str> {
    let mut names: Vec<&str> = Vec::new();
    for kill in PLAN {
        if let Point(name, _) = kill
            && !names.contains(name)
        {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    /// The plan and the library name the same points, or a point would never be killed at.
    #[test]
    fn every_point_of_the_library_is_in_the_plan() {
        let root = workspace::root();
        let mut said = Vec::new();
        for path in workspace::files(&root, &[".rs"]).unwrap() {
            if path.starts_with("crates") && !path.ends_with("world/points.rs") {
                let text = workspace::read(&root, &path).unwrap();
                let after = text.split("at_point(\"").skip(1);
                said.extend(after.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
            }
        }
        let mut planned = points();
        said.sort();
        planned.sort_unstable();
        assert_eq!(said, planned);
    }
}
