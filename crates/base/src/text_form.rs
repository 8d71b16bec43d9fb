//! How a record is printed: by `print`, into text files, on the page and in errors.

use std::fmt::{self, Display, Write};

use serde::{Serialize, Serializer, ser};

/// The text form of a record.
///
/// | record | text form |
/// |---|---|
/// | strings, characters | as they are, without quotes |
/// | integers, `true`, `false` | as they are |
/// | floats | the shortest digits that read back as the same number, always with a point or an exponent: `1.0`, `1e21`; `inf`, `NaN` |
/// | `()` | `()` |
/// | tuples, arrays (serde does not tell them apart) | `(a,b)` |
/// | vectors, slices, sets | `[a,b]` |
/// | maps | `{k: v, k: v}` |
/// | structs | `Name(a,b)`, without fields `Name` |
/// | enum variants | `Variant`, `Variant(a,b)` |
/// | options | `Some(a)`, `None` |
/// | bytes, for types that tell serde that they are such | `00ff` |
///
/// It is meant for people and for comparison with what Spark prints; it can't be read back, as strings are
/// not escaped. It never fails: if the record's own `Serialize` does, the text says so.
///
/// ```
/// use waterclock_base::text_form;
///
/// #[derive(serde::Serialize)]
/// struct Click { user: u32, page: Option<&'static str> }
///
/// assert_eq!(text_form(&("water", 2u64)), "(water,2)");
/// assert_eq!(text_form(&vec![1.0, 2.5]), "[1.0,2.5]");
/// assert_eq!(text_form(&Click { user: 7, page: Some("/") }), "Click(7,Some(/))");
/// ```
pub fn text_form<T: Serialize + ?Sized>(record: &T) -> String {
    let mut out = String::new();
    write_text_form(record, &mut out);
    out
}

/// Appends the [`text_form`] of a record.
///
/// ```
/// let mut line = String::from("> ");
/// waterclock_base::write_text_form(&('a', -1), &mut line);
/// assert_eq!(line, "> (a,-1)");
/// ```
pub fn write_text_form<T: Serialize + ?Sized>(record: &T, out: &mut String) {
    let before = out.len();
    if let Err(Failed(why)) = record.serialize(Printer(out)) {
        // What was printed so far might be taken for a whole record.
        out.truncate(before);
        put(out, format_args!("<can't be shown: {why}>"));
    }
}

fn put(out: &mut String, what: impl Display) {
    // Writing to a string does not fail, nor does any `Display` that comes here.
    write!(out, "{what}").unwrap_or_default();
}

struct Printer<'a>(&'a mut String);

/// What the record's own `Serialize` reported.
#[derive(Debug)]
struct Failed(String);

impl Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for Failed {}
impl ser::Error for Failed {
    fn custom<T: Display>(why: T) -> Self {
        Failed(why.to_string())
    }
}

impl<'a> Printer<'a> {
    fn show(self, what: impl Display) -> Result<(), Failed> {
        put(self.0, what);
        Ok(())
    }

    fn items(self, name: &str, open: &str, close: &'static str) -> Items<'a> {
        self.0.push_str(name);
        self.0.push_str(open);
        Items { out: self.0, some: false, close }
    }
}

/// Methods that print a value as `Display` does.
macro_rules! plain {
    ($($method:ident($type:ty)),*) => {$(
        fn $method(self, v: $type) -> Result<(), Failed> {
            self.show(v)
        }
    )*};
}

impl<'a> Serializer for Printer<'a> {
    type Ok = ();
    type Error = Failed;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Items<'a>;
    type SerializeTupleVariant = Items<'a>;
    type SerializeMap = Items<'a>;
    type SerializeStruct = Items<'a>;
    type SerializeStructVariant = Items<'a>;

    plain!(
        serialize_bool(bool),
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64)
    );
    plain!(serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_u64(u64));
    plain!(serialize_i128(i128), serialize_u128(u128));

