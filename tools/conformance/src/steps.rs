//! The steps of a pipeline (GOLDEN.md, section 3): each makes a stream from the one before.

use std::time::Duration;

use serde_json::Value as Json;
use waterclock::{DStream, Keyed};

use crate::functions;
use crate::join_steps;
use crate::scene::Scene;
use crate::state_steps;
use crate::stream::{Stream, Trouble};
use crate::transforms;
use crate::value::{Value, canonical_list};
use crate::window_steps;

/// A step: its name and its arguments.
pub(crate) struct Step<'a> {
    pub(crate) name: &'a str,
    args: &'a [Json],
}

impl<'a> Step<'a> {
    fn new(json: &'a Json) -> Result<Self, Trouble> {
        let all = json.as_array().map(Vec::as_slice).unwrap_or_default();
        match all {
            [Json::String(name), args @ ..] => Ok(Step { name, args }),
            _ => Err(Trouble::Unsupported(format!("step {json}"))),
        }
    }

    /// The argument at a position; none when it is left out or null.
    pub(crate) fn arg(&self, at: usize) -> Option<&'a Json> {
        self.args.get(at).filter(|arg| !arg.is_null())
    }

    /// How many arguments there are.
    pub(crate) fn args(&self) -> &'a [Json] {
        self.args
    }

    /// The name at a position, as `find` knows it.
    pub(crate) fn function<F>(&self, at: usize, find: fn(&str) -> Option<F>) -> Result<F, Trouble> {
        self.arg(at).and_then(Json::as_str).and_then(find).ok_or_else(|| self.unsupported())
    }

    /// The text at a position.
    pub(crate) fn text(&self, at: usize) -> Result<&'a str, Trouble> {
        self.arg(at).and_then(Json::as_str).ok_or_else(|| self.unsupported())
    }

    /// The nested pipeline at a position.
    pub(crate) fn pipeline(&self, at: usize) -> Result<&'a [Json], Trouble> {
        self.arg(at).and_then(Json::as_array).map(Vec::as_slice).ok_or_else(|| self.unsupported())
    }

    /// The duration at a position.
    pub(crate) fn duration(&self, at: usize) -> Result<Duration, Trouble> {
        self.optional_duration(at)?.ok_or_else(|| self.unsupported())
    }

    /// The duration at a position, if there is one.
    pub(crate) fn optional_duration(&self, at: usize) -> Result<Option<Duration>, Trouble> {
        self.arg(at).map(|arg| unsigned(arg).map(Duration::from_millis)).transpose()
    }

    /// The number at a position, if there is one.
    pub(crate) fn number(&self, at: usize) -> Result<Option<usize>, Trouble> {
        let number = self.arg(at).map(unsigned).transpose()?;
        Ok(number.map(|number| usize::try_from(number).unwrap_or(usize::MAX)))
    }

    /// The options of a keyed operation whose number of partitions is at a position.
    pub(crate) fn keyed(&self, at: usize) -> Result<Keyed<Value>, Trouble> {
        Ok(keyed(self.number(at)?))
    }

    /// The step is not in the vocabulary.
    pub(crate) fn unsupported(&self) -> Trouble {
        Trouble::Unsupported(format!("step {:?} {}", self.name, Json::from(self.args)))
    }
}

/// Keyed options with so many partitions, or the default.
pub(crate) fn keyed(partitions: Option<usize>) -> Keyed<Value> {
    partitions.map_or_else(Keyed::new, |n| Keyed::new().partitions(n))
}

/// A number that is not negative, as sizes and durations are.
pub(crate) fn unsigned(arg: &Json) -> Result<u64, Trouble> {
    arg.as_u64().ok_or_else(|| Trouble::DoesNotCompile(format!("{arg} where a size or duration is meant")))
}

/// The stream that a pipeline makes.
pub(crate) fn build(scene: &mut Scene, pipeline: &[Json]) -> Result<Stream, Trouble> {
    let mut stream = None;
    for step in pipeline {
        let step = Step::new(step)?;
        stream = Some(match (&stream, step.name) {
            (None, "source") => scene.source(step.text(0)?)?,
            (None, "ref") => {
                let named = scene.named.get(step.text(0)?);
                named.cloned().ok_or_else(|| step.unsupported())?
            }
            (Some(stream), "let") => {
                scene.named.insert(step.text(0)?.to_owned(), Stream::clone(stream));
                stream.clone()
            }
            (Some(stream), _) => apply(scene, stream, &step)?.checked()?.named(scene.next_name()),
            (None, _) => return Err(step.unsupported()),
        });
    }
    stream.ok_or_else(|| Trouble::Unsupported("a pipeline without steps".into()))
}

