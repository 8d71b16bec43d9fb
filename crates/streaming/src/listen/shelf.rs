//! The newest results of the streams that are shown.

use std::collections::VecDeque;
use std::sync::Arc;

use waterclock_base::{BatchTime, ChartPoint, Row, ShownResult, StreamId};

/// Points of a chart that are kept.
const POINTS: usize = 300;
/// Points are at least so many milliseconds apart: shorter batches would fill the chart with a moment.
const APART_MS: i64 = 200;
/// Keys that a chart shows of a batch.
const SERIES: usize = 10;

/// All shown streams, in the order of definition.
#[derive(Default)]
pub(crate) struct Shelf(Vec<Shown>);

struct Shown {
    name: String,
    stream: StreamId,
    newest: Option<Newest>,
    /// Of the newest batch that had a row.
    columns: Vec<String>,
    history: VecDeque<Arc<ChartPoint>>,
}

/// What the newest batch has. Rows become texts of their own when somebody looks, which most batches are over before.
struct Newest {
    time: BatchTime,
    rows: Arc<[Row]>,
    more: bool,
}

impl Shelf {
    /// A stream is to be shown: its place.
    pub(crate) fn add(&mut self, name: String, stream: StreamId) -> usize {
        self.0.push(Shown { name, stream, newest: None, columns: Vec::new(), history: VecDeque::new() });
        self.0.len() - 1
    }

    /// What a batch has for it.
    pub(crate) fn put(&mut self, place: usize, time: BatchTime, rows: &Arc<[Row]>, more: bool) {
        let Some(shown) = self.0.get_mut(place) else { return };
        if shown.newest.as_ref().is_some_and(|newest| newest.time > time) {
            return; // Several jobs may run at the same time.
        }
        if let Some(row) = rows.first()
            && !row.names.iter().eq(&shown.columns)
        {
            shown.columns = row.names.iter().map(|name| (*name).to_owned()).collect();
        }
        let last = shown.history.back().map(|point| point.time.as_millis());
        if last.is_none_or(|last| time.as_millis() - last >= APART_MS)
            && let Some(values) = numbers(rows)
        {
            shown.history.push_back(Arc::new(ChartPoint { time, values }));
            if shown.history.len() > POINTS {
                shown.history.pop_front();
            }
        }
        shown.newest = Some(Newest { time, rows: rows.clone(), more });
    }

    /// The newest results.
    pub(super) fn results(&self) -> Vec<Arc<ShownResult>> {
        self.0.iter().map(|shown| Arc::new(shown.result())).collect()
    }
}

impl Shown {
    fn result(&self) -> ShownResult {
        let newest = self.newest.as_ref();
        let rows = newest.into_iter().flat_map(|newest| newest.rows.iter());
        ShownResult {
            name: self.name.clone(),
            stream: self.stream,
            time: newest.map(|newest| newest.time),
            columns: self.columns.clone(),
            rows: rows.map(|row| row.cells.clone()).collect(),
            more: newest.is_some_and(|newest| newest.more),
            history: self.history.iter().cloned().collect(),
        }
    }
}

/// The largest numbers with their keys; none where records are neither numbers nor keys with numbers.
fn numbers(rows: &[Row]) -> Option<Vec<(String, f64)>> {
    let number = |row: &Row| {
        let key = if row.cells.len() == 2 { row.cells[0].clone() } else { String::new() };
        row.number.filter(|number| number.is_finite()).map(|number| (key, number))
    };
    let mut numbers: Vec<(String, f64)> = rows.iter().filter_map(number).collect();
    numbers.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    numbers.truncate(SERIES);
    (!numbers.is_empty()).then_some(numbers)
}