    fn serialize_char(self, v: char) -> Result<(), Failed> {
        self.0.push(v);
        Ok(())
    }
    fn serialize_str(self, v: &str) -> Result<(), Failed> {
        self.0.push_str(v);
        Ok(())
    }
    fn collect_str<T: Display + ?Sized>(self, v: &T) -> Result<(), Failed> {
        // Unlike the number types, a `Display` of the user can fail.
        write!(self.0, "{v}").map_err(ser::Error::custom)
    }

    // `Debug` is `Display` with the point or the exponent.
    fn serialize_f32(self, v: f32) -> Result<(), Failed> {
        self.show(format_args!("{v:?}"))
    }
    fn serialize_f64(self, v: f64) -> Result<(), Failed> {
        self.show(format_args!("{v:?}"))
    }

    fn serialize_bytes(self, v: &[u8]) -> Result<(), Failed> {
        v.iter().for_each(|byte| put(self.0, format_args!("{byte:02x}")));
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Failed> {
        self.serialize_str("None")
    }
    fn serialize_some<T: Serialize + ?Sized>(self, v: &T) -> Result<(), Failed> {
        self.serialize_newtype_struct("Some", v)
    }
    fn serialize_unit(self) -> Result<(), Failed> {
        self.serialize_str("()")
    }
    fn serialize_unit_struct(self, name: &'static str) -> Result<(), Failed> {
        self.serialize_str(name)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        v: &T,
    ) -> Result<(), Failed> {
        let mut items = self.items(name, "(", ")");
        items.item(v)?;
        items.close()
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Failed> {
        self.serialize_str(variant)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        v: &T,
    ) -> Result<(), Failed> {
        self.serialize_newtype_struct(variant, v)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'a>, Failed> {
        Ok(self.items("", "[", "]"))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Items<'a>, Failed> {
        Ok(self.items("", "{", "}"))
    }
    fn serialize_tuple(self, _: usize) -> Result<Items<'a>, Failed> {
        Ok(self.items("", "(", ")"))
    }
    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Items<'a>, Failed> {
        Ok(self.items(name, "(", ")"))
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items<'a>, Failed> {
        Ok(self.items(variant, "(", ")"))
    }
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Items<'a>, Failed> {
        Ok(self.items(name, "(", ")"))
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items<'a>, Failed> {
        Ok(self.items(variant, "(", ")"))
    }
}

/// The parts of a compound value, with what stands between and after them.
struct Items<'a> {
    out: &'a mut String,
    /// Whether there was one already.
    some: bool,
    close: &'static str,
}

impl Items<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, v: &T) -> Result<(), Failed> {
        self.item_after(",", v)
    }

    fn item_after<T: Serialize + ?Sized>(&mut self, separator: &str, v: &T) -> Result<(), Failed> {
        if std::mem::replace(&mut self.some, true) {
            self.out.push_str(separator);
        }
        v.serialize(Printer(self.out))
    }

    fn close(self) -> Result<(), Failed> {
        self.out.push_str(self.close);
        Ok(())
    }
}

/// The compounds whose parts have no names.
macro_rules! unnamed {
    ($($compound:ident::$method:ident),*) => {$(
        impl ser::$compound for Items<'_> {
            type Ok = ();
            type Error = Failed;
            fn $method<T: Serialize + ?Sized>(&mut self, v: &T) -> Result<(), Failed> {
                self.item(v)
            }
            fn end(self) -> Result<(), Failed> {
                self.close()
            }
        }
    )*};
}
unnamed!(SerializeSeq::serialize_element, SerializeTuple::serialize_element);
unnamed!(SerializeTupleStruct::serialize_field, SerializeTupleVariant::serialize_field);