/// The stream after a step, asking each group of steps in turn.
fn apply(scene: &mut Scene, stream: &Stream, step: &Step<'_>) -> Result<Stream, Trouble> {
    if let Some(next) = row_step(stream, step)? {
        return Ok(next);
    }
    if let Some(next) = batch_step(scene, stream, step)? {
        return Ok(next);
    }
    if let Some(next) = key_step(stream, step)? {
        return Ok(next);
    }
    if let Some(next) = join_steps::step(scene, stream, step)? {
        return Ok(next);
    }
    if let Some(next) = window_steps::step(stream, step)? {
        return Ok(next);
    }
    if let Some(next) = state_steps::step(scene, stream, step)? {
        return Ok(next);
    }
    match transforms::step(scene, stream, step)? {
        Some(next) => Ok(next),
        None => Err(step.unsupported()),
    }
}

/// Steps that look at one row or one partition at a time.
fn row_step(stream: &Stream, step: &Step<'_>) -> Result<Option<Stream>, Trouble> {
    let rows = || stream.rows();
    Ok(Some(match step.name {
        "map" => Stream::Rows(rows().map(step.function(0, functions::map)?)),
        "flatMap" => Stream::Rows(rows().flat_map(step.function(0, functions::flat_map)?)),
        "filter" => stream.filter(step.function(0, functions::predicate)?),
        "mapPartitions" => {
            let f = step.function(0, functions::map_partition)?;
            Stream::Rows(rows().map_partitions(move |rows| f(rows.collect())))
        }
        "glom" => Stream::Rows(rows().glom().map(canonical_list)),
        "glomOrdered" => Stream::Rows(rows().glom().map(Value::List)),
        "mapValues" => Stream::Pairs(stream.pairs().map_values(step.function(0, functions::map)?)),
        "flatMapValues" => {
            Stream::Pairs(stream.pairs().flat_map_values(step.function(0, functions::flat_map)?))
        }
        _ => return Ok(None),
    }))
}

/// Steps that look at a whole batch.
fn batch_step(scene: &mut Scene, stream: &Stream, step: &Step<'_>) -> Result<Option<Stream>, Trouble> {
    Ok(Some(match step.name {
        "cache" => stream.cache(),
        "checkpoint" => stream.checkpoint(step.duration(0)?),
        "repartition" => stream.repartition(step.number(0)?.ok_or_else(|| step.unsupported())?),
        "union" => stream.union(&build(scene, step.pipeline(0)?)?),
        "unionAll" => union_all(scene, stream, step)?,
        "count" => counts(&stream.rows().count()),
        "reduce" => Stream::Rows(stream.rows().reduce(step.function(0, functions::reduce)?)),
        "countByValue" => counted(&stream.rows().count_by_value_with(step.keyed(0)?)),
        _ => return Ok(None),
    }))
}

/// The context's union of this stream and those of all nested pipelines.
fn union_all(scene: &mut Scene, stream: &Stream, step: &Step<'_>) -> Result<Stream, Trouble> {
    let streams = with_nested(scene, stream, step, step.args().len())?;
    let pairs: Option<Vec<_>> = streams
        .iter()
        .map(|stream| match stream {
            Stream::Rows(_) => None,
            Stream::Pairs(pairs) => Some(pairs.clone()),
        })
        .collect();
    Ok(match pairs {
        Some(pairs) => Stream::Pairs(scene.ssc.union(&pairs)?),
        None => {
            let rows: Vec<_> = streams.iter().map(Stream::rows).collect();
            Stream::Rows(scene.ssc.union(&rows)?)
        }
    })
}

/// This stream, then those of the first `count` arguments, which are pipelines.
pub(crate) fn with_nested(
    scene: &mut Scene,
    stream: &Stream,
    step: &Step<'_>,
    count: usize,
) -> Result<Vec<Stream>, Trouble> {
    let mut streams = vec![stream.clone()];
    for at in 0..count {
        streams.push(build(scene, step.pipeline(at)?)?);
    }
    Ok(streams)
}

/// Steps that look at the values of each key of a batch.
fn key_step(stream: &Stream, step: &Step<'_>) -> Result<Option<Stream>, Trouble> {
    let pairs = || stream.pairs();
    Ok(Some(match step.name {
        "groupByKey" => lists(&pairs().group_by_key_with(step.keyed(0)?)),
        "reduceByKey" => {
            let f = step.function(0, functions::reduce)?;
            Stream::Pairs(pairs().reduce_by_key_with(f, step.keyed(1)?))
        }
        "combineByKey" => {
            let f = step.function(0, functions::combiner)?;
            let combine = step.arg(2).and_then(Json::as_bool).unwrap_or(true);
            let options = step.keyed(1)?.map_side_combine(combine);
            Stream::Pairs(pairs().combine_by_key_with(f.create, f.add, f.merge, options))
        }
        _ => return Ok(None),
    }))
}

/// Counts as integers.
pub(crate) fn counts(stream: &DStream<u64>) -> Stream {
    Stream::Rows(stream.map(Value::count))
}

/// Values with their counts as pairs.
pub(crate) fn counted(stream: &DStream<(Value, u64)>) -> Stream {
    Stream::Pairs(stream.map_values(Value::count))
}

/// Lists of values in canonical order.
pub(crate) fn lists(stream: &DStream<(Value, Vec<Value>)>) -> Stream {
    Stream::Pairs(stream.map_values(canonical_list))
}
