//! What may not stand in any file: marks of unfinished work, and places that exist on one machine only.
//!
//! The words are put together here, so that this file does not contain them.

use crate::tidy::Project;

const IN_CODE: &[&str] = &[
    concat!("to", "do!"),
    concat!("unimpl", "emented!"),
    concat!("db", "g!"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("TO", "DO"),
    concat!("for", " now"),
    concat!("place", "holder"),
    concat!("#[ig", "nore"),
];

const ANYWHERE: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("index.crates", ".io"),
    concat!("registry", ".npmjs"),
    concat!("replace", "-with"),
];

pub(crate) fn check(project: &Project) -> Vec<String> {
    let mut found = Vec::new();
    let sources = project.sources.iter().map(|s| (s.path.display().to_string(), s.text.as_str(), true));
    let documents = project.documents.iter().map(|(path, text)| (path.clone(), text.as_str(), false));
    for (path, text, is_code) in sources.chain(documents) {
        for (number, line) in text.lines().enumerate() {
            let banned = IN_CODE.iter().filter(|_| is_code).chain(ANYWHERE);
            for word in banned.filter(|word| line.contains(**word)) {
                found.push(format!("{path}:{}: `{word}`", number + 1));
            }
        }
    }
    found
}