/// The compounds whose parts have names, which are not shown.
macro_rules! named {
    ($($compound:ident),*) => {$(
        impl ser::$compound for Items<'_> {
            type Ok = ();
            type Error = Failed;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, v: &T) -> Result<(), Failed> {
                self.item(v)
            }
            fn end(self) -> Result<(), Failed> {
                self.close()
            }
        }
    )*};
}
named!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Items<'_> {
    type Ok = ();
    type Error = Failed;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Failed> {
        self.item_after(", ", key)
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, v: &T) -> Result<(), Failed> {
        self.out.push_str(": ");
        v.serialize(Printer(self.out))
    }
    fn end(self) -> Result<(), Failed> {
        self.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Serialize)]
    struct Unit;
    #[derive(Serialize)]
    struct Metres(f64);
    #[derive(Serialize)]
    struct Pair(u8, char);
    #[derive(Serialize)]
    struct Click {
        user: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        page: Option<&'static str>,
    }
    #[derive(Serialize)]
    enum Event {
        Start,
        Wait(u64),
        Move(i32, i32),
        Say { what: &'static str, to: Option<u8> },
    }

    struct Bytes;
    impl Serialize for Bytes {
        fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            s.serialize_bytes(&[0x00, 0x0f, 0xff])
        }
    }

    struct Broken;
    impl Serialize for Broken {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(ser::Error::custom("out of ink"))
        }
    }

    #[test]
    fn scalars() {
        assert_eq!(text_form("a \"b\""), "a \"b\"");
        assert_eq!(text_form(&crate::Text::from("water")), "water");
        assert_eq!(text_form(&'\u{3042}'), "\u{3042}");
        assert_eq!(text_form(&i64::MIN), "-9223372036854775808");
        assert_eq!(text_form(&u128::MAX), "340282366920938463463374607431768211455");
        assert_eq!(text_form(&(true, false)), "(true,false)");
        assert_eq!(text_form(&()), "()");
        assert_eq!(text_form(&Bytes), "000fff");
    }

    #[test]
    fn floats_are_told_from_integers() {
        let floats = [1.0, -0.0, 0.1, 1e15, 1e21, 1.5e-9, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
        assert_eq!(text_form(&floats[..]), "[1.0,-0.0,0.1,1000000000000000.0,1e21,1.5e-9,inf,-inf,NaN]");
        assert_eq!(text_form(&0.1f32), "0.1");
    }

    #[test]
    fn compounds() {
        assert_eq!(text_form(&("a", 1)), "(a,1)");
        assert_eq!(text_form(&("a",)), "(a)");
        assert_eq!(text_form(&("a", (1, [2, 3]))), "(a,(1,(2,3)))");
        assert_eq!(text_form(&("a", vec![(1, "x"), (2, "")])), "(a,[(1,x),(2,)])");
        assert_eq!(text_form(&(Vec::<u8>::new(), BTreeMap::<u8, u8>::new())), "([],{})");
        assert_eq!(text_form(&BTreeMap::from([("a", vec![1]), ("b", vec![])])), "{a: [1], b: []}");
        assert_eq!(text_form(&(Some(Some(1)), None::<u8>)), "(Some(Some(1)),None)");
    }

    #[test]
    fn own_types() {
        assert_eq!(text_form(&(Unit, Metres(2.0), Pair(1, 'c'))), "(Unit,Metres(2.0),Pair(1,c))");
        assert_eq!(text_form(&Click { user: 7, page: Some("/") }), "Click(7,Some(/))");
        assert_eq!(text_form(&Click { user: 7, page: None }), "Click(7)");
        let events = [Event::Start, Event::Wait(9), Event::Move(1, -1), Event::Say { what: "hi", to: None }];
        assert_eq!(text_form(&events[..]), "[Start,Wait(9),Move(1,-1),Say(hi,None)]");
    }

    #[test]
    fn a_failure_is_shown_in_place_of_the_record() {
        let mut out = "before ".to_owned();
        write_text_form(&("a", Broken), &mut out);
        assert_eq!(out, "before <can't be shown: out of ink>");
    }
}
