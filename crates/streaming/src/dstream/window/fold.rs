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
    made: Mutex<BTreeMap<Piece, Made<T>>>,
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
        WindowFold { parent, bounds, merger, grain, made: Mutex::default() }
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
        if let Some(made) = lock(&self.made).get(&piece) {
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
        let made = Made { after, rdd: rdd.clone(), merged };
        lock(&self.made).insert(piece, made);
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
        let horizon = upto - self.bounds.length;
        let mut useless = Vec::new();
        {
            let mut made = lock(&self.made);
            let begins_too_early: Vec<Piece> =
                made.iter().filter(|(_, made)| made.after <= horizon).map(|(piece, _)| *piece).collect();
            let halves = made.iter().filter_map(|(piece, made)| needless_half(*piece, made));
            let halves: Vec<Piece> = halves.collect();
            for piece in begins_too_early.into_iter().chain(halves) {
                useless.extend(made.remove(&piece));
            }
        }
        // Datasets are let go outside the lock: freeing them may take a while.
        for made in useless.into_iter().filter(|made| made.merged) {
            made.rdd.iter().for_each(Rdd::unpersist);
        }
    }
}

/// The earlier half of a piece that is kept: no later window contains that half without the whole piece.
fn needless_half<T: Record>(piece: Piece, made: &Made<T>) -> Option<Piece> {
    let is_kept = made.merged && made.rdd.as_ref()?.lineage().is_kept();
    if is_kept { piece.halves().map(|[earlier, _]| earlier) } else { None }
}
