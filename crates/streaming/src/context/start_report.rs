//! What a start would do with a checkpoint, name by name.

use std::fmt;
use std::path::Path;

use serde::Deserialize;
use waterclock_base::{BatchTime, Error};

use super::replay::quoted;

/// What a start would do with a checkpoint: the answer of
/// [`StreamingContext::dry_run`](crate::StreamingContext::dry_run).
///
/// `Display` tells it to people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct StartReport {
    /// The checkpoint's directory; empty where the program keeps none.
    pub dir: String,
    /// The program's name.
    pub app_name: String,
    /// Whether there is something to go on from.
    pub resumes: bool,
    /// The batches that would be run again.
    pub redo: Vec<BatchTime>,
    /// What becomes of each name.
    pub parts: Vec<StartPart>,
    /// What else is to be known: that a process still has the checkpoint, for instance, which a start would have to
    /// wait for.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Why the start would be refused; empty if it would go through.
    pub refusals: Vec<String>,
}

/// A source, a state or an output.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct StartPart {
    /// What it is.
    pub kind: PartKind,
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub fate: Fate,
    /// More about that, if there is.
    pub detail: Option<String>,
}

/// What a name of a checkpoint stands for.
///
/// ```
/// assert_eq!(waterclock_streaming::PartKind::State.to_string(), "state");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PartKind {
    /// Where data comes from.
    Source,
    /// What a stream keeps from batch to batch.
    State,
    /// Where results go.
    Output,
    /// What tasks add to.
    Accumulator,
}

/// What becomes of a name at a start.
///
/// ```
/// assert_eq!(waterclock_streaming::Fate::Migrated.to_string(), "migrated");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fate {
    /// The program goes on with it as it is.
    Kept,
    /// It was written as another type, and is converted.
    Migrated,
    /// The program does not have it any more.
    Dropped,
    /// The checkpoint does not have it.
    New,
    /// It keeps the program from starting.
    Refused,
}

impl fmt::Display for PartKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            PartKind::Source => "source",
            PartKind::State => "state",
            PartKind::Output => "output",
            PartKind::Accumulator => "accumulator",
        })
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Fate::Kept => "kept",
            Fate::Migrated => "migrated",
            Fate::Dropped => "dropped",
            Fate::New => "new",
            Fate::Refused => "refused",
        })
    }
}

impl StartReport {
    /// Whether the program would start, once no other process has the checkpoint any more.
    ///
    /// That another one has it, such as the release that is to be replaced, is no refusal but one of the
    /// [`notes`](Self::notes). While it runs, the report holds for what it has written so far.
    pub fn would_start(&self) -> bool {
        self.refusals.is_empty()
    }

    /// What becomes of a name, if the program or the checkpoint has it.
    pub fn fate(&self, kind: PartKind, name: &str) -> Option<Fate> {
        self.parts.iter().find(|part| part.kind == kind && part.name == name).map(|part| part.fate)
    }

    /// The same for programs, as JSON.
    ///
    /// ```
    /// use waterclock_streaming::StreamingContext;
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path().join("none");
    /// let report = StreamingContext::dry_run(dir, |builder| {
    ///     let ssc = builder.build()?;
    ///     ssc.queue_stream(vec![vec![1]]).named("numbers").print().named("shown");
    ///     Ok(ssc)
    /// });
    /// let source = r#"{"kind":"source","name":"numbers","fate":"new","detail":null}"#;
    /// assert!(report.to_json().contains(source));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn to_json(&self) -> String {
        let part = |StartPart { kind, name, fate, detail }: &StartPart| {
            let detail = detail.as_deref().map_or_else(|| "null".into(), quoted);
            format!(
                "{{\"kind\":\"{kind}\",\"name\":{},\"fate\":\"{fate}\",\"detail\":{detail}}}",
                quoted(name)
            )
        };
        let parts: Vec<String> = self.parts.iter().map(part).collect();
        let redo: Vec<String> = self.redo.iter().map(|time| time.as_millis().to_string()).collect();
        let all = |texts: &[String]| texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(",");
        format!(
            "{{\"would_start\":{},\"dir\":{},\"app_name\":{},\"resumes\":{},\"redo\":[{}],\"parts\":[{}],\
             \"notes\":[{}],\"refusals\":[{}]}}",
            self.would_start(),
            quoted(&self.dir),
            quoted(&self.app_name),
            self.resumes,
            redo.join(","),
            parts.join(","),
            all(&self.notes),
            all(&self.refusals)
        )
    }

    /// Nothing is known yet.
    pub(super) fn of(dir: &Path) -> Self {
        StartReport { dir: dir.display().to_string(), ..StartReport::default() }
    }

    pub(super) fn refuse(&mut self, error: &Error) {
        self.refusals.push(error.full_text());
    }

    pub(super) fn put(&mut self, kind: PartKind, name: &str, fate: Fate, detail: Option<String>) {
        self.parts.push(StartPart { kind, name: name.to_owned(), fate, detail });
    }
}

impl fmt::Display for StartReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dir.is_empty() {
            writeln!(f, "{} keeps no checkpoint", self.app_name)?;
        } else if self.resumes {
            writeln!(f, "{} and the checkpoint {}:", self.app_name, self.dir)?;
        } else {
            writeln!(f, "{} finds no checkpoint in {} and begins anew:", self.app_name, self.dir)?;
        }
        let kinds = self.parts.iter().map(|part| part.kind.to_string().len()).max().unwrap_or_default();
        let width = self.parts.iter().map(|part| part.name.chars().count()).max().unwrap_or_default();
        for StartPart { kind, name, fate, detail } in &self.parts {
            let line = format!(
                "  {kind:kinds$}  {name:width$}  {fate:8}  {}",
                detail.as_deref().unwrap_or_default()
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        if !self.redo.is_empty() {
            let times: Vec<String> = self.redo.iter().map(BatchTime::to_string).collect();
            writeln!(f, "batches that are run again: {}", times.join(", "))?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))?;
        if self.would_start() {
            return f.write_str("a start would go through");
        }
        f.write_str("a start would be refused:")?;
        self.refusals.iter().try_for_each(|why| write!(f, "\n  {why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_as_a_table() {
        let mut report =
            StartReport { dir: "/c".into(), app_name: "counts".into(), resumes: true, ..Default::default() };
        report.put(PartKind::Source, "lines", Fate::Kept, None);
        report.put(PartKind::State, "old", Fate::Dropped, Some("as `forget_state` says".into()));
        report.redo = vec![BatchTime::from_millis(2000)];
        report.notes.push("well".into());
        let table = "counts and the checkpoint /c:\n  source  lines  kept\n  state   old    dropped   as `forget_state` says\n\
                     batches that are run again: 2000 ms\nnote: well\n";
        assert_eq!(report.to_string(), format!("{table}a start would go through"));
        report.refusals.push("no".into());
        assert_eq!(report.to_string(), format!("{table}a start would be refused:\n  no"));
    }
}
