//! The functions that a case names (GOLDEN.md, section 4). None is for a name outside the vocabulary.

use crate::value::Value::{self, Int, List, Null, Pair};
use crate::value::canonical_list;

/// What `map` and `mapValues` apply.
pub(crate) type Map = fn(Value) -> Value;
/// What `flatMap`, `flatMapValues` and `mapPartitions` apply.
pub(crate) type FlatMap = fn(Value) -> Vec<Value>;
/// What `mapPartitions` applies.
pub(crate) type MapPartition = fn(Vec<Value>) -> Vec<Value>;
/// What `filter` asks.
pub(crate) type Predicate = fn(&Value) -> bool;
/// What reductions and their inverses apply.
pub(crate) type Reduce = fn(Value, Value) -> Value;

/// The three functions of `combineByKey`.
pub(crate) struct Combiner {
    pub(crate) create: Map,
    pub(crate) add: Reduce,
    pub(crate) merge: Reduce,
}

/// The functions of `map` and `mapValues`.
pub(crate) fn map(name: &str) -> Option<Map> {
    Some(match name {
        "identity" => |x| x,
        "inc" => |x| Int(x.int().wrapping_add(1)),
        "double" => |x| Int(x.int().wrapping_mul(2)),
        "negate" => |x| Int(x.int().wrapping_neg()),
        "square" => |x| Int(x.int().wrapping_mul(x.int())),
        "abs" => |x| Int(x.int().wrapping_abs()),
        "mod10" => |x| Int(x.int() % 10),
        "mod10_key" => |x| Value::pair(Int(x.int() % 10), x),
        "mod3_key" => |x| Value::pair(Int(x.int() % 3), x),
        "const_key" => |x| Value::pair(Value::text("k"), x),
        "pair_one" => |x| Value::pair(x, Int(1)),
        "to_string" => |x| Value::text(x.int().to_string()),
        "str_len" => |s| length(&s),
        "length_key" => |s| Value::pair(length(&s), s),
        "first_char_key" => |s| Value::pair(Value::text(s.str().chars().take(1).collect::<String>()), s),
        "reverse" => |s| Value::text(s.str().chars().rev().collect::<String>()),
        "swap" => |pair| {
            let (k, v) = pair.into_pair();
            Value::pair(v, k)
        },
        "key" => |pair| pair.into_pair().0,
        "value" => |pair| pair.into_pair().1,
        "sum_kv" | "pair_sum" => |pair| {
            let (a, b) = pair.into_pair();
            Int(int_or_zero(&a).wrapping_add(int_or_zero(&b)))
        },
        "kv_to_string" => |pair| {
            let (k, v) = pair.into_pair();
            Value::text(format!("{}={}", waterclock::text_form(&k), waterclock::text_form(&v)))
        },
        "list_sum" => |list| Int(sum(&list.into_list())),
        "list_len" => |list| Value::count(list.into_list().len()),
        "fail_on_13" => |x| {
            assert!(x != Int(13), "13 was met");
            x
        },
        _ => return None,
    })
}

fn length(text: &Value) -> Value {
    Value::count(text.str().chars().count())
}

fn int_or_zero(value: &Value) -> i64 {
    if *value == Null { 0 } else { value.int() }
}

/// The sum of integers.
pub(crate) fn sum(values: &[Value]) -> i64 {
    values.iter().fold(0, |sum: i64, value| sum.wrapping_add(value.int()))
}

/// The functions of `flatMap` and `flatMapValues`.
pub(crate) fn flat_map(name: &str) -> Option<FlatMap> {
    Some(match name {
        "split_words" => |s| words(&s).collect(),
        "word_ones" => |s| words(&s).map(|word| Value::pair(word, Int(1))).collect(),
        "chars" => |s| s.str().chars().map(Value::text).collect(),
        "dup" => |x| vec![x.clone(), x],
        "range_abs_mod4" => |x| (0..x.int().wrapping_abs() % 4).map(Int).collect(),
        "drop_negative" => |x| if x.int() < 0 { vec![] } else { vec![x] },
        "list_elems" => Value::into_list,
        "nothing" => |_| vec![],
        _ => return None,
    })
}

fn words(text: &Value) -> impl Iterator<Item = Value> {
    text.str().split(' ').filter(|word| !word.is_empty()).map(Value::text)
}

