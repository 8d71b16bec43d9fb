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
    /// All but the history.
    newest: ShownResult,
    history: VecDeque<Arc<ChartPoint>>,
}

impl Shelf {
    /// A stream is to be shown: its place.
    pub(crate) fn add(&mut self, name: String, stream: StreamId) -> usize {
        let (time, columns, rows, more, history) = Default::default();
        let newest = ShownResult { name, stream, time, columns, rows, more, history };
        self.0.push(Shown { newest, history: VecDeque::new() });
        self.0.len() - 1
    }

    /// What a batch has for it.
    pub(crate) fn put(&mut self, place: usize, time: BatchTime, rows: &[Row], more: bool) {
        let Some(shown) = self.0.get_mut(place) else { return };
        let newest = &mut shown.newest;
        if newest.time.is_some_and(|newest| newest > time) {
            return; // Several jobs may run at the same time.
        }
        newest.time = Some(time);
        if let Some(row) = rows.first() {
            newest.columns = row.names.iter().map(|name| (*name).to_owned()).collect();
        }
        newest.rows = rows.iter().map(|row| row.cells.clone()).collect();
        newest.more = more;
        let last = shown.history.back().map(|point| point.time.as_millis());
        if last.is_none_or(|last| time.as_millis() - last >= APART_MS)
            && let Some(values) = numbers(rows)
        {
            shown.history.push_back(Arc::new(ChartPoint { time, values }));
            if shown.history.len() > POINTS {
                shown.history.pop_front();
            }
        }
    }

    /// The newest results.
    pub(super) fn results(&self) -> Vec<Arc<ShownResult>> {
        let result = |shown: &Shown| {
            let history = shown.history.iter().cloned().collect();
            Arc::new(ShownResult { history, ..shown.newest.clone() })
        };
        self.0.iter().map(result).collect()
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
