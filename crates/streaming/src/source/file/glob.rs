//! Which directories are watched: a path, or a pattern of paths.
//!
//! | in a pattern | matches |
//! |---|---|
//! | `*` | any characters of a name, or none |
//! | `?` | one character |
//! | `[ab]`, `[a-z]`, `[^a]` | one character that is, or is not, one of these |
//! | `{one,two}` | either of these |
//! | `\` | the character behind it as it is |
//!
//! None of them matches a `/`, nor a dot with which a name begins.

use std::io;
use std::path::{Path, PathBuf};

use waterclock_base::world::Disk;

/// A path or pattern, taken apart.
pub(super) struct Glob {
    /// Either of these, each the parts of a path.
    ways: Vec<Vec<Part>>,
    /// As it was given.
    given: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// These parts of a path as they are.
    Plain(PathBuf),
    /// Every directory whose name matches.
    Pattern(Vec<Piece>),
}

/// A piece of a pattern for one name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Char(char),
    One,
    Any,
    /// One of these ranges, or none of them.
    Of(Vec<(char, char)>, bool),
}

/// Directories that were found, and those where looking failed.
#[derive(Default)]
pub(super) struct Found {
    pub(super) dirs: Vec<PathBuf>,
    pub(super) failed: Vec<(PathBuf, io::Error)>,
}

impl Glob {
    /// Takes a pattern apart; a path that is not UTF-8 is no pattern.
    pub(super) fn new(path: &Path) -> Result<Self, String> {
        let given = path.to_owned();
        let Some(text) = path.to_str() else {
            return Ok(Glob { ways: vec![vec![Part::Plain(given.clone())]], given });
        };
        if text.is_empty() {
            return Err("the path is empty".into());
        }
        let ways = alternatives(text)?.iter().map(|way| parts(way)).collect::<Result<_, _>>()?;
        Ok(Glob { ways, given })
    }

    /// As it was given.
    pub(super) fn given(&self) -> &Path {
        &self.given
    }

    /// The directories that match now, in the order of their paths. A path without a pattern is given as it
    /// is, there or not.
    pub(super) fn find(&self, disk: &dyn Disk) -> Found {
        let mut found = Found::default();
        for way in &self.ways {
            walk(disk, PathBuf::new(), way, &mut found);
        }
        found.dirs.sort();
        found.dirs.dedup();
        found
    }
}

fn walk(disk: &dyn Disk, before: PathBuf, way: &[Part], found: &mut Found) {
    match way.split_first() {
        None => found.dirs.push(before),
        Some((Part::Plain(path), rest)) => walk(disk, before.join(path), rest, found),
        Some((Part::Pattern(pattern), rest)) => {
            let dir = if before.as_os_str().is_empty() { Path::new(".") } else { &before };
            let names = match disk.names(dir) {
                Ok(names) => names,
                Err(error) => return found.failed.push((dir.to_owned(), error)),
            };
            for name in names.into_iter().filter(|name| matches(pattern, &name.name.to_string_lossy())) {
                let path = before.join(name.name);
                // One that vanished meanwhile is none.
                if disk.entry(&path).is_ok_and(|entry| entry.is_dir) {
                    walk(disk, path, rest, found);
                }
            }
        }
    }
}

/// Writes the first `{a,b}` out, then those in what comes of that.
fn alternatives(pattern: &str) -> Result<Vec<String>, String> {
    let (mut depth, mut begin, mut cuts) = (0, 0, Vec::new());
    let mut escaped = false;
    for (at, c) in pattern.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => {
                depth += 1;
                if depth == 1 {
                    (begin, cuts) = (at, vec![at + 1]);
                }
            }
            ',' if depth == 1 => cuts.push(at + 1),
            '}' if depth == 1 => {
                cuts.push(at + 1);
                let (before, after) = (&pattern[..begin], &pattern[at + 1..]);
                let mut all = Vec::new();
                for cut in cuts.windows(2) {
                    all.extend(alternatives(&format!("{before}{}{after}", &pattern[cut[0]..cut[1] - 1]))?);
                }
                return Ok(all);
            }
            '}' if depth > 1 => depth -= 1,
            _ => {}
        }
    }
    if depth > 0 {
        Err(format!("`{pattern}` has a `{{` that no `}}` closes"))
    } else {
        Ok(vec![pattern.into()])
    }
}

/// The parts of a path without alternatives.
fn parts(path: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut plain = PathBuf::from(if path.starts_with('/') { "/" } else { "" });
    for name in path.split('/').filter(|name| !name.is_empty()) {
        let pieces = pieces(name)?;
        let chars = pieces.iter().map(|piece| if let Piece::Char(c) = piece { Some(*c) } else { None });
        match chars.collect::<Option<String>>() {
            Some(name) => plain.push(name),
            None => {
                if !plain.as_os_str().is_empty() {
                    parts.push(Part::Plain(std::mem::take(&mut plain)));
                }
                parts.push(Part::Pattern(pieces));
            }
        }
    }
    if !plain.as_os_str().is_empty() {
        parts.push(Part::Plain(plain));
    }
    Ok(parts)
}

