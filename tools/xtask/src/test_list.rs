//! Which test covers which behaviour of the original's test suites: `docs/tests.md`.
//!
//! `docs/tests.txt` is kept by hand: the behaviours with their numbers, and the issue that each belongs to. The
//! tests say themselves what they cover, by a comment above the function: `/// T-023: three streams at once.`,
//! with several numbers, ranges (`T-001 to T-003`) and a remark in brackets where that helps. The table is put
//! together from both and never edited.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::source::{Source, name_at};
use crate::tidy::Project;

const LIST: &str = "docs/tests.txt";
const TABLE: &str = "docs/tests.md";

/// The letter of the issue whose behaviours have to be covered by now.
const CURRENT: &str = "A";

const HEAD: &str = "\
# Which test covers which behaviour

Written by `cargo xtask tests` from the comments above the tests and from [tests.txt](tests.txt), and checked by
`cargo test`; not to be edited. Numbers and behaviours are those of the original's test suites.

A behaviour without a test waits for the issue of its letter: **A** engine and API (this release), **B** durability,
checkpoints, Kafka, PostgreSQL; **C** what can be seen: page, REST, metrics, a latency target; **D** cluster; **E**
the rest of the batch layer and the guide; **later** other connectors and learning. **–** does not apply, for the
reason given.
";

/// A test that says what it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Covering {
    pub(crate) path: String,
    pub(crate) test: String,
    pub(crate) remark: String,
}

/// The tests for each number.
pub(crate) fn covering(sources: &[Source]) -> BTreeMap<u32, Vec<Covering>> {
    let mut found: BTreeMap<u32, Vec<Covering>> = BTreeMap::new();
    for source in sources {
        let lines: Vec<_> = source.text.lines().map(str::trim).collect();
        for (number, line) in lines.iter().enumerate() {
            let Some(said) = line.strip_prefix("/// T-").or_else(|| line.strip_prefix("// T-")) else {
                continue;
            };
            let Some(test) = function_below(&lines[number..]) else { continue };
            let (numbers, remark) = label(&format!("T-{said}"));
            for number in numbers {
                let (path, remark) = (source.path.display().to_string(), remark.clone());
                found.entry(number).or_default().push(Covering { path, test: test.clone(), remark });
            }
        }
    }
    found
}

/// The name of the test that the comment in the first of these lines stands above.
fn function_below(lines: &[&str]) -> Option<String> {
    let mut is_test = false;
    for line in lines {
        is_test |= line.starts_with("#[") && line.contains("test");
        if let Some(rest) = line.strip_prefix("fn ").or_else(|| line.strip_prefix("pub fn ")) {
            return is_test.then(|| name_at(rest, 0).to_owned());
        }
        if !(line.starts_with("//") || line.starts_with("#[") || line.is_empty()) {
            return None;
        }
    }
    None
}

/// The numbers of `T-001, T-004 to T-006 (remark): text. T-008: text`, and the remark.
fn label(all: &str) -> (Vec<u32>, String) {
    let said = all.split([':', '.', ';']).next().unwrap_or_default();
    let (numbers, remark) = said.split_once('(').unwrap_or((said, ""));
    let (mut found, mut range) = (Vec::new(), false);
    for part in numbers.split([',', ' ']).filter(|part| !part.is_empty()) {
        match part.strip_prefix("T-").and_then(|number| number.parse::<u32>().ok()) {
            Some(last) if range => {
                let first = found.last().map_or(last, |first| first + 1);
                found.extend(first..=last);
                range = false;
            }
            Some(number) => found.push(number),
            None => range = part == "to",
        }
    }
    let later = all[said.len()..].match_indices(" T-").filter_map(|(at, _)| {
        let (number, _) = all[said.len() + at..].split_once(':')?;
        number.strip_prefix(" T-")?.parse::<u32>().ok()
    });
    found.extend(later);
    (found, remark.trim_end().trim_end_matches(')').to_owned())
}

