//! A record as a row of a table: one text for each of its parts.

use std::fmt::{self, Display};

use serde::ser::{self, Impossible};
use serde::{Serialize, Serializer};

use crate::text_form::text_form;

/// A record as a row.
///
/// ```
/// use waterclock_base::Row;
///
/// #[derive(serde::Serialize)]
/// struct Click { user: u32, page: &'static str }
///
/// let pair = Row::of(&("water", 2u64), 100);
/// assert_eq!((pair.names, pair.cells), (vec![], vec!["water".to_owned(), "2".to_owned()]));
/// assert_eq!(pair.number, Some(2.0));
/// let click = Row::of(&Click { user: 7, page: "/" }, 100);
/// assert_eq!((click.names, click.cells), (vec!["user", "page"], vec!["7".to_owned(), "/".to_owned()]));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// The names of the parts, where the type has some.
    pub names: Vec<&'static str>,
    /// The [text form](text_form) of each part of a tuple or struct; of anything else one text for all of it.
    pub cells: Vec<String>,
    /// The record itself where it is a number, the second part of a pair where that is one.
    pub number: Option<f64>,
}

impl Row {
    /// The row of a record; longer texts are cut after `most` bytes, and end with an ellipsis then.
    pub fn of<T: Serialize + ?Sized>(record: &T, most: usize) -> Self {
        let parts = Parts { row: Row::default(), most };
        match record.serialize(parts) {
            Ok(row) => row,
            Err(NotSo) => {
                let (cells, number) = (vec![cell(record, most)], number(record));
                Row { names: Vec::new(), cells, number }
            }
        }
    }
}

fn cell<T: Serialize + ?Sized>(value: &T, most: usize) -> String {
    let mut text = text_form(value);
    shorten(&mut text, most);
    text
}

/// Cuts a text that is longer than `most` bytes, at a character's end, and says so by an ellipsis.
///
/// ```
/// let mut text = "a long story".to_owned();
/// waterclock_base::shorten(&mut text, 6);
/// assert_eq!(text, "a long…");
/// ```
pub fn shorten(text: &mut String, most: usize) {
    if text.len() > most {
        let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
}

/// The number that a value is, if it is one.
fn number<T: Serialize + ?Sized>(value: &T) -> Option<f64> {
    value.serialize(Number).ok()
}

/// The value is none of those that were looked for.
#[derive(Debug)]
struct NotSo;

impl Display for NotSo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value is of another kind")
    }
}
impl std::error::Error for NotSo {}
impl ser::Error for NotSo {
    fn custom<T: Display>(_: T) -> Self {
        NotSo
    }
}

/// Methods for values that are none of those that are looked for.
macro_rules! not_so {
    ($ok:ty; $($method:ident($($type:ty),*)),* $(,)?) => {$(
        fn $method(self $(, _: $type)*) -> Result<$ok, NotSo> {
            Err(NotSo)
        }
    )*};
    ($ok:ty) => {
        not_so!($ok; serialize_bool(bool), serialize_char(char), serialize_str(&str), serialize_bytes(&[u8]),
            serialize_none(), serialize_unit(), serialize_unit_struct(&'static str),
            serialize_unit_variant(&'static str, u32, &'static str));

        fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<$ok, NotSo> {
            Err(NotSo)
        }
        fn serialize_newtype_variant<T: Serialize + ?Sized>(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: &T,
        ) -> Result<$ok, NotSo> {
            Err(NotSo)
        }
        fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, NotSo> {
            Err(NotSo)
        }
        fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, NotSo> {
            Err(NotSo)
        }
        fn serialize_tuple_variant(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: usize,
        ) -> Result<Self::SerializeTupleVariant, NotSo> {
            Err(NotSo)
        }
        fn serialize_struct_variant(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: usize,
        ) -> Result<Self::SerializeStructVariant, NotSo> {
            Err(NotSo)
        }
    };
}

/// Takes numbers only.
struct Number;

macro_rules! numbers {
    ($($method:ident($type:ty)),* $(,)?) => {$(
        fn $method(self, v: $type) -> Result<f64, NotSo> {
            Ok(v as f64)
        }
    )*};
}

impl Serializer for Number {
    type Ok = f64;
    type Error = NotSo;
    type SerializeSeq = Impossible<f64, NotSo>;
    type SerializeTuple = Impossible<f64, NotSo>;
    type SerializeTupleStruct = Impossible<f64, NotSo>;
    type SerializeTupleVariant = Impossible<f64, NotSo>;
    type SerializeMap = Impossible<f64, NotSo>;
    type SerializeStruct = Impossible<f64, NotSo>;
    type SerializeStructVariant = Impossible<f64, NotSo>;

    numbers!(
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64),
        serialize_i128(i128),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_u64(u64),
        serialize_u128(u128),
        serialize_f32(f32),
        serialize_f64(f64),
    );
    not_so!(f64);

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, v: &T) -> Result<f64, NotSo> {
        v.serialize(self)
    }
    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, NotSo> {
        Err(NotSo)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, NotSo> {
        Err(NotSo)
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, NotSo> {
        Err(NotSo)
    }
}

/// Takes tuples and structs only, part by part.
struct Parts {
    row: Row,
    most: usize,
}

impl Parts {
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) {
        self.row.cells.push(cell(value, self.most));
        // Only of a pair, and only its second part.
        self.row.number = if self.row.cells.len() == 2 { number(value) } else { None };
    }
}

