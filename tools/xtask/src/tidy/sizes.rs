//! A file is one thought, a function one step, a line is read in one go.
//!
//! Documentation and tests don't count against a file's code, but the whole file has a limit too.

use std::iter::repeat;

use crate::source::Source;
use crate::tidy::Project;

const CODE_LINES: usize = 500;
const FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 60;
/// Tests are tables and models, read from top to bottom.
const TEST_LINES: usize = 100;
/// The formatter keeps code at 110; this is for comments, and for what it can't break.
const LINE_WIDTH: usize = 120;

/// Files that may be longer, and why.
const LONG_FILES: &[(&str, &str)] = &[];

/// Functions that may be longer, by file and name, and why.
const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[];

pub(crate) fn check(project: &Project) -> Vec<String> {
    let mut found = Vec::new();
    for source in &project.sources {
        let path = source.path.display().to_string();
        let (code, all) = (source.product_lines(), source.text.lines().count());
        if !LONG_FILES.iter().any(|(file, _)| *file == path) {
            if code > CODE_LINES {
                found.push(format!("{path}: {code} lines of code; at most {CODE_LINES}"));
            }
            if all > FILE_LINES {
                found.push(format!("{path}: {all} lines; at most {FILE_LINES}"));
            }
        }
        for function in source.functions() {
            let (name, line, length) = (&function.name, function.line, function.code_lines);
            let known = LONG_FUNCTIONS.iter().any(|(file, function, _)| *file == path && function == name);
            let is_test = source.product.lines().nth(line - 1).is_none_or(|code| code.trim().is_empty());
            let limit = if is_test { TEST_LINES } else { FUNCTION_LINES };
            if length > limit && !known {
                found.push(format!("{path}:{line}: `{name}` has {length} lines of code; at most {limit}"));
            }
        }
        found.extend(wide_lines(source));
    }
    found
}

/// Rows of tables and literals can't be broken, macros of tests aren't formatted; every other line can be.
fn wide_lines(source: &Source) -> Vec<String> {
    let path = source.path.display().to_string();
    let mut found = Vec::new();
    let forms = source.text.lines().zip(source.code.lines()).zip(source.product.lines().chain(repeat("")));
    for (number, ((line, code), product)) in forms.enumerate() {
        let is_test = product.trim().is_empty() && !code.trim().is_empty();
        let (said, width) = (line.trim(), line.chars().count());
        let is_row = code.trim().is_empty() && said.trim_start_matches(['/', '!', ' ']).starts_with('|');
        let in_literal = code.as_bytes().get(LINE_WIDTH).is_some_and(|byte| *byte == b'_' || *byte == b'"');
        if width > LINE_WIDTH && !is_row && !in_literal && !is_test && !said.starts_with('"') {
            found.push(format!("{path}:{}: {width} columns; at most {LINE_WIDTH}", number + 1));
        }
    }
    found
}
