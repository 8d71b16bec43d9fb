//! `repartition`: the same records in another number of partitions.

use std::panic::Location;

use waterclock_base::{Data, Error, Record};
use waterclock_engine::Rdd;

use super::transform::Needing;
use crate::dstream::DStream;

impl<T: Data> DStream<T> {
    /// The records of each batch in exactly `partitions` partitions of about the same size, through a
    /// shuffle; their order is not that of this stream.
    ///
    /// Where this stream has no dataset the batch fails, as Spark's does. Zero partitions are refused; with
    /// `SparkRules::accept_zero` every batch fails instead.
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream;
    /// check_stream(
    ///     vec![vec![1, 2, 3, 4]],
    ///     |s| s.repartition(4).map_partitions(|part| [part.count()]),
    ///     vec![vec![1, 2, 1, 0]],
    /// );
    /// ```
    #[track_caller]
    pub fn repartition(&self, partitions: usize) -> DStream<T>
    where
        T: Record,
    {
        let (call, site) = ("repartition", Location::caller());
        let why = "0 partitions can't hold any records; ask for at least one";
        let accepted = partitions > 0 || self.graph.settings.spark_rules.accept_zero;
        let possible = if accepted { Ok(()) } else { Err(why.to_owned()) };
        let make = move |rdd: Rdd<T>, _| match partitions {
            0 => Err(Error::Definition { call, site, why: why.into() }),
            _ => Ok(rdd.repartition_at(call, site, partitions)),
        };
        let body = Needing { parent: self.node.clone(), operator: call, make };
        self.define_if(self.derived(call, site), possible, body)
    }
}
