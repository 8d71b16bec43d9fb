//! The functions of `updateStateByKey` and `mapWithState` that a case names (GOLDEN.md, section 4).

use waterclock::{BatchTime, State};

use crate::functions::{joined, sum};
use crate::value::Value::{self, Int, List};

/// What `updateStateByKey` applies to the values of a key and its state.
pub(crate) type Update = fn(Vec<Value>, Option<Value>) -> Option<Value>;
/// What `mapWithState` applies to a key, its value (none on a time-out) and its state.
pub(crate) type Track = fn(BatchTime, &Value, Option<Value>, &mut State<'_, Value>) -> Option<Value>;

/// The functions of `updateStateByKey`.
pub(crate) fn update(name: &str) -> Option<Update> {
    Some(match name {
        "sum" => |values, state| Some(added(state.as_ref(), &values)),
        "count_state" => |values, state| {
            let gone = values.contains(&Int(-1));
            (!gone).then(|| added(state.as_ref(), &values))
        },
        "count_values" => |values, state| Some(added(state.as_ref(), &[Value::count(values.len())])),
        "max_or_drop" => |values, state| match values.is_empty() {
            true => None,
            false => values.into_iter().chain(state).max(),
        },
        "idle_drop2" => |values, state| {
            let (sum, idle) = state.map_or((Int(0), Int(0)), Value::into_pair);
            let idle = if values.is_empty() { idle.int() + 1 } else { 0 };
            (idle < 2).then(|| Value::pair(added(Some(&sum), &values), Int(idle)))
        },
        "collect" => |values, state| Some(joined(state.unwrap_or_else(|| List(Vec::new())), List(values))),
        "batches_seen" => |_, state| Some(added(state.as_ref(), &[Int(1)])),
        "always_none" => |_, _| None,
        "fail_on_13" => |values, state| {
            assert!(!values.contains(&Int(13)), "13 was met");
            Some(added(state.as_ref(), &values))
        },
        _ => return None,
    })
}

/// The state, or 0, with the values added.
fn added(state: Option<&Value>, values: &[Value]) -> Value {
    Int(state.map_or(0, Value::int).wrapping_add(sum(values)))
}

/// The functions of `mapWithState`.
pub(crate) fn track(name: &str) -> Option<Track> {
    Some(match name {
        "running_sum" => |_, key, value, state| match value {
            Some(value) => Some(Value::pair(key.clone(), add_to(state, value))),
            None => Some(timed_out(key, state)),
        },
        "tagged_sum" => tagged_sum,
        "remove_on_neg1" => remove_on_neg1,
        "new_keys_only" => |_, key, value, state| {
            let is_new = !state.exists();
            value?;
            add_to(state, Int(1));
            is_new.then(|| key.clone())
        },
        "count_silent" => |_, _, value, state| {
            value?;
            add_to(state, Int(1));
            None
        },
        "last_time" => |time, key, value, state| match value {
            Some(_) => {
                let before = state.get().cloned().unwrap_or(Int(-1));
                state.update(millis(time));
                Some(List(vec![key.clone(), before, millis(time)]))
            }
            None => Some(tagged(key, "timeout", held(state), time)),
        },
        "read_only" => |time, key, value, state| match (value, state.get().cloned()) {
            (None, _) => Some(tagged(key, "timeout", held(state), time)),
            (Some(_), Some(known)) => Some(tagged(key, "read", known, time)),
            (Some(value), None) => {
                state.update(value.clone());
                Some(tagged(key, "created", value, time))
            }
        },
        "update_on_timeout" => |_, key, _, state| {
            state.update(Int(1));
            Some(key.clone())
        },
        "fail_on_13" => |_, key, value, state| {
            assert!(value != Some(Int(13)), "13 was met");
            Some(Value::pair(key.clone(), add_to(state, value?)))
        },
        _ => return None,
    })
}

fn tagged_sum(
    time: BatchTime,
    key: &Value,
    value: Option<Value>,
    state: &mut State<'_, Value>,
) -> Option<Value> {
    let Some(value) = value else { return Some(tagged(key, "timeout", held(state), time)) };
    let tag = if state.exists() { "update" } else { "new" };
    let sum = add_to(state, value);
    Some(tagged(key, tag, sum, time))
}

fn remove_on_neg1(
    _: BatchTime,
    key: &Value,
    value: Option<Value>,
    state: &mut State<'_, Value>,
) -> Option<Value> {
    let (tag, shown) = match (value, state.get().cloned()) {
        (None, _) => ("timeout", held(state)),
        (Some(Int(-1)), Some(known)) => {
            state.remove();
            ("removed", known)
        }
        (Some(Int(-1)), None) => ("absent", Int(0)),
        (Some(value), _) => ("sum", add_to(state, value)),
    };
    Some(List(vec![key.clone(), Value::text(tag), shown]))
}

/// Adds to the state, or to 0.
fn add_to(state: &mut State<'_, Value>, value: Value) -> Value {
    let sum = added(state.get(), &[value]);
    state.update(sum.clone());
    sum
}

/// The state of a key that has some.
fn held(state: &State<'_, Value>) -> Value {
    state.get().cloned().unwrap_or(Value::Null)
}

fn timed_out(key: &Value, state: &State<'_, Value>) -> Value {
    Value::pair(key.clone(), Value::pair(Value::text("timeout"), held(state)))
}

fn tagged(key: &Value, tag: &str, value: Value, time: BatchTime) -> Value {
    List(vec![key.clone(), Value::text(tag), value, millis(time)])
}

fn millis(time: BatchTime) -> Value {
    Int(time.as_millis())
}
