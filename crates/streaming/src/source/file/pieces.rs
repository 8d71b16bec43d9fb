//! Files into pieces, pieces into partitions: a pure rule.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::listing::FoundFile;
use crate::block::gather;

/// A file is not cut into pieces that are smaller.
const LEAST_BYTES: u64 = 4 << 20;

/// A piece by Spark's rule: what its local file system calls a block.
const SPARK_BYTES: u64 = 32 << 20;

/// A part of a file: the records that begin in it.
pub(super) struct Piece {
    pub(super) file: Arc<FoundFile>,
    pub(super) range: Range<u64>,
    /// How many of its lines were counted as dropped, because they are not UTF-8 and because they are too
    /// long. It is read again when a task is tried again or a dataset computed twice.
    pub(super) counted: [AtomicU64; 2],
}

/// Cuts files at multiples of `grain` (none: not at all) and gathers the pieces, in order, into at most `most`
/// partitions; without a `most`, Spark's rule: one for each file and each of its blocks.
pub(super) fn partitions(files: &[FoundFile], grain: Option<u64>, most: Option<usize>) -> Vec<Vec<Piece>> {
    let mut pieces = Vec::new();
    for file in files {
        let target = match most {
            None => SPARK_BYTES,
            Some(most) => file.len.div_ceil(most.max(1) as u64).max(LEAST_BYTES),
        };
        let file = Arc::new(file.clone());
        for range in cuts(file.len, target, grain) {
            pieces.push(Piece { file: file.clone(), range, counted: Default::default() });
        }
    }
    let bytes: Vec<u64> = pieces.iter().map(|piece| piece.range.end - piece.range.start).collect();
    let runs = gather(&bytes, most.unwrap_or(usize::MAX));
    let mut pieces = pieces.into_iter();
    runs.into_iter().map(|run| pieces.by_ref().take(run.len()).collect()).collect()
}

/// Ranges of about `target` bytes that make up `len`, cut at multiples of `grain`.
fn cuts(len: u64, target: u64, grain: Option<u64>) -> Vec<Range<u64>> {
    let step = match grain {
        None => len.max(1),
        Some(grain) => target.max(1).next_multiple_of(grain.max(1)),
    };
    let count = len.div_ceil(step);
    (0..count).map(|i| i * step..((i + 1) * step).min(len)).collect()
}

#[cfg(test)]
mod tests {
    use waterclock_base::BatchTime;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn file(len: u64) -> FoundFile {
        FoundFile { path: "f".into(), id: 0, modified: BatchTime::ZERO, len }
    }

    fn sizes(lens: &[u64], grain: Option<u64>, most: Option<usize>) -> Vec<Vec<u64>> {
        let files: Vec<FoundFile> = lens.iter().copied().map(file).collect();
        let all = partitions(&files, grain, most);
        all.iter().map(|part| part.iter().map(|p| p.range.end - p.range.start).collect()).collect()
    }

    #[test]
    fn a_large_file_is_shared_by_all_and_small_ones_are_gathered() {
        assert_eq!(sizes(&[10 * MIB], Some(1), Some(2)), [[5 * MIB], [5 * MIB]]);
        assert_eq!(sizes(&[5 * MIB], Some(1), Some(2)), [[4 * MIB], [MIB]]);
        assert_eq!(sizes(&[MIB], Some(1), Some(2)), [[MIB]]);
        assert_eq!(sizes(&[MIB; 4], Some(1), Some(2)), [[MIB, MIB], [MIB, MIB]]);
        assert_eq!(sizes(&[100 * MIB], None, Some(2)), [[100 * MIB]]);
        assert!(sizes(&[], Some(1), Some(2)).is_empty());
    }

    #[test]
    fn sparks_rule_is_a_partition_for_each_file_and_block() {
        assert_eq!(sizes(&[1, 2, 3], Some(1), None), [[1], [2], [3]]);
        assert_eq!(sizes(&[70 * MIB], Some(1), None), [[32 * MIB], [32 * MIB], [6 * MIB]]);
    }

    #[test]
    fn records_of_a_fixed_length_are_not_cut() {
        assert_eq!(cuts(100, 10, Some(7)), [0..14, 14..28, 28..42, 42..56, 56..70, 70..84, 84..98, 98..100]);
        assert_eq!(cuts(5, 10, Some(7)), std::slice::from_ref(&(0..5)));
    }
}
