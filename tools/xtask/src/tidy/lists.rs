//! What the lists claim must exist: each `[x]` of docs/parity.md names a test, docs/scorecard.md names tests that
//! are there, and docs/tests.md is what the tests say.

use std::collections::HashSet;

use crate::source::{Source, name_at, words};
use crate::test_list;
use crate::tidy::Project;

const PARITY: &str = "docs/parity.md";
const SCORECARD: &str = "docs/scorecard.md";

pub(crate) fn check(project: &Project) -> Vec<String> {
    let mut found = test_list::check(project);
    let tests = tests(&project.sources);
    for (number, line) in project.document(PARITY).lines().enumerate() {
        let place = format!("{PARITY}:{}", number + 1);
        let Some(rest) = line.strip_prefix("- [") else { continue };
        let Some((mark, text)) = rest.split_once("] ") else { continue };
        let named = named(text);
        let reason = text.split_once(" — ").map_or("", |(_, reason)| reason);
        match mark {
            "x" if named.is_empty() => found.push(format!("{place}: done, but names no `file.rs::test`")),
            "~" | "-" if reason.is_empty() => found.push(format!("{place}: gives no reason behind ` — `")),
            " " | "x" | "~" | "-" | ">B" | ">C" | ">D" | ">E" | ">later" => {}
            other => found.push(format!("{place}: no mark `[{other}]`")),
        }
        for name in named.iter().filter(|name| !tests.contains(**name)) {
            found.push(format!("{place}: there is no test `{name}`"));
        }
    }
    for (number, line) in project.document(SCORECARD).lines().enumerate() {
        let missing = named(line).into_iter().filter(|name| !tests.contains(*name));
        found.extend(missing.map(|name| format!("{SCORECARD}:{}: there is no test `{name}`", number + 1)));
    }
    found
}

/// The names in backquotes that have the form of a test's.
fn named(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).filter(|name| name.contains(".rs::")).collect()
}

/// Every test, as `path/of/file.rs::name`.
fn tests(sources: &[Source]) -> HashSet<String> {
    let mut found = HashSet::new();
    for source in sources {
        for at in words(&source.code, "#[test]") {
            let rest = &source.code[at..];
            if let Some(function) = words(rest, "fn").next() {
                found.insert(format!("{}::{}", source.path.display(), name_at(rest, function + 3)));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_line_marked_done_names_an_existing_test() {
        let source = Source::new(Path::new("a.rs"), "#[test]\nfn is_there() {}".to_owned());
        let parity =
            "- [x] one — `a.rs::is_there`\n- [x] two — `a.rs::is_not`\n- [x] three\n- [-] four\n- [?] five\n";
        let scorecard = "| `a.rs::is_there` |\n| `a.rs::is_there`, `a.rs::is_gone` |\n";
        let documents =
            vec![(PARITY.to_owned(), parity.to_owned()), (SCORECARD.to_owned(), scorecard.to_owned())];
        let found = check(&Project { sources: vec![source], documents });
        let lines: Vec<_> = found.iter().filter(|line| line.starts_with(PARITY)).collect();
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert!(lines[0].contains(":2: there is no test `a.rs::is_not`"), "{lines:?}");
        assert!(
            found.contains(&"docs/scorecard.md:2: there is no test `a.rs::is_gone`".to_owned()),
            "{found:?}"
        );
    }
}
