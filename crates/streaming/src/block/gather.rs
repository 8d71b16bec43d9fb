//! Which blocks of a batch make one partition: a pure rule.

use std::ops::Range;

/// Gathers the blocks of a batch into at most `max` partitions, each a run of neighbouring blocks, so that
/// the order of the records stays, and the partitions are of about the same size.
///
/// `bytes` are the sizes of the blocks in order; the answer are the runs, none of them empty. With no more
/// blocks than `max` every block is a partition of its own; a `max` of 0 counts as 1.
///
/// ```
/// use waterclock_streaming::gather;
/// assert_eq!(gather(&[10, 10, 10, 30], 2), [0..3, 3..4]);
/// assert_eq!(gather(&[10, 10], 4), [0..1, 1..2]);
/// ```
pub fn gather(bytes: &[u64], max: usize) -> Vec<Range<usize>> {
    if bytes.len() <= max {
        return (0..bytes.len()).map(|block| block..block + 1).collect();
    }
    // A block belongs to the partition in whose share of all bytes its middle lies. An empty block still
    // has a weight, so that its middle is defined. Twice the bytes keep the middles whole.
    let weight = |bytes: &u64| u128::from(*bytes) * 2 + 2;
    let total: u128 = bytes.iter().map(weight).sum();
    let mut partitions: Vec<Range<usize>> = Vec::with_capacity(max);
    let (mut before, mut current) = (0, None);
    for (block, size) in bytes.iter().enumerate() {
        let middle = before + weight(size) / 2;
        before += weight(size);
        let share = middle * max.max(1) as u128 / total;
        match partitions.last_mut() {
            Some(partition) if current == Some(share) => partition.end = block + 1,
            _ => partitions.push(block..block + 1),
        }
        current = Some(share);
    }
    partitions
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn blocks_are_gathered_by_bytes() {
        assert_eq!(gather(&[], 3), []);
        assert_eq!(gather(&[5, 5, 5, 5], 2), [0..2, 2..4]);
        assert_eq!(gather(&[1, 1, 1, 97], 2), [0..3, 3..4]);
        assert_eq!(gather(&[0, 0, 0, 0, 0, 0], 3), [0..2, 2..4, 4..6]);
        assert_eq!(gather(&[7, 7, 7], 0), std::slice::from_ref(&(0..3)));
        assert_eq!(gather(&[u64::MAX; 3], 1), std::slice::from_ref(&(0..3)));
    }

    proptest! {
        #[test]
        fn partitions_are_few_ordered_complete_and_balanced(
            bytes in prop::collection::vec(0u64..1000, 0..60),
            max in 1usize..9,
        ) {
            let partitions = gather(&bytes, max);
            prop_assert!(partitions.len() <= max);
            prop_assert!(partitions.iter().all(|partition| !partition.is_empty()));
            let order: Vec<usize> = partitions.iter().cloned().flatten().collect();
            prop_assert_eq!(order, (0..bytes.len()).collect::<Vec<_>>());
            // No partition exceeds its share by more than half a block at each end.
            let weight = |block: usize| bytes[block] + 1;
            let total: u64 = (0..bytes.len()).map(weight).sum();
            let largest = (0..bytes.len()).map(weight).max().unwrap_or(0);
            if bytes.len() > max {
                for partition in partitions {
                    prop_assert!(partition.map(weight).sum::<u64>() <= total / max as u64 + 1 + largest);
                }
            }
        }
    }
}
