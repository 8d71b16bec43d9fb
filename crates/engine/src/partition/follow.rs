//! Which partitioner a keyed operation takes when the program names none. Pure.

/// What one input of a keyed operation has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input {
    /// How many partitions.
    pub(crate) partitions: usize,
    /// Over how many partitions its keys are known to be spread, if they are.
    pub(crate) spread_over: Option<usize>,
}

/// The input whose partitioner the result takes; none when it is to be spread by key group over the
/// default number of partitions.
///
/// Spark's rule: among the inputs that are spread by key the one with most partitions (the first of
/// equals), as long as these are more than a tenth of the largest input's, or at least the default.
pub(crate) fn input_to_follow(inputs: &[Input], default: usize) -> Option<usize> {
    let mut best: Option<(usize, usize)> = None;
    for (position, input) in inputs.iter().enumerate() {
        if let Some(over) = input.spread_over
            && over > 0
            && best.is_none_or(|(_, most)| over > most)
        {
            best = Some((position, over));
        }
    }
    let (position, over) = best?;
    let largest = inputs.iter().map(|input| input.partitions).max().unwrap_or(0);
    (largest < over.saturating_mul(10) || default <= over).then_some(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(inputs: &[(usize, Option<usize>)], default: usize) -> Option<usize> {
        let input = |&(partitions, spread_over): &(usize, Option<usize>)| Input { partitions, spread_over };
        input_to_follow(&inputs.iter().map(input).collect::<Vec<_>>(), default)
    }

    #[test]
    fn the_partitioner_with_most_partitions_is_taken_if_it_is_not_far_too_small() {
        assert_eq!(follow(&[], 2), None);
        assert_eq!(follow(&[(8, None), (3, None)], 2), None);
        assert_eq!(follow(&[(8, None), (3, Some(3))], 20), Some(1));
        assert_eq!(follow(&[(3, Some(3)), (5, Some(5)), (5, Some(5))], 20), Some(1));
        // Thirty partitions are ten times three: too many, unless three are the default anyway.
        assert_eq!(follow(&[(30, None), (3, Some(3))], 4), None);
        assert_eq!(follow(&[(29, None), (3, Some(3))], 4), Some(1));
        assert_eq!(follow(&[(30, None), (3, Some(3))], 3), Some(1));
        assert_eq!(follow(&[(0, Some(0))], 3), None);
    }
}
