//! The steps that bring two streams of pairs together by key (GOLDEN.md, section 3).

use crate::scene::Scene;
use crate::steps::{Step, build};
use crate::stream::{Stream, Trouble};
use crate::value::{Value, canonical_list};

/// The stream after a join; none for another step.
pub(crate) fn step(scene: &mut Scene, stream: &Stream, step: &Step<'_>) -> Result<Option<Stream>, Trouble> {
    if !matches!(step.name, "join" | "leftOuterJoin" | "rightOuterJoin" | "fullOuterJoin" | "cogroup") {
        return Ok(None);
    }
    let (other, options) = (build(scene, step.pipeline(0)?)?.pairs(), step.keyed(1)?);
    let pairs = stream.pairs();
    let joined = match step.name {
        "join" => pairs.join_with(&other, options).map_values(|(v, w)| Value::pair(v, w)),
        "leftOuterJoin" => {
            pairs.left_outer_join_with(&other, options).map_values(|(v, w)| Value::pair(v, or_null(w)))
        }
        "rightOuterJoin" => {
            pairs.right_outer_join_with(&other, options).map_values(|(v, w)| Value::pair(or_null(v), w))
        }
        "fullOuterJoin" => pairs
            .full_outer_join_with(&other, options)
            .map_values(|(v, w)| Value::pair(or_null(v), or_null(w))),
        _ => pairs
            .cogroup_with(&other, options)
            .map_values(|(vs, ws)| Value::pair(canonical_list(vs), canonical_list(ws))),
    };
    Ok(Some(Stream::Pairs(joined)))
}

fn or_null(side: Option<Value>) -> Value {
    side.unwrap_or(Value::Null)
}