/// The pieces of the pattern of one name.
fn pieces(name: &str) -> Result<Vec<Piece>, String> {
    let mut chars = name.chars();
    let mut pieces = Vec::new();
    while let Some(c) = chars.next() {
        pieces.push(match c {
            '*' => Piece::Any,
            '?' => Piece::One,
            '\\' => Piece::Char(chars.next().unwrap_or('\\')),
            '[' => class(&mut chars).ok_or_else(|| format!("`{name}` has a `[` that no `]` closes"))?,
            c => Piece::Char(c),
        });
    }
    Ok(pieces)
}

/// The characters of a class, behind its `[`.
fn class(chars: &mut std::str::Chars<'_>) -> Option<Piece> {
    let mut ranges: Vec<(char, char)> = Vec::new();
    let mut next = chars.next()?;
    let but = next == '^' || next == '!';
    if but {
        next = chars.next()?;
    }
    // A `]` that comes first stands for itself.
    let mut first = true;
    while first || next != ']' {
        first = false;
        let from = if next == '\\' { chars.next()? } else { next };
        next = chars.next()?;
        let mut to = from;
        if next == '-' && !chars.as_str().starts_with(']') {
            to = chars.next()?;
            next = chars.next()?;
        }
        ranges.push((from, to));
    }
    Some(Piece::Of(ranges, but))
}

/// Whether a name matches a pattern.
fn matches(pattern: &[Piece], name: &str) -> bool {
    if name.starts_with('.') && pattern.first() != Some(&Piece::Char('.')) {
        return false;
    }
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut piece) = (0, 0);
    // Where to go on when what follows the last `*` does not fit: one character later.
    let mut back = None;
    while at < name.len() {
        match pattern.get(piece) {
            Some(Piece::Any) => {
                piece += 1;
                back = Some((piece, at));
                continue;
            }
            Some(one) if one.takes(name[at]) => (at, piece) = (at + 1, piece + 1),
            _ => match &mut back {
                Some((after, from)) => {
                    *from += 1;
                    (piece, at) = (*after, *from);
                }
                None => return false,
            },
        }
    }
    pattern[piece..].iter().all(|piece| *piece == Piece::Any)
}

impl Piece {
    /// Whether it takes this one character.
    fn takes(&self, c: char) -> bool {
        match self {
            Piece::Char(own) => *own == c,
            Piece::One => true,
            Piece::Any => false,
            Piece::Of(ranges, but) => ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *but,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, name: &str) -> bool {
        matches(&pieces(pattern).unwrap(), name)
    }

    #[test]
    fn names_match_patterns() {
        for (pattern, name) in [
            ("*", "a"),
            ("sub*", "sub"),
            ("*a*b", "xaxbab"),
            ("a?c", "a\u{e9}c"),
            ("[a-c]x", "bx"),
            ("[^a-c]x", "dx"),
            ("[!a]", "b"),
            ("[]a]", "]"),
            ("[a-]", "-"),
            ("[\\]]", "]"),
            ("\\*", "*"),
            (".*", ".hidden"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("*", ".hidden"),
            ("?", ""),
            ("a", "b"),
            ("a*", "ba"),
            ("[a-c]", "d"),
            ("[^a]", "a"),
            ("a?", "a"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn alternatives_are_written_out() {
        assert_eq!(alternatives("/x/{a,b{1,2}}/y").unwrap(), ["/x/a/y", "/x/b1/y", "/x/b2/y"]);
        assert_eq!(alternatives("{a,}b{c,d}").unwrap(), ["abc", "abd", "bc", "bd"]);
        assert_eq!(alternatives(r"\{a,b\}").unwrap(), [r"\{a,b\}"]);
        assert!(alternatives("{a").unwrap_err().contains("closes"));
        assert!(Glob::new(Path::new("x/[a")).is_err());
        assert!(Glob::new(Path::new("")).is_err());
    }

    #[test]
    fn paths_are_plain_up_to_the_first_pattern() {
        let path = |path: &str| Part::Plain(PathBuf::from(path));
        assert_eq!(parts("/a/b").unwrap(), [path("/a/b")]);
        assert_eq!(parts(r"a/b\*c").unwrap(), [path("a/b*c")]);
        let star = Part::Pattern(vec![Piece::Any]);
        assert_eq!(parts("/a/*/c").unwrap(), [path("/a"), star.clone(), path("c")]);
        assert_eq!(parts("*").unwrap(), [star]);
    }
}
