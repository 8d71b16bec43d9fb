//! The stream that a pipeline is at: of rows, or of pairs that keyed operations understand.

use std::time::Duration;

use waterclock::{BatchTime, DStream, Error, Rdd, Result};

use crate::functions::Predicate;
use crate::value::Value;

/// Why a pipeline can't be built.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Waterclock refused it.
    Refused(Error),
    /// Rust refuses it when it is compiled: no argument of its type says this.
    DoesNotCompile(String),
    /// The interpreter does not know it.
    Unsupported(String),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Trouble::Refused(error)
    }
}

/// A stream of a pipeline. Pairs stay pairs for as long as the operation keeps them, because their
/// partitioner would be lost on the way through rows.
#[derive(Clone)]
pub(crate) enum Stream {
    Rows(DStream<Value>),
    Pairs(DStream<(Value, Value)>),
}

/// A pair as a row.
fn row((key, value): (Value, Value)) -> Value {
    Value::pair(key, value)
}

impl Stream {
    /// The stream, or why its last operation was refused.
    pub(crate) fn checked(self) -> Result<Self> {
        Ok(match self {
            Stream::Rows(rows) => Stream::Rows(rows.checked()?),
            Stream::Pairs(pairs) => Stream::Pairs(pairs.checked()?),
        })
    }

    /// With a name, under which its state outlives the process.
    pub(crate) fn named(self, name: String) -> Self {
        // The values of cases are of a type that says what it is only when it is read.
        match self {
            Stream::Rows(rows) => Stream::Rows(rows.named(name).state_version(1)),
            Stream::Pairs(pairs) => Stream::Pairs(pairs.named(name).state_version(1)),
        }
    }

    /// As rows.
    pub(crate) fn rows(&self) -> DStream<Value> {
        match self {
            Stream::Rows(rows) => rows.clone(),
            Stream::Pairs(pairs) => pairs.map(row),
        }
    }

    /// As pairs.
    pub(crate) fn pairs(&self) -> DStream<(Value, Value)> {
        match self {
            Stream::Rows(rows) => rows.map(Value::into_pair),
            Stream::Pairs(pairs) => pairs.clone(),
        }
    }

    pub(crate) fn slide(&self) -> Duration {
        match self {
            Stream::Rows(rows) => rows.slide_duration(),
            Stream::Pairs(pairs) => pairs.slide_duration(),
        }
    }

    pub(crate) fn filter(&self, keep: Predicate) -> Self {
        match self {
            Stream::Rows(rows) => Stream::Rows(rows.filter(keep)),
            Stream::Pairs(pairs) => Stream::Pairs(pairs.filter(move |pair| keep(&row(pair.clone())))),
        }
    }

    pub(crate) fn cache(&self) -> Self {
        match self {
            Stream::Rows(rows) => Stream::Rows(rows.cache()),
            Stream::Pairs(pairs) => Stream::Pairs(pairs.cache()),
        }
    }

    pub(crate) fn repartition(&self, partitions: usize) -> Self {
        Stream::Rows(self.rows().repartition(partitions))
    }

    pub(crate) fn checkpoint(&self, interval: Duration) -> Self {
        match self {
            Stream::Rows(rows) => Stream::Rows(rows.checkpoint(interval)),
            Stream::Pairs(pairs) => Stream::Pairs(pairs.checkpoint(interval)),
        }
    }

    /// What the last batches had; slides as the stream does where no slide is given.
    pub(crate) fn window(&self, length: Duration, slide: Option<Duration>) -> Self {
        match (self, slide) {
            (Stream::Rows(rows), None) => Stream::Rows(rows.window(length)),
            (Stream::Rows(rows), Some(slide)) => Stream::Rows(rows.window_sliding(length, slide)),
            (Stream::Pairs(pairs), None) => Stream::Pairs(pairs.window(length)),
            (Stream::Pairs(pairs), Some(slide)) => Stream::Pairs(pairs.window_sliding(length, slide)),
        }
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        match (self, other) {
            (Stream::Pairs(a), Stream::Pairs(b)) => Stream::Pairs(a.union(b)),
            (a, b) => Stream::Rows(a.rows().union(&b.rows())),
        }
    }

    /// Has `output` called for each batch's rows: the dataset's, still to be collected.
    pub(crate) fn for_each_batch(
        &self,
        output: impl Fn(Result<Vec<Value>>, BatchTime) -> Result<()> + Send + Sync + 'static,
    ) -> Result<()> {
        let output = match self {
            Stream::Rows(rows) => rows.foreach_rdd(move |rdd, time| Ok(output(rdd.collect(), time)?)),
            Stream::Pairs(pairs) => pairs.foreach_rdd(move |rdd, time| {
                let rows = rdd.collect().map(|pairs| pairs.into_iter().map(row).collect());
                Ok(output(rows, time)?)
            }),
        };
        output.checked().map(drop)
    }

    /// Prints the first rows of each batch.
    pub(crate) fn print(&self, most: Option<usize>) -> Result<()> {
        let output = match (self, most) {
            (Stream::Rows(rows), None) => rows.print(),
            (Stream::Rows(rows), Some(most)) => rows.print_first(most),
            (Stream::Pairs(pairs), None) => pairs.print(),
            (Stream::Pairs(pairs), Some(most)) => pairs.print_first(most),
        };
        output.checked().map(drop)
    }

    /// Writes each batch into files.
    pub(crate) fn save_as_text_files(&self, prefix: &str, suffix: &str) -> Result<()> {
        let output = match self {
            Stream::Rows(rows) => rows.save_as_text_files(prefix, suffix),
            Stream::Pairs(pairs) => pairs.save_as_text_files(prefix, suffix),
        };
        output.checked().map(drop)
    }

    /// The rows of each dataset of a span of time.
    pub(crate) fn slice(&self, from: i64, to: i64) -> Result<Vec<Vec<Value>>> {
        let (from, to) = (BatchTime::from_millis(from), BatchTime::from_millis(to));
        match self {
            Stream::Rows(rows) => rows.slice(from, to)?.iter().map(Rdd::collect).collect(),
            Stream::Pairs(pairs) => {
                let datasets: Result<Vec<_>> = pairs.slice(from, to)?.iter().map(Rdd::collect).collect();
                Ok(datasets?.into_iter().map(|pairs| pairs.into_iter().map(row).collect()).collect())
            }
        }
    }
}
