//! The record of every case: integers, strings, nulls, lists and pairs of them (GOLDEN.md, section 1).

use std::cmp::Ordering;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value as Json;
use waterclock::Text;

/// A row, or a part of one.
///
/// The order is the one that sorts ask for: integers as numbers, strings by UTF-16 code units. The order of
/// expectations is another one: [`canonical`].
///
/// For people (and in JSON) it serialises as what it stands for, for machines with its kind before it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(Text),
    List(Vec<Value>),
    Pair(Box<(Value, Value)>),
}

/// [`Value`] as machines read it: the same variants in the same order.
#[derive(Serialize)]
enum Encoded<'a> {
    Null,
    Int(i64),
    Text(&'a Text),
    List(&'a [Value]),
    Pair(&'a (Value, Value)),
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return match self {
                Value::Null => serializer.serialize_none(),
                Value::Int(n) => n.serialize(serializer),
                Value::Text(text) => text.serialize(serializer),
                Value::List(values) => values.serialize(serializer),
                Value::Pair(pair) => pair.serialize(serializer),
            };
        }
        let encoded = match self {
            Value::Null => Encoded::Null,
            Value::Int(n) => Encoded::Int(*n),
            Value::Text(text) => Encoded::Text(text),
            Value::List(values) => Encoded::List(values),
            Value::Pair(pair) => Encoded::Pair(pair),
        };
        encoded.serialize(serializer)
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Value::Int(a), Value::Int(b)) => a.cmp(b),
            (Value::Text(a), Value::Text(b)) => a.encode_utf16().cmp(b.encode_utf16()),
            (Value::List(a), Value::List(b)) => a.cmp(b),
            (Value::Pair(a), Value::Pair(b)) => a.cmp(b),
            _ => self.kind().cmp(&other.kind()),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Value {
    /// A string.
    pub(crate) fn text(text: impl Into<Text>) -> Self {
        Value::Text(text.into())
    }

    /// A pair.
    pub(crate) fn pair(a: Value, b: Value) -> Self {
        Value::Pair(Box::new((a, b)))
    }

    /// A count.
    pub(crate) fn count(n: impl TryInto<i64>) -> Self {
        Value::Int(n.try_into().unwrap_or(i64::MAX))
    }

    /// What a case says; an array of two is a pair.
    pub(crate) fn from_json(json: &Json) -> Self {
        match json {
            Json::String(text) => Value::text(text.as_str()),
            Json::Number(n) => Value::Int(n.as_i64().unwrap_or_default()),
            Json::Array(all) => match &all[..] {
                [a, b] => Value::pair(Value::from_json(a), Value::from_json(b)),
                all => Value::List(all.iter().map(Value::from_json).collect()),
            },
            _ => Value::Null,
        }
    }

    /// The compact JSON text.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| error.to_string())
    }

    /// The integer that it is; anything else fails the task.
    pub(crate) fn int(&self) -> i64 {
        match self {
            Value::Int(n) => *n,
            _ => panic!("{} is no integer", self.json()),
        }
    }

    /// The string that it is.
    pub(crate) fn str(&self) -> &str {
        match self {
            Value::Text(text) => text,
            _ => panic!("{} is no string", self.json()),
        }
    }

    /// The pair that it is.
    pub(crate) fn into_pair(self) -> (Value, Value) {
        match self {
            Value::Pair(pair) => *pair,
            _ => panic!("{} is no pair", self.json()),
        }
    }

    /// The pair that it is, to look at.
    pub(crate) fn as_pair(&self) -> (&Value, &Value) {
        match self {
            Value::Pair(pair) => (&pair.0, &pair.1),
            _ => panic!("{} is no pair", self.json()),
        }
    }

    /// The elements of a list. In a case's own text a list of two can't be told from a pair.
    pub(crate) fn into_list(self) -> Vec<Value> {
        match self {
            Value::List(values) => values,
            Value::Pair(pair) => vec![pair.0, pair.1],
            _ => panic!("{} is no list", self.json()),
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Value::Null => 0,
            Value::Int(_) => 1,
            Value::Text(_) => 2,
            Value::List(_) => 3,
            Value::Pair(_) => 4,
        }
    }
}

/// The values in canonical order: that of the bytes of their compact JSON texts.
pub(crate) fn canonical(mut values: Vec<Value>) -> Vec<Value> {
    values.sort_by_cached_key(Value::json);
    values
}

/// A list in canonical order.
pub(crate) fn canonical_list(values: Vec<Value>) -> Value {
    Value::List(canonical(values))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> Value {
        Value::from_json(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn values_survive_both_encodings() {
        for json in ["null", "-7", "\"é 😀\"", "[]", "[1]", "[\"k\",[1,null]]", "[1,2,[3,\"x\",[]]]"] {
            let value = value(json);
            assert_eq!(value.json(), json);
            let bytes = postcard::to_allocvec(&value).unwrap();
            assert_eq!(postcard::from_bytes::<Value>(&bytes).unwrap(), value);
        }
    }

    #[test]
    fn values_print_as_spark_prints_them() {
        assert_eq!(waterclock::text_form(&value("[\"é\",[-7,1]]")), "(é,(-7,1))");
        assert_eq!(waterclock::text_form(&value("12")), "12");
        assert_eq!(waterclock::text_form(&value("\"a b\"")), "a b");
    }

    #[test]
    fn canonical_order_is_that_of_the_text() {
        let ints = [2, 10, -1].map(Value::Int).to_vec();
        assert_eq!(canonical(ints.clone()), [-1, 10, 2].map(Value::Int));
        let mut sorted = ints;
        sorted.sort();
        assert_eq!(sorted, [-1, 2, 10].map(Value::Int));
        assert!(Value::text("\u{ff5e}") > Value::text("😀"), "UTF-16 order");
    }
}
