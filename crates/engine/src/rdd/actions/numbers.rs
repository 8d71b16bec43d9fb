//! `sum`, `mean`, `stats`, `histogram`: datasets of numbers.

use std::iter::Sum;
use std::panic::Location;

use serde::{Deserialize, Serialize};
use waterclock_base::{Data, Error, Record, Result};

use super::Each;
use crate::chunk::{Sink, Step};
use crate::job::{at_driver, run_action_at};
use crate::rdd::{Asked, Rdd};
use crate::task::TaskCx;

/// A primitive number: what [`stats`](Rdd::stats) and its kin take.
pub trait Number: Record + Copy {
    /// The nearest floating-point number.
    fn to_f64(self) -> f64;
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Number for $number {
            fn to_f64(self) -> f64 {
                self as f64
            }
        }
    )*};
}
numbers!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize f32 f64);

/// Count, mean, spread and extremes of numbers, gathered in one pass without loss of precision for large
/// means (Welford's method, joined by Chan's).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    count: u64,
    mean: f64,
    /// The sum of the squared distances from the mean.
    spread: f64,
    min: f64,
    max: f64,
}

impl Default for Stats {
    fn default() -> Self {
        Stats { count: 0, mean: 0.0, spread: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl Stats {
    /// Adds a number.
    pub fn add(&mut self, number: f64) {
        self.count += 1;
        let distance = number - self.mean;
        self.mean += distance / self.count as f64;
        self.spread += distance * (number - self.mean);
        self.min = self.min.min(number);
        self.max = self.max.max(number);
    }

    /// Adds all numbers that another one gathered.
    pub fn merge(&mut self, other: &Stats) {
        if other.count == 0 {
            return;
        }
        let (mine, theirs) = (self.count as f64, other.count as f64);
        let distance = other.mean - self.mean;
        self.mean += distance * theirs / (mine + theirs);
        self.spread += other.spread + distance * distance * mine * theirs / (mine + theirs);
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// How many numbers.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum.
    pub fn sum(&self) -> f64 {
        self.mean * self.count as f64
    }

    /// Their mean; not a number if there are none.
    pub fn mean(&self) -> f64 {
        if self.count == 0 { f64::NAN } else { self.mean }
    }

    /// The least; infinity if there are none.
    pub fn min(&self) -> f64 {
        self.min
    }

    /// The greatest; minus infinity if there are none.
    pub fn max(&self) -> f64 {
        self.max
    }

    /// Their variance, taken as all that there are; not a number if there are none.
    pub fn variance(&self) -> f64 {
        if self.count == 0 { f64::NAN } else { self.spread / self.count as f64 }
    }

    /// Their variance, taken as a sample of more; not a number for fewer than two.
    pub fn sample_variance(&self) -> f64 {
        if self.count < 2 { f64::NAN } else { self.spread / (self.count - 1) as f64 }
    }

    /// The square root of the [`variance`](Stats::variance).
    pub fn stdev(&self) -> f64 {
        self.variance().sqrt()
    }

    /// The square root of the [`sample_variance`](Stats::sample_variance).
    pub fn sample_stdev(&self) -> f64 {
        self.sample_variance().sqrt()
    }
}

/// # Numbers
impl<T: Data> Rdd<T> {
    /// The sum of all records, added up partition by partition; that of nothing if there are none.
    ///
    /// # Errors
    /// The error of the task that failed, as of a sum that overflows where the program checks for that.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// assert_eq!(Engine::local(2).parallelize(vec![1.5, 2.5], 2).sum()?, 4.0);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn sum(&self) -> Result<T>
    where
        T: Record,
        T: Sum<T>,
    {
        let by = Asked { operator: "sum", site: Location::caller() };
        let parts = run_action_at(by, self, self.all_partitions(), |partition, rdd, cx| {
            let mut summing = Summing { cx, sum: None };
            rdd.compute(partition, cx, &mut summing)?;
            Ok(summing.sum)
        })?;
        at_driver(by, || parts.into_iter().flatten().sum())
    }
}

/// Adds up a chunk at a time.
struct Summing<'a, T> {
    cx: &'a TaskCx,
    sum: Option<T>,
}

impl<T: Record + Sum<T>> Sink<T> for Summing<'_, T> {
    fn push(&mut self, chunk: &mut Vec<T>) -> Step {
        self.cx.check()?;
        self.sum = Some(self.sum.take().into_iter().chain(chunk.drain(..)).sum());
        Ok(())
    }
}

impl<T: Data> Rdd<T> {
    /// The mean of all records.
    ///
    /// # Errors
    /// [`Error::Action`](waterclock_base::Error::Action) when there are none; the error of the task that
    /// failed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// assert_eq!(Engine::local(2).parallelize(vec![1, 2, 6], 2).mean()?, 3.0);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn mean(&self) -> Result<f64>
    where
        T: Number,
    {
        let stats = self.stats_at(Asked { operator: "mean", site: Location::caller() })?;
        if stats.count() == 0 { Err(super::reduce::no_records("mean")) } else { Ok(stats.mean()) }
    }

    /// Count, mean, spread and extremes of all records.
    ///
    /// # Errors
    /// The error of the task that failed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let stats = Engine::local(2).parallelize(vec![2, 4, 4, 4, 5, 5, 7, 9], 3).stats()?;
    /// assert_eq!((stats.count(), stats.mean(), stats.stdev()), (8, 5.0, 2.0));
    /// assert_eq!((stats.min(), stats.max()), (2.0, 9.0));
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn stats(&self) -> Result<Stats>
    where
        T: Number,
    {
        self.stats_at(Asked { operator: "stats", site: Location::caller() })
    }

    fn stats_at(&self, by: Asked) -> Result<Stats>
    where
        T: Number,
    {
        let parts = run_action_at(by, self, self.all_partitions(), |partition, rdd, cx| {
            let mut stats = Stats::default();
            let mut each = Each::new(cx, |number: T| {
                stats.add(number.to_f64());
                Ok(())
            });
            rdd.compute(partition, cx, &mut each)?;
            Ok(stats)
        })?;
        let mut all = Stats::default();
        parts.iter().for_each(|part| all.merge(part));
        Ok(all)
    }

    /// How many records are in each of so many equally wide ranges between the least and the greatest: the
    /// edges of the ranges, one more than there are ranges, and the counts.
    ///
    /// A range includes its lower edge, the last one its upper edge, too. Where all records are equal there
    /// is one range. The dataset is computed twice, unless it is [`persist`](Rdd::persist)ed.
    ///
    /// # Errors
    /// [`Error::Action`](waterclock_base::Error::Action) when no range is asked for, there is no record, or
    /// the distance from the least to the greatest is not finite; the error of the task that failed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let (edges, counts) = Engine::local(2).parallelize(vec![0, 1, 2, 5, 10], 2).histogram(2)?;
    /// assert_eq!((edges, counts), (vec![0.0, 5.0, 10.0], vec![3, 2]));
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn histogram(&self, ranges: usize) -> Result<(Vec<f64>, Vec<u64>)>
    where
        T: Number,
    {
        let by = Asked { operator: "histogram", site: Location::caller() };
        let stats = self.stats_at(by)?;
        let (min, max) = (stats.min(), stats.max());
        if ranges == 0 || !(max - min).is_finite() || stats.sum().is_nan() {
            let why = format!("{ranges} ranges can't divide the numbers from {min} to {max}");
            return Err(Error::Action { call: by.operator, why });
        }
        let ranges = if min == max { 1 } else { ranges };
        let mut edges: Vec<f64> = (0..ranges).map(|i| min + (max - min) * i as f64 / ranges as f64).collect();
        edges.push(max);
        let counts = self.count_between(by, edges.clone())?;
        Ok((edges, counts))
    }

    /// How many records are between each edge and the next: the lower edge included, of the last range the
    /// upper one, too. What is outside of all is not counted.
    ///
    /// # Errors
    /// [`Error::Action`](waterclock_base::Error::Action) when there are fewer than two edges, or they do not
    /// ascend; the error of the task that failed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let ages = Engine::local(2).parallelize(vec![3, 18, 40, 65, 99], 2);
    /// assert_eq!(ages.histogram_between(vec![0.0, 18.0, 65.0])?, [1, 3]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn histogram_between(&self, edges: Vec<f64>) -> Result<Vec<u64>>
    where
        T: Number,
    {
        let by = Asked { operator: "histogram_between", site: Location::caller() };
        if edges.len() < 2 || !edges.is_sorted_by(|edge, next| edge < next) {
            let why = format!("the edges must be at least two and ascend, but they are {edges:?}");
            return Err(Error::Action { call: by.operator, why });
        }
        self.count_between(by, edges)
    }

    fn count_between(&self, by: Asked, edges: Vec<f64>) -> Result<Vec<u64>>
    where
        T: Number,
    {
        let ranges = edges.len() - 1;
        let parts = run_action_at(by, self, self.all_partitions(), move |partition, rdd, cx| {
            let mut counts = vec![0u64; ranges];
            let mut each = Each::new(cx, |number: T| {
                if let Some(count) = range_of(number.to_f64(), &edges).and_then(|range| counts.get_mut(range))
                {
                    *count += 1;
                }
                Ok(())
            });
            rdd.compute(partition, cx, &mut each)?;
            Ok(counts)
        })?;
        let mut all = vec![0; ranges];
        for part in parts {
            all.iter_mut().zip(part).for_each(|(sum, count)| *sum += count);
        }
        Ok(all)
    }
}

/// In which range between ascending edges a number is.
fn range_of(number: f64, edges: &[f64]) -> Option<usize> {
    let last = *edges.last()?;
    if number == last {
        return Some(edges.len().saturating_sub(2));
    }
    // The first edge is below the others; what is not a number is below none.
    let above = edges.partition_point(|edge| *edge <= number);
    if number < last { above.checked_sub(1) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_stats_are_those_of_all_numbers() {
        let numbers = [1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0];
        let mut all = Stats::default();
        numbers.iter().for_each(|n| all.add(*n));
        for cut in 0..=4 {
            let (mut left, mut right) = (Stats::default(), Stats::default());
            numbers[..cut].iter().for_each(|n| left.add(*n));
            numbers[cut..].iter().for_each(|n| right.add(*n));
            left.merge(&right);
            assert_eq!((left.count(), left.mean()), (4, 1e9 + 10.0));
            assert_eq!((left.variance(), left.sample_variance()), (22.5, 30.0));
        }
        assert!(Stats::default().mean().is_nan() && Stats::default().stdev().is_nan());
        assert_eq!(all.sum(), 4e9 + 40.0);
    }

    #[test]
    fn ranges_include_their_lower_edge_and_the_last_its_upper_edge() {
        let edges = [0.0, 1.0, 2.0];
        let found = [-0.1, 0.0, 0.9, 1.0, 2.0, 2.1, f64::NAN].map(|n| range_of(n, &edges));
        assert_eq!(found, [None, Some(0), Some(0), Some(1), Some(1), None, None]);
    }
}
