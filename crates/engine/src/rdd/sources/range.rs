//! `range`: consecutive numbers, made where they are needed.

use std::ops::Range;

use crate::chunk::{Emit, Sink, Step};
use crate::context::Engine;
use crate::rdd::{Compute, Define, Rdd};
use crate::task::TaskCx;

impl Engine {
    /// The numbers of a range in so many partitions of about the same size. They take no memory.
    ///
    /// ```
    /// let rdd = waterclock_engine::Engine::local(2).range(0..1_000_000, 8);
    /// assert_eq!(rdd.reduce(|a, b| a + b)?, 499_999_500_000);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn range(&self, numbers: Range<i64>, partitions: usize) -> Rdd<i64> {
        let count = i128::from(numbers.end) - i128::from(numbers.start);
        let bytes = u64::try_from(count.max(0) * size_of::<i64>() as i128).unwrap_or(u64::MAX);
        Define::new("range", partitions).bytes(bytes).build(self, Numbers { numbers, partitions })
    }
}

struct Numbers {
    numbers: Range<i64>,
    partitions: usize,
}

impl Numbers {
    /// Where a partition begins.
    fn cut(&self, partition: usize) -> i64 {
        let Range { start, end } = self.numbers;
        let count = (i128::from(end) - i128::from(start)).max(0);
        let ahead = count * partition as i128 / self.partitions.max(1) as i128;
        // Between start and end, so it fits.
        i64::try_from(i128::from(start) + ahead).unwrap_or(end)
    }
}

impl Compute<i64> for Numbers {
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<i64>) -> Step {
        let mut emit = Emit::new(out);
        for number in self.cut(partition)..self.cut(partition + 1) {
            if emit.add(number) {
                cx.check()?;
                emit.flush()?;
            }
        }
        emit.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_meet_at_the_extremes_of_the_type() {
        let numbers = Numbers { numbers: i64::MIN..i64::MAX, partitions: 2 };
        assert_eq!([0, 1, 2].map(|partition| numbers.cut(partition)), [i64::MIN, -1, i64::MAX]);
        let none = Numbers { numbers: Range { start: 7, end: 3 }, partitions: 2 };
        assert_eq!([0, 1, 2].map(|partition| none.cut(partition)), [7, 7, 7]);
    }
}
