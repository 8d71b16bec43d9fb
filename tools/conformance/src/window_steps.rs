//! The steps that look at several batches at once (GOLDEN.md, section 3).

use crate::functions::{predicate, reduce};
use crate::steps::{Step, counted, counts, lists};
use crate::stream::{Stream, Trouble};
use crate::value::Value;

/// The stream after a window step; none for another step.
pub(crate) fn step(stream: &Stream, step: &Step<'_>) -> Result<Option<Stream>, Trouble> {
    match plain(stream, step)? {
        Some(next) => Ok(Some(next)),
        None => inverse(stream, step),
    }
}

/// Windows over any function. Where a case gives no slide it is the parent's.
fn plain(stream: &Stream, step: &Step<'_>) -> Result<Option<Stream>, Trouble> {
    let slide = |at| Ok::<_, Trouble>(step.optional_duration(at)?.unwrap_or_else(|| stream.slide()));
    Ok(Some(match step.name {
        "window" => stream.window(step.duration(0)?, step.optional_duration(1)?),
        "reduceByWindow" => {
            let f = step.function(0, reduce)?;
            Stream::Rows(stream.rows().reduce_by_window(f, step.duration(1)?, step.duration(2)?))
        }
        "groupByKeyAndWindow" => {
            let (length, slide, options) = (step.duration(0)?, slide(1)?, step.keyed(2)?);
            lists(&stream.pairs().group_by_key_and_window_with(length, slide, options))
        }
        "reduceByKeyAndWindow" => {
            let f = step.function(0, reduce)?;
            let (length, slide, options) = (step.duration(1)?, slide(2)?, step.keyed(3)?);
            Stream::Pairs(stream.pairs().reduce_by_key_and_window_with(f, length, slide, options))
        }
        _ => return Ok(None),
    }))
}

/// Windows that are kept up to date by what enters and what leaves.
fn inverse(stream: &Stream, step: &Step<'_>) -> Result<Option<Stream>, Trouble> {
    Ok(Some(match step.name {
        "reduceByWindowInv" => {
            let (f, inverse) = (step.function(0, reduce)?, step.function(1, reduce)?);
            let (length, slide) = (step.duration(2)?, step.duration(3)?);
            Stream::Rows(stream.rows().reduce_by_window_inverse(f, inverse, length, slide))
        }
        "countByWindow" => counts(&stream.rows().count_by_window(step.duration(0)?, step.duration(1)?)),
        "countByValueAndWindow" => {
            let (length, slide) = (step.duration(0)?, step.duration(1)?);
            counted(&stream.rows().count_by_value_and_window_with(length, slide, step.keyed(2)?))
        }
        "reduceByKeyAndWindowInv" => reduce_by_key(stream, step)?,
        _ => return Ok(None),
    }))
}

fn reduce_by_key(stream: &Stream, step: &Step<'_>) -> Result<Stream, Trouble> {
    let (f, inverse) = (step.function(0, reduce)?, step.function(1, reduce)?);
    let (length, slide, options) = (step.duration(2)?, step.duration(3)?, step.keyed(5)?);
    let pairs = stream.pairs();
    Ok(Stream::Pairs(match step.arg(4) {
        None => pairs.reduce_by_key_and_window_inverse_with(f, inverse, length, slide, options),
        Some(_) => {
            let holds = step.function(4, predicate)?;
            let keep = move |k: &Value, v: &Value| holds(&Value::pair(k.clone(), v.clone()));
            pairs.reduce_by_key_and_window_inverse_filtered(f, inverse, keep, length, slide, options)
        }
    }))
}
