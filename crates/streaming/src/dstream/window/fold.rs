//! The datasets of a window merged into one, so that a slide costs a few merges, however long the window is.
//!
//! Merging every batch of a window anew would cost the whole window at every slide. Instead runs of batches
//! are merged once into pieces (see [`pieces`](super::pieces)) which many windows share: a slide makes about
//! one new piece, and the window is the merge of a few pieces. Nothing is ever taken out of a merged
//! dataset, so any associative function will do; and a window never reads a dataset that is not in it, so
//! a batch that failed harms the windows that contain it and no others, and no lineage reaches back farther
//! than its window.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use waterclock_base::world::lock;
use waterclock_base::{BatchTime, Record, Result};
use waterclock_engine::{Engine, Rdd, StorageLevel};

use super::bounds::Bounds;
use super::pieces::{Piece, common_divisor, cover};
use super::sliding::datasets;
use crate::graph::{AnyNode, BatchCx, StreamCompute, StreamNode};

/// A window of so few leaves is merged from them directly.
const FEW_LEAVES: u64 = 4;

/// Merges datasets of consecutive times.
pub(super) trait Merger<T: Record>: Send + Sync + 'static {
    /// All of `parts`, which come oldest first, as one dataset; an empty one of none. `whole` tells a whole
    /// window from a piece of one.
    fn merge(&self, engine: &Engine, parts: &[Rdd<T>], whole: bool) -> Rdd<T>;
}

/// A stream whose datasets are the parent's of a window, merged.
pub(super) struct WindowFold<T: Record, M> {
    parent: Arc<StreamNode<T>>,
    bounds: Bounds,
    merger: M,
    /// The parent's batches in a leaf: as many as begins and ends of windows are apart.
    grain: u64,
    pieces: Mutex<Pieces<T>>,
}

/// What was made and may be read again.
struct Pieces<T: Record> {
    /// By first leaf and level: in order of time.
    made: BTreeMap<(u64, u32), Made<T>>,
    /// Merged pieces whose earlier halves are still there.
    with_halves: Vec<Piece>,
}

impl<T: Record> Default for Pieces<T> {
    fn default() -> Self {
        Pieces { made: BTreeMap::new(), with_halves: Vec::new() }
    }
}

/// A piece that was made.
struct Made<T: Record> {
    /// The time just before the piece.
    after: BatchTime,
    /// None where the parent had no dataset in all its time.
    rdd: Option<Rdd<T>>,
    /// Whether it was merged here; else it is one of the parent's datasets, or another piece.
    merged: bool,
}

impl<T: Record, M: Merger<T>> WindowFold<T, M> {
    pub(super) fn new(parent: Arc<StreamNode<T>>, bounds: Bounds, merger: M) -> Self {
        let grain = common_divisor(bounds.batches(), bounds.batches_per_slide()).max(1);
        if grain == 1 && bounds.batches() > 1 {
            // Its datasets are leaves, which several windows read.
            parent.persist_by_default(StorageLevel::MemoryOnly);
        }
        WindowFold { parent, bounds, merger, grain, pieces: Mutex::default() }
    }

    /// What the window at `t` is merged from.
    fn parts(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Vec<Rdd<T>>> {
        let leaves = self.bounds.batches() / self.grain;
        if leaves <= 1 {
            return datasets(&self.parent, self.bounds.times(t, cx.zero), cx);
        }
        let slide = self.bounds.slide.as_millis().max(1);
        let slides = u64::try_from(t.since(cx.zero).as_millis() / slide).unwrap_or(u64::MAX);
        let end = slides.saturating_mul(self.bounds.batches_per_slide()) / self.grain;
        let begin = end.saturating_sub(leaves);
        let pieces =
            if leaves <= FEW_LEAVES { (begin..end).map(Piece::leaf).collect() } else { cover(begin, end) };
        pieces.into_iter().filter_map(|piece| self.piece(piece, cx).transpose()).collect()
    }

    /// The dataset of a piece; none where the parent has none in all its time.
    fn piece(&self, piece: Piece, cx: &BatchCx<'_>) -> Result<Option<Rdd<T>>> {
        if let Some(made) = lock(&self.pieces).made.get(&piece.place()) {
            return Ok(made.rdd.clone());
        }
        // Not under the lock: the parent may call the program's own functions.
        let parts = match piece.halves() {
            Some([earlier, later]) => {
                self.piece(earlier, cx)?.into_iter().chain(self.piece(later, cx)?).collect()
            }
            None => self.leaf(piece.index, cx)?,
        };
        let merged = parts.len() > 1;
        let rdd = if merged {
            Some(self.merger.merge(cx.engine, &parts, false).persist(StorageLevel::MemoryOnly)?)
        } else {
            parts.into_iter().next()
        };
        let after = self.time_after(piece.first_leaf() * self.grain, cx.zero);
        lock(&self.pieces).add(piece, Made { after, rdd: rdd.clone(), merged });
        Ok(rdd)
    }

    fn leaf(&self, index: u64, cx: &BatchCx<'_>) -> Result<Vec<Rdd<T>>> {
        let begin = index * self.grain;
        let times = (begin + 1..=begin + self.grain).map(|batch| self.time_after(batch, cx.zero));
        datasets(&self.parent, times, cx)
    }

    /// The time that is so many of the parent's slides after zero.
    fn time_after(&self, batches: u64, zero: BatchTime) -> BatchTime {
        let step = u64::try_from(self.parent.slide().as_millis()).unwrap_or(u64::MAX);
        zero + std::time::Duration::from_millis(batches.saturating_mul(step))
    }
}

impl<T: Record, M: Merger<T>> StreamCompute<T> for WindowFold<T, M> {
    fn compute(&self, t: BatchTime, cx: &BatchCx<'_>) -> Result<Option<Rdd<T>>> {
        Ok(Some(self.merger.merge(cx.engine, &self.parts(t, cx)?, true)))
    }

    fn forget(&self, upto: BatchTime) {
        let useless = lock(&self.pieces).take_useless(upto - self.bounds.length);
        // Datasets are let go outside the lock: freeing them may take a while.
        for made in useless.into_iter().filter(|made| made.merged) {
            made.rdd.iter().for_each(Rdd::unpersist);
        }
    }
}

impl<T: Record> Pieces<T> {
    fn add(&mut self, piece: Piece, made: Made<T>) {
        if made.merged && piece.halves().is_some() {
            self.with_halves.push(piece);
        }
        self.made.insert(piece.place(), made);
    }

    /// Takes out what no window that begins after `horizon` can contain, and the earlier halves of pieces
    /// that are kept: no later window contains such a half without the whole piece.
    fn take_useless(&mut self, horizon: BatchTime) -> Vec<Made<T>> {
        let mut useless = Vec::new();
        while let Some(first) = self.made.first_entry() {
            if first.get().after > horizon {
                break;
            }
            useless.push(first.remove());
        }
        let made = &mut self.made;
        self.with_halves.retain(|piece| {
            let Some(whole) = made.get(&piece.place()) else { return false };
            let is_kept = whole.rdd.as_ref().is_some_and(|rdd| rdd.lineage().is_kept());
            if let (true, Some([earlier, _])) = (is_kept, piece.halves()) {
                useless.extend(made.remove(&earlier.place()));
            }
            !is_kept
        });
        useless
    }
}
