//! The functions of whole datasets (GOLDEN.md, section 4): `transform`, `transformWith`, `transformAll`.

use serde_json::Value as Json;
use waterclock::{BatchTime, BoxError, Rdd};

use crate::scene::Scene;
use crate::steps::{Step, build, unsigned, with_nested};
use crate::stream::{Stream, Trouble};
use crate::value::Value;

type Outcome = Result<Rdd<Value>, BoxError>;

/// A function of one dataset and the time of its batch.
type One = Box<dyn Fn(Rdd<Value>, BatchTime) -> Outcome + Send + Sync>;
/// A function of two datasets.
type Two = fn(Rdd<Value>, Rdd<Value>, BatchTime) -> Outcome;
/// A function of any number of datasets.
type Many = fn(Vec<Rdd<Value>>, BatchTime) -> Outcome;

/// The steps that apply a function to datasets.
pub(crate) fn step(scene: &mut Scene, stream: &Stream, step: &Step<'_>) -> Result<Option<Stream>, Trouble> {
    Ok(Some(Stream::Rows(match step.name {
        "transform" => {
            let f = one(step)?;
            stream.rows().transform(f)
        }
        "transformWith" => {
            let other = build(scene, step.pipeline(0)?)?.rows();
            stream.rows().transform_with(&other, step.function(1, two)?)
        }
        "transformAll" => {
            let last = step.args().len().saturating_sub(1);
            let f = step.function(last, many)?;
            let streams = with_nested(scene, stream, step, last)?;
            let rows: Vec<_> = streams.iter().map(Stream::rows).collect();
            scene.ssc.transform(&rows, f)?
        }
        _ => return Ok(None),
    })))
}

/// As pairs.
fn pairs(rdd: &Rdd<Value>) -> Rdd<(Value, Value)> {
    rdd.map(Value::into_pair)
}

/// Pairs as rows.
fn unpaired(rdd: &Rdd<(Value, Value)>) -> Rdd<Value> {
    rdd.map(|(k, v)| Value::pair(k, v))
}

/// Joined pairs as rows.
fn joined(rdd: &Rdd<(Value, (Value, Value))>) -> Rdd<Value> {
    rdd.map(|(k, (v, w))| Value::pair(k, Value::pair(v, w)))
}

/// Left-joined pairs as rows, null where nothing was found.
fn left_joined(rdd: &Rdd<(Value, (Value, Option<Value>))>) -> Rdd<Value> {
    rdd.map(|(k, (v, w))| Value::pair(k, Value::pair(v, w.unwrap_or(Value::Null))))
}

/// A dataset of these rows in one partition.
fn rows(like: &Rdd<Value>, rows: Vec<Value>) -> Rdd<Value> {
    like.engine().parallelize(rows, 1)
}

/// Partitions where a case gives none.
fn parallelism(rdd: &Rdd<Value>) -> usize {
    rdd.engine().settings().default_parallelism
}

fn millis(time: BatchTime) -> Value {
    Value::Int(time.as_millis())
}

/// Functions without an argument.
fn plain(name: &str) -> Option<fn(Rdd<Value>, BatchTime) -> Outcome> {
    Some(match name {
        "identity" => |rdd, _| Ok(rdd),
        "distinct" => |rdd, _| Ok(rdd.distinct()),
        "sort" => |rdd, _| Ok(rdd.sort_by(Value::clone, true, parallelism(&rdd))?),
        "sort_desc" => |rdd, _| Ok(rdd.sort_by(Value::clone, false, parallelism(&rdd))?),
        "sort_by_key" => |rdd, _| Ok(unpaired(&pairs(&rdd).sort_by_key(true, parallelism(&rdd))?)),
        "sort_by_key_desc" => |rdd, _| Ok(unpaired(&pairs(&rdd).sort_by_key(false, parallelism(&rdd))?)),
        "zip_with_index" => {
            |rdd, _| Ok(rdd.zip_with_index().map(|(x, index)| Value::pair(x, Value::count(index))))
        }
        "count" => |rdd, _| Ok(rows(&rdd, vec![Value::count(rdd.count()?)])),
        "sum_all" => |rdd, _| Ok(rows(&rdd, vec![Value::Int(crate::functions::sum(&rdd.collect()?))])),
        "num_partitions" => |rdd, _| Ok(rows(&rdd, vec![Value::count(rdd.partitions())])),
        "with_time" => |rdd, time| Ok(rdd.map(move |x| Value::pair(millis(time), x))),
        "empty" => |rdd, _| Ok(rdd.engine().empty()),
        "null" => |_, _| Err("there is no dataset to give".into()),
        "fail_every_third" => |rdd, time| {
            if (time.as_millis() / 1000) % 3 == 0 { Err("it is a third".into()) } else { Ok(rdd) }
        },
        _ => return None,
    })
}

