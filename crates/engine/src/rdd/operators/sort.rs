//! `sort` and `sort_by`: the records in order, over all partitions.

use std::cmp::Reverse;
use std::panic::Location;
use std::sync::Arc;

use waterclock_base::world::Rng;
use waterclock_base::{Data, Record, Result};

use crate::chunk::{Sink, Step};
use crate::job::run_action_at;
use crate::partition::{Partitioner, range_bounds};
use crate::rdd::{Asked, Rdd};
use crate::shuffle::routed;
use crate::task::TaskCx;

/// # In order
///
/// The records are cut into ranges of about the same size, one a partition, so that all partitions one
/// after the other are in order. Where to cut is judged by a sample: a job that computes the whole dataset
/// once runs at the definition, unless one partition is asked for. Records with equal keys all come into the
/// same partition, in the order of (partition, position), also when the order is descending.
///
/// There are fewer partitions than asked for where the sample has too few different keys.
impl<T: Data> Rdd<T> {
    /// The records in ascending order, in at most as many partitions as this dataset has.
    ///
    /// # Errors
    /// The error of the sampling job.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let sorted = Engine::local(2).parallelize(vec![3, 1, 2], 2).sort()?;
    /// assert_eq!(sorted.collect()?, [1, 2, 3]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn sort(&self) -> Result<Rdd<T>>
    where
        T: Record,
        T: Ord,
    {
        self.sort_at(Asked { operator: "sort", site: Location::caller() }, T::clone, true, self.partitions())
    }

    /// The records in the order of `key`, ascending or descending, in at most `partitions` partitions.
    ///
    /// # Errors
    /// The error of the sampling job.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let words = Engine::local(2).parallelize(vec!["bb", "c", "aaa", "d"], 2).map(str::to_owned);
    /// let longest_first = words.sort_by(|word| word.len(), false, 2)?;
    /// assert_eq!(longest_first.collect()?, ["aaa", "bb", "c", "d"]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn sort_by<O: Record + Ord>(
        &self,
        key: impl Fn(&T) -> O + Send + Sync + 'static,
        ascending: bool,
        partitions: usize,
    ) -> Result<Rdd<T>>
    where
        T: Record,
    {
        self.sort_at(Asked { operator: "sort_by", site: Location::caller() }, key, ascending, partitions)
    }

    fn sort_at<O: Record + Ord>(
        &self,
        by: Asked,
        key: impl Fn(&T) -> O + Send + Sync + 'static,
        ascending: bool,
        partitions: usize,
    ) -> Result<Rdd<T>>
    where
        T: Record,
    {
        let key = Arc::new(key);
        let ranges = self.ranges(by, key.clone(), ascending, partitions)?;
        let (count, of) = (ranges.partitions(), key.clone());
        let spread = routed(self, by, count, move |record, _, _| ranges.partition(&of(record)));
        Ok(spread.map_partitions_at(by.operator, by.site, None, move |_, records| {
            let mut records: Vec<T> = records.collect();
            if ascending {
                records.sort_by_cached_key(|record| key(record));
            } else {
                records.sort_by_cached_key(|record| Reverse(key(record)));
            }
            records
        }))
    }

    /// A partitioner by ranges of `key` that hold about equally many of these records.
    pub(crate) fn ranges<O: Record + Ord>(
        &self,
        by: Asked,
        key: Arc<impl Fn(&T) -> O + Send + Sync + 'static>,
        ascending: bool,
        partitions: usize,
    ) -> Result<Partitioner<O>>
    where
        T: Record,
    {
        if partitions <= 1 || self.partitions() == 0 {
            return Ok(Partitioner::ranges(Vec::new(), ascending));
        }
        let wanted = (SAMPLE_A_PARTITION * partitions).min(LARGEST_SAMPLE);
        // Three times as many, since partitions may differ in size.
        let each = (3 * wanted).div_ceil(self.partitions());
        let all = (0..self.partitions()).collect();
        let samples = run_action_at(by, self, all, move |partition, rdd, cx| {
            let rng = Rng::new(partition as u64);
            let mut sampling = Sampling { cx, key: &*key, rng, each, sample: Vec::new(), seen: 0 };
            rdd.compute(partition, cx, &mut sampling)?;
            Ok((sampling.sample, sampling.seen))
        })?;
        let mut weighed = Vec::new();
        for (sample, seen) in samples {
            let weight = seen as f64 / sample.len().max(1) as f64;
            weighed.extend(sample.into_iter().map(|key| (key, weight)));
        }
        Ok(Partitioner::ranges(range_bounds(weighed, partitions), ascending))
    }
}

/// Keys that are looked at for each partition of the result, and at most: Spark's figures.
const SAMPLE_A_PARTITION: usize = 20;
const LARGEST_SAMPLE: usize = 1_000_000;

/// Draws an equally likely sample of the keys (algorithm R), always the same for the same records.
struct Sampling<'a, O, F> {
    cx: &'a TaskCx,
    key: &'a F,
    rng: Rng,
    each: usize,
    sample: Vec<O>,
    seen: u64,
}

impl<O, F> Sampling<'_, O, F> {
    fn look<T: Data>(&mut self, record: &T)
    where
        F: Fn(&T) -> O,
    {
        self.seen += 1;
        if self.sample.len() < self.each {
            self.sample.push((self.key)(record));
        } else if let Some(place) = self.sample.get_mut(self.rng.below(self.seen) as usize) {
            *place = (self.key)(record);
        }
    }
}

impl<T: Data, O, F: Fn(&T) -> O> Sink<T> for Sampling<'_, O, F> {
    fn push(&mut self, chunk: &mut Vec<T>) -> Step {
        self.cx.check()?;
        chunk.drain(..).for_each(|record| self.look(&record));
        Ok(())
    }

    fn lend(&mut self, records: &[&T]) -> Step {
        self.cx.check()?;
        records.iter().for_each(|record| self.look(record));
        Ok(())
    }
}
