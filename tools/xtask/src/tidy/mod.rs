//! What no compiler checks: sizes, layers, seams, words, and that the lists of tests tell the truth.

mod layers; // modules import downwards
mod lists; // parity and tests name what exists
mod seams; // one way to the world
mod sizes; // files, functions, lines
mod words; // what may not stand anywhere

use std::path::Path;

use crate::source::Source;
use crate::workspace;

/// The project as the checks see it.
pub(crate) struct Project {
    /// Every file of Rust.
    pub(crate) sources: Vec<Source>,
    /// Every other file that people wrote: path and text.
    pub(crate) documents: Vec<(String, String)>,
}

impl Project {
    pub(crate) fn read(root: &Path) -> Result<Self, String> {
        let sources = workspace::files(root, &[".rs"])?
            .iter()
            .map(|path| Source::read(root, path))
            .collect::<Result<_, _>>()?;
        let documents = workspace::files(root, &[".md", ".toml", ".txt", ".stderr", "run"])?
            .iter()
            .map(|path| Ok((path.display().to_string(), workspace::read(root, path)?)))
            .collect::<Result<_, String>>()?;
        Ok(Self { sources, documents })
    }

    /// The text of one of the documents; empty if there is none of that name.
    pub(crate) fn document(&self, path: &str) -> &str {
        self.documents.iter().find(|(name, _)| name == path).map_or("", |(_, text)| text.as_str())
    }
}

/// Everything that is not as it should be: one line each, with file and line.
pub(crate) fn findings(root: &Path) -> Result<Vec<String>, String> {
    let project = Project::read(root)?;
    let mut found = sizes::check(&project);
    found.extend(layers::check(&project));
    found.extend(seams::check(&project));
    found.extend(words::check(&project));
    found.extend(lists::check(&project));
    Ok(found)
}

#[cfg(test)]
mod tests {
    /// Files and functions are small, layers and seams hold, banned words are absent, lists are true.
    #[test]
    fn the_project_is_tidy() {
        let findings = super::findings(&crate::workspace::root()).expect("the project can be read");
        assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
    }
}