/// Functions with a number.
fn numbered(name: &str) -> Option<fn(Rdd<Value>, usize) -> Outcome> {
    Some(match name {
        "take" => |rdd, n| Ok(rows(&rdd, rdd.take(n)?)),
        "top" => |rdd, n| Ok(rows(&rdd, rdd.top(n)?)),
        "take_ordered" => |rdd, n| Ok(rows(&rdd, rdd.take_ordered(n)?)),
        "repartition" => |rdd, n| Ok(rdd.repartition(n)),
        "coalesce" => |rdd, n| Ok(rdd.coalesce(n)),
        _ => return None,
    })
}

/// Functions with rows that are the same in every batch.
fn with_static(name: &str) -> Option<fn(Rdd<Value>, Rdd<Value>) -> Outcome> {
    Some(match name {
        "union_static" => |rdd, fixed| Ok(rdd.union(&fixed)),
        "intersection_static" => |rdd, fixed| Ok(rdd.intersection(&fixed)),
        "subtract_static" => |rdd, fixed| Ok(rdd.subtract(&fixed)),
        "cartesian_static" => |rdd, fixed| Ok(unpaired(&rdd.cartesian(&fixed))),
        "join_static" => |rdd, fixed| Ok(joined(&pairs(&rdd).join(&pairs(&fixed)))),
        "left_join_static" => |rdd, fixed| Ok(left_joined(&pairs(&rdd).left_outer_join(&pairs(&fixed)))),
        "filter_spam" => |rdd, fixed| {
            let flagged = pairs(&rdd).left_outer_join(&pairs(&fixed));
            let good = flagged.filter(|(_, (_, flag))| *flag != Some(Value::Int(1)));
            Ok(unpaired(&good.map_values(|(v, _)| v)))
        },
        _ => return None,
    })
}

/// The function of a `transform` step.
fn one(step: &Step<'_>) -> Result<One, Trouble> {
    let name = step.text(0)?;
    if let Some(f) = plain(name) {
        return Ok(Box::new(f));
    }
    if let (Some(f), Some(number)) = (numbered(name), step.arg(1)) {
        let number = usize::try_from(unsigned(number)?).unwrap_or(usize::MAX);
        return Ok(Box::new(move |rdd, _| f(rdd, number)));
    }
    if let (Some(f), Some(Json::Array(fixed))) = (with_static(name), step.arg(1)) {
        let fixed: Vec<Value> = fixed.iter().map(Value::from_json).collect();
        return Ok(Box::new(move |rdd, _| {
            let fixed = rdd.engine().parallelize(fixed.clone(), parallelism(&rdd));
            f(rdd, fixed)
        }));
    }
    Err(step.unsupported())
}

/// The functions of `transformWith`.
fn two(name: &str) -> Option<Two> {
    Some(match name {
        "union" => |a, b, _| Ok(a.union(&b)),
        "intersection" => |a, b, _| Ok(a.intersection(&b)),
        "subtract" => |a, b, _| Ok(a.subtract(&b)),
        "cartesian" => |a, b, _| Ok(unpaired(&a.cartesian(&b))),
        "join" => |a, b, _| Ok(joined(&pairs(&a).join(&pairs(&b)))),
        "left_join" => |a, b, _| Ok(left_joined(&pairs(&a).left_outer_join(&pairs(&b)))),
        "subtract_by_key" => |a, b, _| Ok(unpaired(&pairs(&a).subtract_by_key(&pairs(&b)))),
        "counts" => |a, b, time| {
            let counts = [millis(time), Value::count(a.count()?), Value::count(b.count()?)];
            Ok(rows(&a, vec![Value::List(counts.into())]))
        },
        _ => return None,
    })
}

/// The functions of `transformAll`.
fn many(name: &str) -> Option<Many> {
    Some(match name {
        "union" => |all, _| match all.first() {
            Some(first) => Ok(first.engine().union(&all)),
            None => Err("there is nothing to unite".into()),
        },
        "counts" => |all, time| {
            let mut counts = vec![millis(time)];
            for rdd in &all {
                counts.push(Value::count(rdd.count()?));
            }
            match all.first() {
                Some(first) => Ok(rows(first, vec![Value::List(counts)])),
                None => Err("there is nothing to count".into()),
            }
        },
        "join_chain" => |all, _| {
            let [a, b, c] = &all[..] else { return Err("three datasets are joined".into()) };
            let all = pairs(a).join(&pairs(b)).join(&pairs(c));
            Ok(all.map(|(k, ((v, w), x))| Value::pair(k, Value::pair(Value::pair(v, w), x))))
        },
        _ => return None,
    })
}
