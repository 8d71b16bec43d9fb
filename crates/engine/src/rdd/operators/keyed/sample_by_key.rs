//! `sample_by_key`: a sample with a fraction for each key.

use std::collections::HashMap;
use std::panic::Location;

use waterclock_base::{Data, Key};

use crate::rdd::operators::Draw;
use crate::rdd::{Asked, Rdd};

/// # Pairs: by chance
impl<K: Data, V: Data> Rdd<(K, V)> {
    /// A sample of the pairs, each key with its own fraction; pairs of a key without one are left out.
    ///
    /// What is drawn, and which fractions there can be, see [`sample`](Rdd::sample).
    ///
    /// ```
    /// # use std::collections::HashMap;
    /// # use waterclock_engine::Engine;
    /// let pairs = Engine::local(2).parallelize(vec![('a', 1), ('b', 2), ('c', 3)], 2);
    /// let some = pairs.sample_by_key(false, HashMap::from([('a', 1.0), ('b', 0.0)]), 7);
    /// assert_eq!(some.collect()?, [('a', 1)]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn sample_by_key(&self, with_replacement: bool, fractions: HashMap<K, f64>, seed: u64) -> Rdd<(K, V)>
    where
        K: Key,
    {
        let by = Asked { operator: "sample_by_key", site: Location::caller() };
        let draws: Result<HashMap<K, Draw>, _> = fractions
            .into_iter()
            .map(|(key, fraction)| Ok((key, Draw::new(by, with_replacement, fraction)?)))
            .collect();
        match draws {
            Ok(draws) => {
                self.drawn(by, seed, move |rng, (key, _)| draws.get(key).map_or(0, |draw| draw.times(rng)))
            }
            Err(error) => self.engine().failing_at(by.operator, by.site, error),
        }
    }
}
