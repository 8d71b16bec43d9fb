//! Goal: however a file is cut into pieces, each line of it is read once, and in order.
//! Method: random lines, limits and cuts, against the lines of the whole.

use std::io::Write;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use waterclock_base::world::{World, lock};
use waterclock_base::{BatchTime, Event, RddId, Settings, StreamId};
use waterclock_engine::{Define, Engine};

use super::listing::FoundFile;
use super::pieces::Piece;
use super::{FilesOfBatch, text};

/// Reads a file in pieces cut at these places; what came of each piece, and how many lines were dropped.
fn read(content: &[u8], cuts: &[u64], max_line_bytes: usize) -> (Vec<Vec<String>>, u64) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    let len = content.len() as u64;
    let found = FoundFile { path: file.path().to_owned(), id: 0, modified: BatchTime::ZERO, len };
    let found = Arc::new(found);
    let mut ends: Vec<u64> = cuts.iter().map(|cut| cut % (len + 1)).chain([0, len]).collect();
    ends.sort_unstable();
    ends.dedup();
    let piece = |range| vec![Piece { file: found.clone(), range, counted: Default::default() }];
    let partitions: Vec<_> = ends.windows(2).map(|ends| piece(ends[0]..ends[1])).collect();
    let dropped = Arc::new(Mutex::new(0));
    let counting = dropped.clone();
    let engine = Engine::with_events(Settings::default(), World::real(), move |event| {
        if let Event::RecordsDropped { records, .. } = event {
            *lock(&counting) += records;
        }
    });
    let count = partitions.len();
    let format = Arc::new(text::Lines::new(max_line_bytes));
    let on_lost = super::OnLost::Fail;
    let body = FilesOfBatch { id: RddId(0), stream: StreamId(0), partitions, on_lost, format };
    let rdd = Define::new("test", count).build(&engine, body);
    let lines = rdd.map(|line: waterclock_base::Text| line.to_string());
    let read = lines.collect_partitions().unwrap();
    assert_eq!(lines.count().unwrap(), read.iter().map(|part| part.len() as u64).sum::<u64>());
    let dropped = *lock(&dropped);
    (read, dropped)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn pieces_make_up_the_file(
        content in "(a|\u{e9}|\r\n|\n){0,60}",
        cuts in prop::collection::vec(0u64..200, 0..6),
        max in 1usize..8,
    ) {
        let (read, dropped) = read(content.as_bytes(), &cuts, max);
        let read: Vec<String> = read.into_iter().flatten().collect();
        let (good, long): (Vec<&str>, Vec<&str>) = content.lines().partition(|line| line.len() <= max);
        prop_assert_eq!(read, good);
        prop_assert_eq!(dropped, long.len() as u64);
    }
}

#[test]
fn a_line_belongs_to_the_piece_in_which_it_begins() {
    assert_eq!(read(b"one\ntwo\nsix\n", &[4, 6], 10).0, [vec!["one"], vec!["two"], vec!["six"]]);
    assert_eq!(read(b"one\ntwo\nsix", &[3], 10).0, [vec!["one"], vec!["two", "six"]]);
    assert_eq!(read(b"long line\n", &[2, 5], 10).0, [vec!["long line"], vec![], vec![]]);
}

/// Bad input: a line that is not UTF-8 and one that is too long are counted once, however often they are
/// read.
#[test]
fn bad_lines_are_dropped_and_counted_once() {
    let mut content = b"good\nb\xffd\n".to_vec();
    content.extend(vec![b'x'; 300_000]);
    content.extend(b"\nalso good\n\xff");
    let (read, dropped) = read(&content, &[150_000, 7], 100);
    assert_eq!(read.concat(), ["good", "also good"]);
    assert_eq!(dropped, 3);
}
