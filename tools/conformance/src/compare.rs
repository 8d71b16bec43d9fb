//! What was expected against what was observed (GOLDEN.md, section 2).

use serde_json::{Map, Value as Json};

use crate::case::Case;

/// Fields that tell people why, and that no two programs share.
const INFORMATIVE: &[&str] = &["why", "class", "meaning"];

/// What is to be said of a case.
pub(crate) enum Verdict {
    /// It does what Spark does.
    Agrees,
    /// It does something else: where, a line each.
    Differs(Vec<String>),
    /// It could not be observed at all.
    Broken(String),
}

/// Compares an observation with what was expected.
pub(crate) fn verdict(case: &Case, actual: &Json) -> Verdict {
    if let Some(what) = actual.pointer("/expected/unsupported") {
        return Verdict::Broken(format!("the interpreter does not know {what}"));
    }
    let mut lines = Vec::new();
    for (field, expected) in [
        ("expected", &case.expected()),
        ("expected_slices", &case.expected_slices),
        ("expected_files", &case.expected_files),
        ("expected_stdout", &case.expected_stdout),
    ] {
        let actual = actual.get(field).unwrap_or(&Json::Null);
        compare(field, expected, actual, &mut lines);
    }
    if lines.is_empty() { Verdict::Agrees } else { Verdict::Differs(lines) }
}

/// Compares down to the entries of lists and the fields of objects, so that only what differs is told.
fn compare(place: &str, expected: &Json, actual: &Json, lines: &mut Vec<String>) {
    if plain(expected) == plain(actual) {
        return;
    }
    match (expected, actual) {
        (Json::Array(a), Json::Array(b)) if a.iter().chain(b).any(is_timed) => timed(place, a, b, lines),
        (Json::Object(a), Json::Object(b)) if a.contains_key("actions") || place == "expected_files" => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                let (a, b) = (a.get(key).unwrap_or(&Json::Null), b.get(key).unwrap_or(&Json::Null));
                compare(&format!("{place}.{key}"), a, b, lines);
            }
        }
        (Json::Array(a), Json::Array(b)) if place.ends_with(".actions") && a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                compare(&format!("{place}[{at}]"), a, b, lines);
            }
        }
        _ => lines.push(format!(
            "{place}: expected {expected}\n{:>w$} {actual}",
            "but got",
            w = place.len() + 10
        )),
    }
}

/// Entries side by side, as long as their times agree.
fn timed(place: &str, expected: &[Json], actual: &[Json], lines: &mut Vec<String>) {
    let (mut expected, mut actual) = (expected.iter().peekable(), actual.iter().peekable());
    loop {
        let (a, b) = match (expected.peek(), actual.peek()) {
            (None, None) => return,
            (Some(a), Some(b)) if time(a) == time(b) => (expected.next(), actual.next()),
            (Some(a), Some(b)) if time(a) > time(b) => (None, actual.next()),
            (Some(_), _) => (expected.next(), None),
            (None, Some(_)) => (None, actual.next()),
        };
        let at = a.or(b).and_then(time).unwrap_or_default();
        let nothing = Json::String("no entry".into());
        compare(&format!("{place} at {at}"), a.unwrap_or(&nothing), b.unwrap_or(&nothing), lines);
    }
}

fn is_timed(entry: &Json) -> bool {
    time(entry).is_some()
}

fn time(entry: &Json) -> Option<i64> {
    entry.get("time_ms").and_then(Json::as_i64)
}

/// Without what is only informative.
fn plain(json: &Json) -> Json {
    match json {
        Json::Array(all) => Json::Array(all.iter().map(plain).collect()),
        Json::Object(fields) => {
            let fields = fields.iter().filter(|(key, _)| !INFORMATIVE.contains(&key.as_str()));
            Json::Object(fields.map(|(key, value)| (key.clone(), field(key, value))).collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// An error is an error, whatever its class.
fn field(key: &str, value: &Json) -> Json {
    if key == "error" { Json::Bool(true) } else { plain(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lines(expected: Json, actual: Json) -> Vec<String> {
        let mut lines = Vec::new();
        compare("expected", &expected, &actual, &mut lines);
        lines
    }

    #[test]
    fn reasons_are_not_compared() {
        let expected = json!({"setup_error": {"phase": "build", "class": "x", "meaning": "y"}});
        let actual = json!({"setup_error": {"phase": "build", "why": "z"}});
        assert!(lines(expected, actual).is_empty());
        assert!(lines(json!([{"error": "x"}]), json!([{"error": true, "why": "z"}])).is_empty());
    }

    #[test]
    fn only_times_that_differ_are_told() {
        let expected =
            json!([{"time_ms": 1, "rows": [1]}, {"time_ms": 2, "rows": [2]}, {"time_ms": 3, "rows": []}]);
        let actual = json!([{"time_ms": 1, "rows": [1]}, {"time_ms": 3, "rows": [7]}]);
        let lines = lines(expected, actual);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].contains("at 2") && lines[0].contains("no entry"));
        assert!(lines[1].contains("at 3") && lines[1].contains("[7]"));
    }
}