/// The table, and what is wrong with the list that it is made of.
pub(crate) fn table(project: &Project) -> (String, Vec<String>) {
    let covering = covering(&project.sources);
    let (mut wrong, mut body, mut known) = (Vec::new(), String::new(), Vec::new());
    let (mut covered, mut open, mut waiting) = (0, 0, 0);
    for (number, line) in project.document(LIST).lines().enumerate() {
        if let Some(title) = line.strip_prefix("# ") {
            let _ =
                write!(body, "\n## {title}\n\n| | behaviour | covered by, or waits for |\n|---|---|---|\n");
            continue;
        }
        if line.trim().is_empty() {
            continue;
        }
        let Some((range, issue, text)) = entry(line) else {
            wrong.push(format!("{LIST}:{}: not `T-001 LETTER behaviour`", number + 1));
            continue;
        };
        let tests: Vec<_> = range.clone().filter_map(|n| covering.get(&n)).flatten().map(shown).collect();
        let count = range.clone().count();
        let state = if !tests.is_empty() {
            covered += count;
            tests.join("<br>")
        } else if issue == CURRENT {
            open += count;
            "**open**".to_owned()
        } else {
            waiting += count;
            issue.replace('-', "–")
        };
        let name = line.split(' ').next().unwrap_or_default().replace("..", " to ");
        let _ = writeln!(body, "| {name} | {} | {state} |", text.replace('|', "\\|"));
        known.extend(range);
    }
    for (number, tests) in covering.iter().filter(|(number, _)| !known.contains(number)) {
        wrong.extend(tests.iter().map(|t| format!("{}: `{}` names T-{number:03}, unknown", t.path, t.test)));
    }
    let totals = format!("\n{covered} covered, {open} open, {waiting} waiting or not applicable.\n");
    (format!("{HEAD}{totals}{body}"), wrong)
}

fn shown(test: &Covering) -> String {
    let remark = if test.remark.is_empty() { String::new() } else { format!(" ({})", test.remark) };
    format!("`{}` in {}{remark}", test.test, test.path)
}

/// `T-001 A text` or `T-001..T-009 B text`.
fn entry(line: &str) -> Option<(std::ops::RangeInclusive<u32>, &str, &str)> {
    let mut parts = line.splitn(3, ' ');
    let (numbers, issue, text) = (parts.next()?, parts.next()?, parts.next()?);
    let (first, last) = numbers.split_once("..").unwrap_or((numbers, numbers));
    let number = |said: &str| said.strip_prefix("T-")?.parse::<u32>().ok();
    let known = matches!(issue, "A" | "B" | "C" | "D" | "E" | "later" | "-");
    known.then_some((number(first)?..=number(last)?, issue, text))
}

/// What is wrong with the list or the table.
pub(crate) fn check(project: &Project) -> Vec<String> {
    let (table, mut wrong) = table(project);
    if project.document(TABLE) != table {
        wrong.push(format!("{TABLE} is not what the tests say; `cargo xtask tests` writes it"));
    }
    wrong
}

/// Writes the table.
pub(crate) fn write(root: &Path) -> Result<(), String> {
    let (table, wrong) = table(&Project::read(root)?);
    fs::write(root.join(TABLE), table).map_err(|e| format!("{TABLE}: {e}"))?;
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_name_numbers_ranges_and_a_remark() {
        assert_eq!(label("T-288, T-295 to T-297: times"), (vec![288, 295, 296, 297], String::new()));
        assert_eq!(label("T-007. Text.").0, [7]);
        assert_eq!(label("T-046: one. T-047: two.").0, [46, 47]);
        assert_eq!(label("T-086 (receiver side): lines"), (vec![86], "receiver side".to_owned()));
    }

    #[test]
    fn only_a_test_covers() {
        let text = "/// T-001: one.\n#[test]\nfn one() {}\n/// T-002: two.\nfn two() {}\n";
        let found = covering(&[Source::new(Path::new("a.rs"), text.to_owned())]);
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), [1]);
        assert_eq!(found[&1][0].test, "one");
    }
}
