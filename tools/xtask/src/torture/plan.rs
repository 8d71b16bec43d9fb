//! Where to kill: every named point, any moment in between, and servers. What lacks most to its share is next.

use super::tally::Tally;

/// What is killed, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kill {
    /// The program at any moment.
    AnyTime,
    /// The program, and this server with it.
    Server(&'static str),
    /// The program at a point, at one of the first so many times that it is reached.
    Point(&'static str, u64),
    /// The same, but it goes on meanwhile, for less than so many milliseconds.
    Past(&'static str, u64, u64),
}

/// One of the kills that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// What the table calls it.
    pub(super) name: &'static str,
    pub(super) kill: Kill,
    /// So often for each kill of another one.
    pub(super) weight: u64,
    /// The kill that has to come just before it, or there is nothing to do at this point.
    pub(super) after: Option<&'static str>,
}

impl Target {
    const fn point(name: &'static str, most: u64) -> Self {
        Target { name, kill: Kill::Point(name, most), weight: 1, after: None }
    }

    const fn after(self, before: &'static str) -> Self {
        Target { after: Some(before), ..self }
    }

    /// Whether it is a point of the protocol.
    pub(super) fn is_point(&self) -> bool {
        matches!(self.kill, Kill::Point(..) | Kill::Past(..))
    }
}

/// At any moment.
pub(super) const ANY_TIME: Target = Target { name: "any time", kill: Kill::AnyTime, weight: 4, after: None };

/// A server, as `cargo xtask servers` calls it.
pub(super) const fn server(name: &'static str, weight: u64) -> Target {
    Target { name, kill: Kill::Server(name), weight, after: None }
}

/// The way of a batch, whatever its source and sinks.
pub(super) const BATCH: &[Target] = &[
    // A batch is cut and logged.
    Target::point("before-cut", 6),
    Target::point("after-cut", 6),
    Target::point("log-written", 12),
    Target::point("log-durable", 12),
    Target::point("cut-durable", 6),
    // Its outputs are written and shown.
    Target::point("before-stage", 6),
    Target::point("before-redo", 1).after("before-stage"),
    Target::point("after-stage", 6),
    Target::point("before-publish", 6),
    Target::point("after-publish", 6),
    // Its end is logged.
    Target::point("before-ending", 6),
    Target::point("after-ending", 6),
    // A snapshot takes the log's place.
    Target::point("before-snapshot", 2),
    Target::point("at-roll", 2),
    Target::point("mid-snapshot", 2),
    Target::point("snapshot-written", 2),
    Target::point("before-snapshot-rename", 2),
    Target::point("after-snapshot-rename", 2),
    Target::point("before-clean", 2),
    Target::point("mid-clean", 2),
    Target::point("after-clean", 2),
    // A start finds all that.
    Target::point("facts-read", 1),
    Target::point("state-restored", 1),
];

/// Files, which are shown by a renaming.
pub(super) const FILES: &[Target] = &[Target::point("mid-publish", 6), Target::point("publish-renamed", 6)];

/// A transaction of PostgreSQL. Two for each batch, as the example has two outputs.
pub(super) const POSTGRES: &[Target] = &[
    Target::point("postgres-before-begin", 8),
    Target::point("postgres-marked", 8),
    Target::point("postgres-copied", 8),
    Target::point("postgres-before-commit", 8),
    Target {
        name: "postgres-mid-commit",
        kill: Kill::Past("postgres-before-commit", 8, 4),
        weight: 1,
        after: None,
    },
    Target::point("postgres-committed", 8),
];

/// A transaction of Kafka.
pub(super) const KAFKA: &[Target] = &[
    // What the process before this one left open is ended; which batches are there is not asked for yet.
    Target::point("kafka-fenced", 1),
    Target::point("kafka-before-begin", 6),
    Target::point("kafka-mid-send", 60),
    Target::point("kafka-sent", 6),
    Target::point("kafka-offsets-sent", 6),
    Target::point("kafka-before-commit", 6),
    Target {
        name: "kafka-mid-commit",
        kill: Kill::Past("kafka-before-commit", 6, 12),
        weight: 1,
        after: None,
    },
    Target::point("kafka-committed", 6),
];

/// The first kills of each life: before there is anything to go on from.
pub(super) const BIRTH: &[Target] = &[
    ANY_TIME,
    Target::point("facts-read", 1),
    Target::point("mid-snapshot", 1),
    Target::point("before-snapshot-rename", 1),
    Target::point("after-snapshot-rename", 1),
    Target::point("before-cut", 1),
];

/// The one that lacks most to its share of all kills; the first of those. Where another one has to come before it, and
/// was not the last, then that one.
pub(super) fn next(targets: &[Target], last: Option<&str>, tally: &Tally) -> Option<Target> {
    let sum = |of: &dyn Fn(&Target) -> u64| targets.iter().map(of).sum::<u64>() as i64;
    let (kills, weights) = (sum(&|target| tally.used(target.name)) + 1, sum(&|target| target.weight));
    let too_many = |target: &&Target| tally.used(target.name) as i64 * weights - target.weight as i64 * kills;
    let least = targets.iter().min_by_key(too_many)?;
    let before = least.after.filter(|before| last != Some(before));
    let before = before.and_then(|before| targets.iter().find(|target| target.name == before));
    Some(*before.unwrap_or(least))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::workspace;

    /// The plans and the library name the same points, or a point would never be killed at.
    #[test]
    fn every_point_of_the_library_is_in_a_plan() {
        let root = workspace::root();
        let mut said = BTreeSet::new();
        for path in workspace::files(&root, &[".rs"]).unwrap() {
            if path.starts_with("crates") && !path.ends_with("world/points.rs") {
                let text = workspace::read(&root, &path).unwrap();
                let after = text.split("at_point(\"").skip(1);
                said.extend(after.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
            }
        }
        let planned =
            [BATCH, FILES, POSTGRES, KAFKA].concat().into_iter().filter_map(|target| match target.kill {
                Kill::Point(at, _) | Kill::Past(at, ..) => Some(at.to_owned()),
                Kill::AnyTime | Kill::Server(_) => None,
            });
        assert_eq!(said, planned.collect());
    }

    #[test]
    fn what_was_killed_least_is_next_and_a_heavy_one_more_often() {
        let targets = [Target::point("a", 1), Target::point("b", 1).after("a"), server("s", 2)];
        let mut tally = Tally::read(None, "test").unwrap();
        let (mut last, mut order) = (None, String::new());
        for _ in 0..9 {
            let target = next(&targets, last, &tally).unwrap();
            tally.killed(target.name);
            order.push_str(target.name);
            last = Some(target.name);
        }
        assert_eq!(order, "sabssabss");
    }
}
