//! Where to cut sorted keys, judged by a sample. Pure.

/// The last key of each partition but the last, so that the sample's weight is spread evenly over at most
/// `partitions`; fewer where the sample has fewer records or its keys are too few.
///
/// Spark's rule to the letter, so that small datasets get as many partitions as there.
pub(crate) fn range_bounds<K: Ord>(mut sample: Vec<(K, f64)>, partitions: usize) -> Vec<K> {
    sample.sort_by(|(a, _), (b, _)| a.cmp(b));
    let partitions = partitions.min(sample.len());
    let step = sample.iter().map(|(_, weight)| weight).sum::<f64>() / partitions.max(1) as f64;
    let (mut reached, mut target) = (0.0, step);
    let mut bounds: Vec<K> = Vec::new();
    for (key, weight) in sample {
        if bounds.len() + 1 >= partitions {
            break;
        }
        reached += weight;
        if reached >= target && bounds.last().is_none_or(|last| key > *last) {
            bounds.push(key);
            target += step;
        }
    }
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(keys: &[u32], partitions: usize) -> Vec<u32> {
        range_bounds(keys.iter().map(|&key| (key, 1.0)).collect(), partitions)
    }

    #[test]
    fn keys_are_cut_into_ranges_of_equal_weight() {
        assert_eq!(bounds(&[4, 3, 2, 1, 6, 5], 3), [2, 4]);
        assert_eq!(bounds(&[1, 2], 1), []);
        assert_eq!(bounds(&[], 4), []);
        assert_eq!(bounds(&[1, 2], 0), []);
        assert_eq!(range_bounds(vec![('a', 8.0), ('b', 1.0), ('c', 1.0)], 2), ['a']);
    }

    /// The batches of golden case s-partitions-012, whose partition counts are Spark's.
    #[test]
    fn small_samples_give_as_many_partitions_as_spark() {
        let batches: [&[u32]; 6] = [&[1, 3, 2, 2, 2, 1], &[2, 3], &[1], &[3, 3, 3, 3], &[], &[1, 3, 3, 3]];
        let partitions: Vec<usize> = batches.iter().map(|keys| bounds(keys, 2).len() + 1).collect();
        assert_eq!(partitions, [2, 2, 1, 2, 1, 2]);
    }
}
