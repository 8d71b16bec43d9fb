//! Tests of [`Text`] and [`Lent`]. They run under Miri too.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use proptest::prelude::*;

use super::*;

const SAMPLES: [&str; 12] = [
    "",
    "a",
    "a\0",
    "\0",
    "ab",
    "seven77",
    "eight888",
    "fifteen letters",
    "sixteen letters!",
    "f\u{e9}\u{3042}\u{1f600}",
    "a text that is quite a lot longer than what fits in place",
    "a text that is quite a lot longer than what fits in place, and then some",
];

#[test]
fn is_what_it_was_made_of() {
    for s in SAMPLES {
        let text = Text::from(s);
        assert_eq!(text.as_str(), s);
        assert_eq!(text.is_inline(), s.len() <= 15, "{s:?}");
        assert_eq!(text.heap_bytes(), if s.len() <= 15 { 0 } else { s.len() }, "{s:?}");
        assert_eq!(text.clone(), text);
        for same in [
            Text::from(s.to_owned()),
            Text::from(&s.to_owned()),
            Text::from(Box::<str>::from(s)),
            Text::from(Cow::Borrowed(s)),
            Text::from(Cow::<str>::Owned(s.to_owned())),
            Text::from(&text),
            s.parse().unwrap(),
            s.chars().collect(),
            Text::from_utf8(s.as_bytes()).unwrap(),
            Text::clone(&Lent::new(s)),
        ] {
            assert_eq!(same, text);
        }
        assert_eq!(String::from(text), s);
    }
    assert_eq!(Text::from('\u{1f600}'), "\u{1f600}");
    assert_eq!((Text::default(), Text::EMPTY.len()), (Text::EMPTY, 0));
    assert!(Text::from_utf8(b"\xff").is_err());
}

#[test]
fn compares_with_strings_both_ways() {
    let (text, string) = (Text::from("water"), "water".to_owned());
    assert!(text == *"water" && text == "water" && text == string);
    assert!(*"water" == text && "water" == text && string == text);
    assert!(text != "fire");
}

#[test]
fn prints_as_a_str() {
    let text = Text::from("a\"b");
    assert_eq!(format!("{text} {text:?} {text:>5}"), "a\"b \"a\\\"b\"   a\"b");
}

#[test]
fn a_lent_text_is_copied_when_kept_and_looks_up_owned_ones() {
    let block = SAMPLES.join("\n");
    let lines: Vec<Lent> = block.split('\n').map(Lent::new).collect();
    let kept: Vec<Text> = lines.iter().map(|line| (**line).clone()).collect();
    let counts: HashMap<Text, usize> = kept.iter().cloned().zip(0..).collect();
    for (i, line) in lines.iter().enumerate() {
        assert_eq!(counts.get(&**line), Some(&i));
    }
    drop(lines);
    drop(block);
    assert_eq!(kept, SAMPLES);
}

#[test]
fn goes_to_other_threads() {
    let texts = SAMPLES.map(Text::from);
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(texts, SAMPLES));
    });
}

#[test]
fn is_serialised_as_a_string() {
    for s in SAMPLES {
        let (mut bytes, mut same) = (Vec::new(), Vec::new());
        crate::encode(&Text::from(s), &mut bytes).unwrap();
        crate::encode(s, &mut same).unwrap();
        assert_eq!(bytes, same);
        assert_eq!(crate::decode::<Text>(&mut &bytes[..]).unwrap(), s);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn compares_and_hashes_as_str(a in "[ab\0\u{e9}]{0,18}", b in "[ab\0\u{e9}]{0,18}") {
        let (x, y) = (Text::from(a.as_str()), Text::from(b.as_str()));
        prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        prop_assert_eq!(x == y, a == b);
        let state = RandomState::new();
        prop_assert_eq!(state.hash_one(&x) == state.hash_one(&y), a == b);
        prop_assert_eq!(state.hash_one(&x), state.hash_one(&*Lent::new(&a)));
    }

    #[test]
    fn any_text_comes_back(s in any::<String>()) {
        prop_assert_eq!(String::from(Text::from(s.clone())), s);
    }
}
