//! `sample` and `random_split`: a part of the records, drawn by a seed.

use std::panic::Location;

use waterclock_base::world::Rng;
use waterclock_base::{Data, Error};

use crate::chunk::{Emit, Sink, Step};
use crate::rdd::{Asked, Compute, Rdd};
use crate::task::TaskCx;

/// # By chance
///
/// What is drawn depends on the seed and on each record's partition and position alone: the same dataset
/// gives the same sample for ever.
impl<T: Data> Rdd<T> {
    /// A sample of the records, in their order.
    ///
    /// Without replacement each record is drawn with the probability `fraction`; with replacement it is drawn
    /// `fraction` times on average, as often as a Poisson distribution says. Where the fraction is no such
    /// number, actions on the result fail with
    /// [`Error::Definition`](waterclock_base::Error::Definition).
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let rdd = Engine::local(2).parallelize((0..1000).collect(), 4);
    /// let some = rdd.sample(false, 0.1, 7);
    /// assert!((60..140).contains(&some.count()?));
    /// assert_eq!(some.collect()?, rdd.sample(false, 0.1, 7).collect()?);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn sample(&self, with_replacement: bool, fraction: f64, seed: u64) -> Rdd<T> {
        let by = Asked { operator: "sample", site: Location::caller() };
        match Draw::new(by, with_replacement, fraction) {
            Ok(draw) => self.drawn(by, seed, move |rng, _| draw.times(rng)),
            Err(error) => self.engine().failing_at(by.operator, by.site, error),
        }
    }

    /// The records divided at random over as many datasets as there are weights, each in proportion to its
    /// weight; every record is in exactly one of them.
    ///
    /// Each dataset computes this one anew: [`persist`](Rdd::persist) what is costly. Where weights are
    /// negative, not finite or all zero, actions on the results fail with
    /// [`Error::Definition`](waterclock_base::Error::Definition).
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let parts = Engine::local(2).parallelize((0..1000).collect(), 4).random_split(&[9.0, 1.0], 7);
    /// let (most, few) = (parts[0].count()?, parts[1].count()?);
    /// assert_eq!(most + few, 1000);
    /// assert!((60..140).contains(&few));
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn random_split(&self, weights: &[f64], seed: u64) -> Vec<Rdd<T>> {
        let by = Asked { operator: "random_split", site: Location::caller() };
        let sum: f64 = weights.iter().sum();
        let usable = sum.is_finite() && sum > 0.0 && weights.iter().all(|weight| *weight >= 0.0);
        let mut from = 0.0;
        let split = |(position, weight): (usize, &f64)| {
            if !usable {
                let why = format!("the weights {weights:?} can't be shares of a whole");
                let error = Error::Definition { call: by.operator, site: by.site, why };
                return self.engine().failing_at(by.operator, by.site, error);
            }
            let low = from;
            from += weight / sum;
            // Rounding must not lose the records at the upper end.
            let high = if position + 1 == weights.len() { f64::INFINITY } else { from };
            self.drawn(by, seed, move |rng, _| u64::from((low..high).contains(&rng.fraction())))
        };
        weights.iter().enumerate().map(split).collect()
    }

    /// Each record as often as `times` says, which is called once a record with a generator of the
    /// partition's own.
    pub(crate) fn drawn(
        &self,
        by: Asked,
        seed: u64,
        times: impl Fn(&mut Rng, &T) -> u64 + Send + Sync + 'static,
    ) -> Rdd<T> {
        let define = self.derive(by.operator).at(by.site).partitioned(self.partitioner().copied());
        define.build(self.engine(), Drawn { parent: self.clone(), seed, times })
    }
}

/// How often a record is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Draw {
    /// At most once, with this probability.
    Once(f64),
    /// So often on average.
    Poisson(f64),
}

impl Draw {
    /// # Errors
    /// [`Error::Definition`] when the fraction is no such number.
    pub(crate) fn new(by: Asked, with_replacement: bool, fraction: f64) -> Result<Self, Error> {
        let (usable, range, draw) = if with_replacement {
            (fraction >= 0.0 && fraction.is_finite(), "at least 0", Draw::Poisson(fraction))
        } else {
            ((0.0..=1.0).contains(&fraction), "from 0 to 1", Draw::Once(fraction))
        };
        if usable {
            return Ok(draw);
        }
        let why = format!("the fraction is {fraction}, but it must be {range}");
        Err(Error::Definition { call: by.operator, site: by.site, why })
    }

    pub(crate) fn times(self, rng: &mut Rng) -> u64 {
        match self {
            Draw::Once(fraction) => u64::from(rng.fraction() < fraction),
            Draw::Poisson(mean) => poisson(rng, mean),
        }
    }
}

/// A number that is `mean` on average, distributed as Poisson says: one for each time that so many
/// exponential waits fit into `mean`.
fn poisson(rng: &mut Rng, mean: f64) -> u64 {
    let (mut times, mut waited) = (0, 0.0);
    loop {
        // The fraction is below 1, so the logarithm is finite.
        waited -= (1.0 - rng.fraction()).ln();
        if waited >= mean {
            return times;
        }
        times += 1;
    }
}

struct Drawn<T: Data, F> {
    parent: Rdd<T>,
    seed: u64,
    times: F,
}

impl<T: Data, F: Fn(&mut Rng, &T) -> u64 + Send + Sync + 'static> Compute<T> for Drawn<T, F> {
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<T>) -> Step {
        // Partitions must not draw alike: the generator's own output spreads their seeds.
        let seed = Rng::new(self.seed.wrapping_add(partition as u64)).next_u64();
        let (rng, emit) = (Rng::new(seed), Emit::new(out));
        let mut drawing = Drawing { cx, rng, times: &self.times, emit };
        self.parent.compute(partition, cx, &mut drawing)?;
        drawing.emit.flush()
    }
}

struct Drawing<'a, T: Data, F> {
    cx: &'a TaskCx,
    rng: Rng,
    times: &'a F,
    emit: Emit<'a, T>,
}

impl<T: Data, F: Fn(&mut Rng, &T) -> u64> Sink<T> for Drawing<'_, T, F> {
    fn push(&mut self, chunk: &mut Vec<T>) -> Step {
        self.cx.check()?;
        for record in chunk.drain(..) {
            let times = (self.times)(&mut self.rng, &record);
            for _ in 1..times {
                self.emit.push(record.clone())?;
            }
            if times > 0 {
                self.emit.push(record)?;
            }
        }
        Ok(())
    }

    fn lend(&mut self, records: &[&T]) -> Step {
        self.cx.check()?;
        for record in records {
            for _ in 0..(self.times)(&mut self.rng, record) {
                self.emit.push((*record).clone())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_asked_mean() {
        let mut rng = Rng::new(1);
        for mean in [0.0, 0.3, 1.0, 7.5] {
            let sum: u64 = (0..20_000).map(|_| Draw::Poisson(mean).times(&mut rng)).sum();
            assert!((sum as f64 / 20_000.0 - mean).abs() < 0.05 + mean / 50.0, "{mean}: {sum}");
        }
        let drawn: u64 = (0..20_000).map(|_| Draw::Once(0.25).times(&mut rng)).sum();
        assert!((4_700..5_300).contains(&drawn), "{drawn}");
    }
}