/// The predicates of `filter` and of inverse windows.
pub(crate) fn predicate(name: &str) -> Option<Predicate> {
    Some(match name {
        "all" => |_| true,
        "none" => |_| false,
        "is_even" => |x| x.int() % 2 == 0,
        "is_odd" => |x| x.int() % 2 != 0,
        "is_positive" => |x| x.int() > 0,
        "is_negative" => |x| x.int() < 0,
        "gt5" => |x| x.int() > 5,
        "nonempty" => |s| !s.str().is_empty(),
        "longer_than_3" => |s| s.str().chars().count() > 3,
        "value_even" => |pair| pair.as_pair().1.int() % 2 == 0,
        "value_positive" => |pair| pair.as_pair().1.int() > 0,
        "value_nonzero" => |pair| pair.as_pair().1.int() != 0,
        "value_gt1" => |pair| pair.as_pair().1.int() > 1,
        "value_nonempty" => |pair| !pair.as_pair().1.str().is_empty(),
        "key_even" => |pair| pair.as_pair().0.int() % 2 == 0,
        "key_not_a" => |pair| *pair.as_pair().0 != Value::text("a"),
        _ => return None,
    })
}

/// The functions of `mapPartitions`.
pub(crate) fn map_partition(name: &str) -> Option<MapPartition> {
    Some(match name {
        "sum" => |rows| vec![Int(sum(&rows))],
        "count" => |rows| vec![Value::count(rows.len())],
        "max_if_any" => |rows| rows.into_iter().max().into_iter().collect(),
        "identity" => |rows| rows,
        "join_words" => |rows| {
            let words: Vec<&str> = rows.iter().map(Value::str).collect();
            vec![Value::text(words.join("|"))]
        },
        _ => return None,
    })
}

/// The functions of reductions, and their inverses.
pub(crate) fn reduce(name: &str) -> Option<Reduce> {
    Some(match name {
        "add" => |a, b| Int(a.int().wrapping_add(b.int())),
        "sub" => |a, b| Int(a.int().wrapping_sub(b.int())),
        "max" => |a, b| Int(a.int().max(b.int())),
        "min" => |a, b| Int(a.int().min(b.int())),
        "xor" => |a, b| Int(a.int() ^ b.int()),
        "concat_sorted" => |a, b| {
            let mut chars: Vec<char> = a.str().chars().chain(b.str().chars()).collect();
            chars.sort_unstable();
            Value::text(chars.into_iter().collect::<String>())
        },
        "remove_sorted" => |a, b| {
            let mut chars: Vec<char> = a.str().chars().collect();
            for gone in b.str().chars() {
                if let Some(at) = chars.iter().position(|c| *c == gone) {
                    chars.remove(at);
                }
            }
            Value::text(chars.into_iter().collect::<String>())
        },
        "fail_on_13_add" => |a, b| {
            let sum = a.int().wrapping_add(b.int());
            assert!(sum != 13, "13 was met");
            Int(sum)
        },
        _ => return None,
    })
}

/// The functions of `combineByKey`.
pub(crate) fn combiner(name: &str) -> Option<Combiner> {
    Some(match name {
        "list" => {
            Combiner { create: |v| List(vec![v]), add: |list, v| joined(list, List(vec![v])), merge: joined }
        }
        "sum_count" => Combiner {
            create: |v| Value::pair(v, Int(1)),
            add: |sums, v| add_both(sums, Value::pair(v, Int(1))),
            merge: add_both,
        },
        "min_max" => Combiner {
            create: |v| Value::pair(v.clone(), v),
            add: |bounds, v| wider(bounds, Value::pair(v.clone(), v)),
            merge: wider,
        },
        _ => return None,
    })
}

/// Both lists together, in canonical order.
pub(crate) fn joined(a: Value, b: Value) -> Value {
    let mut all = a.into_list();
    all.extend(b.into_list());
    canonical_list(all)
}

fn add_both(a: Value, b: Value) -> Value {
    let ((sum_a, count_a), (sum_b, count_b)) = (a.into_pair(), b.into_pair());
    let add = |a: Value, b: Value| Int(a.int().wrapping_add(b.int()));
    Value::pair(add(sum_a, sum_b), add(count_a, count_b))
}

fn wider(a: Value, b: Value) -> Value {
    let ((min_a, max_a), (min_b, max_b)) = (a.into_pair(), b.into_pair());
    Pair(Box::new((min_a.min(min_b), max_a.max(max_b))))
}