impl Serializer for Parts {
    type Ok = Row;
    type Error = NotSo;
    type SerializeSeq = Impossible<Row, NotSo>;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Impossible<Row, NotSo>;
    type SerializeMap = Impossible<Row, NotSo>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Impossible<Row, NotSo>;

    not_so!(Row;
        serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64), serialize_i128(i128),
        serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_u64(u64), serialize_u128(u128),
        serialize_f32(f32), serialize_f64(f64));
    not_so!(Row);

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Result<Row, NotSo> {
        Err(NotSo)
    }
    fn serialize_tuple(self, _: usize) -> Result<Self, NotSo> {
        Ok(self)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, NotSo> {
        Ok(self)
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, NotSo> {
        Ok(self)
    }
}

macro_rules! unnamed {
    ($($compound:ident::$method:ident),*) => {$(
        impl ser::$compound for Parts {
            type Ok = Row;
            type Error = NotSo;
            fn $method<T: Serialize + ?Sized>(&mut self, v: &T) -> Result<(), NotSo> {
                self.add(v);
                Ok(())
            }
            fn end(self) -> Result<Row, NotSo> {
                Ok(self.row)
            }
        }
    )*};
}
unnamed!(SerializeTuple::serialize_element, SerializeTupleStruct::serialize_field);

impl ser::SerializeStruct for Parts {
    type Ok = Row;
    type Error = NotSo;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, v: &T) -> Result<(), NotSo> {
        self.row.names.push(name);
        self.add(v);
        Ok(())
    }
    fn end(self) -> Result<Row, NotSo> {
        Ok(self.row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Metres(f64);

    fn cells<T: Serialize>(record: T) -> (Vec<String>, Option<f64>) {
        let row = Row::of(&record, 12);
        (row.cells, row.number)
    }

    #[test]
    fn numbers_and_pairs_with_a_number_can_be_drawn() {
        assert_eq!(cells(3u8), (vec!["3".into()], Some(3.0)));
        assert_eq!(cells(("a", 1.5)), (vec!["a".into(), "1.5".into()], Some(1.5)));
        assert_eq!(cells((1, Metres(2.0))), (vec!["1".into(), "Metres(2.0)".into()], Some(2.0)));
        assert_eq!(cells(("a", "7")), (vec!["a".into(), "7".into()], None));
        assert_eq!(cells(("a", 1, 2)), (vec!["a".into(), "1".into(), "2".into()], None));
        assert_eq!(cells("7"), (vec!["7".into()], None));
        assert_eq!(cells(vec![1, 2]), (vec!["[1,2]".into()], None));
        assert_eq!(cells(Some(1)), (vec!["Some(1)".into()], None));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cells("0123456789abc").0, ["0123456789ab…"]);
        assert_eq!(cells("0123456789aéé").0, ["0123456789a…"]);
    }
}
