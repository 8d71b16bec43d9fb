//! Rust text as the checks see it: without comments, without the insides of literals, without its tests.
//!
//! A full parser would be a heavy dependency for questions that a scanner answers. All forms keep the line
//! breaks of the file, so that positions mean the same in each.

use std::path::{Path, PathBuf};

use crate::workspace;

/// One file of Rust.
pub(crate) struct Source {
    /// Relative to the project.
    pub(crate) path: PathBuf,
    /// As it stands.
    pub(crate) text: String,
    /// Without comments, and with `_` for what literals contain.
    pub(crate) code: String,
    /// `code` without the parts that are only compiled for tests.
    pub(crate) product: String,
}

/// A function, found by its `fn`.
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    /// Lines of code from its `fn` to its last brace.
    pub(crate) code_lines: usize,
}

impl Source {
    pub(crate) fn read(root: &Path, path: &Path) -> Result<Self, String> {
        Ok(Self::new(path, workspace::read(root, path)?))
    }

    pub(crate) fn new(path: &Path, text: String) -> Self {
        let code = without_comments(&text);
        let product = if is_test_file(path) { String::new() } else { without_tests(&code) };
        Self { path: path.to_path_buf(), text, code, product }
    }

    /// The lines that are neither comment, nor blank, nor test.
    pub(crate) fn product_lines(&self) -> usize {
        count_lines(&self.product)
    }

    pub(crate) fn functions(&self) -> Vec<Function> {
        functions(&self.code)
    }
}

/// Whether all of a file is test code.
pub(crate) fn is_test_file(path: &Path) -> bool {
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    name == "tests"
        || name.ends_with("_tests")
        || path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "benches")
}

fn count_lines(code: &str) -> usize {
    code.lines().filter(|line| !line.trim().is_empty()).count()
}

/// The line, counted from one, of a position.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|&&byte| byte == b'\n').count() + 1
}

/// Whether a byte may be part of a name.
pub(crate) fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The name that begins at `at`; empty where none does.
pub(crate) fn name_at(code: &str, at: usize) -> &str {
    let rest = code.get(at..).unwrap_or_default();
    let end = rest.bytes().position(|byte| !is_name(byte)).unwrap_or(rest.len());
    &rest[..end]
}

/// Where `word` stands as a word of its own.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = at.checked_sub(1).and_then(|i| code.as_bytes().get(i)).copied();
        let after = code.as_bytes().get(at + word.len()).copied();
        let joined_before = before.is_some_and(is_name) && word.bytes().next().is_some_and(is_name);
        let joined_after = after.is_some_and(is_name) && word.bytes().last().is_some_and(is_name);
        !joined_before && !joined_after
    })
}

/// The position after the brace that closes the one at `open`.
fn after_braces(code: &str, open: usize) -> usize {
    let mut depth = 0usize;
    for (i, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return i + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for at in words(code, "fn") {
        let name_from = at + 2 + code[at + 2..].bytes().take_while(u8::is_ascii_whitespace).count();
        let name = name_at(code, name_from);
        let Some(open) = body(code, name_from) else { continue };
        if !name.is_empty() {
            let code_lines = count_lines(&code[at..after_braces(code, open)]);
            found.push(Function { name: name.to_owned(), line: line_of(code, at), code_lines });
        }
    }
    found
}

/// Where the body of the item at `from` opens; none if it has none.
fn body(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0i32;
    for (i, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(i),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

fn blank(out: &mut Vec<u8>, text: &[u8], with: u8) {
    out.extend(text.iter().map(|&byte| if byte == b'\n' { b'\n' } else { with }));
}

fn without_comments(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at..];
        let joined = at > 0 && is_name(bytes[at - 1]);
        let (length, literal) = if rest.starts_with(b"//") {
            (rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len()), false)
        } else if rest.starts_with(b"/*") {
            (block_comment(rest), false)
        } else if byte == b'"' {
            (quoted(rest), true)
        } else if byte == b'r' && (!joined || bytes[at - 1] == b'b') && raw_hashes(rest).is_some() {
            (raw(rest), true)
        } else if byte == b'\'' && character(text, at).is_some() {
            (character(text, at).unwrap_or(1), true)
        } else {
            out.push(byte);
            at += 1;
            continue;
        };
        if literal && length >= 2 {
            out.push(b'"');
            blank(&mut out, &rest[1..length - 1], b'_');
            out.push(b'"');
        } else {
            blank(&mut out, &rest[..length], b' ');
        }
        at += length;
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn quoted(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The number of `#` between an `r` and its quote; none where it opens no raw string.
fn raw_hashes(rest: &[u8]) -> Option<usize> {
    let hashes = rest.iter().skip(1).take_while(|&&b| b == b'#').count();
    (rest.get(1 + hashes) == Some(&b'"')).then_some(hashes)
}

fn raw(rest: &[u8]) -> usize {
    let hashes = raw_hashes(rest).unwrap_or(0);
    let mut close = vec![b'"'];
    close.extend(std::iter::repeat_n(b'#', hashes));
    let from = hashes + 2;
    let found = rest.get(from..).and_then(|rest| rest.windows(close.len()).position(|w| w == close));
    found.map_or(rest.len(), |at| from + at + close.len())
}

/// The length of the character literal at `at`; none where the quote opens a lifetime.
fn character(text: &str, at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    let mut chars = rest.char_indices().skip(1);
    let (_, first) = chars.next()?;
    if first == '\\' {
        let end = rest.get(3..)?.find('\'')?;
        return Some(3 + end + 1);
    }
    let (end, close) = chars.next()?;
    (close == '\'').then_some(end + 1)
}

fn without_tests(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    let marks = code.match_indices("#[cfg(test)]").chain(code.match_indices("#[cfg(all(test,"));
    for (at, _) in marks {
        let from = at + code[at..].find(']').map_or(0, |end| end + 1);
        let end = match body(code, from + code[from..].find(|c: char| c.is_ascii_lowercase()).unwrap_or(0)) {
            Some(open) => after_braces(code, open),
            None => from + code[from..].find(';').map_or(0, |i| i + 1),
        };
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new(Path::new("crates/x/src/y.rs"), text.to_owned())
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        let source =
            source("let a = \"crate::x\"; // crate::y\nlet c = '\"'; /* { */ let l: &'static str;\n");
        assert!(!source.code.contains("crate"));
        assert!(!source.code.contains('{'));
        assert!(source.code.contains("'static str"));
        assert_eq!(source.code.lines().count(), 2);
    }

    #[test]
    fn raw_strings_end_where_they_say() {
        let source = source("let a = r#\"one \" two\"#; fn f() {}");
        assert_eq!(source.functions().len(), 1);
        assert!(!source.code.contains("two"));
    }

    #[test]
    fn tests_are_no_product() {
        let source = source(
            "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { if true {} }\n}\nfn c() {}\n\
             #[cfg(all(test, feature = \"x\"))]\nmod more {\n    fn d() {}\n}\n",
        );
        assert_eq!(source.product_lines(), 2);
        assert_eq!(source.functions().len(), 4);
    }

    #[test]
    fn a_function_is_measured_in_lines_of_code() {
        let source = source("fn a(\n    x: [u8; 2],\n) {\n    // why\n\n    let _ = x;\n}\nfn b();\n");
        let functions = source.functions();
        assert_eq!(functions.len(), 1);
        assert_eq!((functions[0].name.as_str(), functions[0].code_lines), ("a", 5));
    }
}
