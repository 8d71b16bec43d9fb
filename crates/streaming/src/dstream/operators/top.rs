//! `top_by` and `take_ordered`: the few records of each batch at one end of an order.

use std::cmp::Ordering;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use waterclock_base::{Data, Record};
use waterclock_engine::FoldAll;

use crate::dstream::DStream;

impl<T: Data> DStream<T> {
    /// The `most` records of each batch with the greatest keys, the greatest first, as one partition; of equal
    /// keys those that come first. All records, in that order, where there are no more; none for an empty
    /// batch. No dataset where this stream has none.
    ///
    /// Runs on the workers: each keeps no more than a few times `most` records.
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream;
    /// check_stream(
    ///     vec![vec![('a', 2), ('b', 9), ('c', 5)], vec![]],
    ///     |s| s.top_by(2, |(_, n)| *n),
    ///     vec![vec![('b', 9), ('c', 5)], vec![]],
    /// );
    /// ```
    #[track_caller]
    pub fn top_by<O: Ord>(&self, most: usize, key: impl Fn(&T) -> O + Send + Sync + 'static) -> DStream<T>
    where
        T: Record,
    {
        self.first_in_order("top_by", Location::caller(), most, move |a: &T, b: &T| key(b).cmp(&key(a)))
    }

    /// The `most` least records of each batch, the least first, as one partition; see
    /// [`top_by`](DStream::top_by).
    ///
    /// ```
    /// use waterclock_streaming::testing::check_stream;
    /// check_stream(vec![vec![3, 1, 2]], |s| s.take_ordered(2), vec![vec![1, 2]]);
    /// ```
    #[track_caller]
    pub fn take_ordered(&self, most: usize) -> DStream<T>
    where
        T: Record,
        T: Ord,
    {
        self.first_in_order("take_ordered", Location::caller(), most, T::cmp)
    }

    fn first_in_order(
        &self,
        operator: &'static str,
        site: &'static Location<'static>,
        most: usize,
        order: impl Fn(&T, &T) -> Ordering + Send + Sync + 'static,
    ) -> DStream<T>
    where
        T: Record,
    {
        let first = Arc::new(First { most, order, _records: PhantomData });
        self.each(operator, site, move |rdd, _| {
            let last = first.clone();
            let gathered = rdd.fold_all_at(operator, site, Shared(first.clone()));
            Ok(gathered.flat_map_at(operator, site, move |mut records| {
                last.cut(&mut records);
                records
            }))
        })
    }
}

/// The first `most` records in an order.
///
/// What is gathered begins with up to `most` records in order, once there have been so many; behind them
/// are later records that may displace some of them.
struct First<T, F> {
    most: usize,
    order: F,
    _records: PhantomData<fn(T)>,
}

impl<T, F: Fn(&T, &T) -> Ordering> First<T, F> {
    /// Puts the records in order, the first of equals first, and drops those that are too many.
    fn cut(&self, records: &mut Vec<T>) {
        records.sort_by(&self.order);
        records.truncate(self.most);
    }

    /// Whether a record that comes after all of these may be among the first.
    fn wants(&self, records: &[T], record: &T) -> bool {
        match self.most.checked_sub(1).map(|last| records.get(last)) {
            None => false,
            Some(None) => true,
            Some(Some(worst)) => (self.order)(record, worst) == Ordering::Less,
        }
    }

    fn add(&self, records: &mut Vec<T>, record: T) {
        records.push(record);
        let full = self.most.saturating_mul(2).max(64);
        if records.len() == self.most || records.len() >= full {
            self.cut(records);
        }
    }
}

struct Shared<T, F>(Arc<First<T, F>>);

impl<T: Record, F: Fn(&T, &T) -> Ordering + Send + Sync + 'static> FoldAll<T> for Shared<T, F> {
    type Sum = Vec<T>;

    fn zero(&self) -> Vec<T> {
        Vec::new()
    }

    fn add(&self, records: &mut Vec<T>, record: T) {
        if self.0.wants(records, &record) {
            self.0.add(records, record);
        }
    }

    fn add_lent(&self, records: &mut Vec<T>, record: &T) {
        if self.0.wants(records, record) {
            self.0.add(records, record.clone());
        }
    }

    fn merge(&self, records: &mut Vec<T>, later: Vec<T>) {
        later.into_iter().for_each(|record| self.add(records, record));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check_stream;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn first_of_equals_first(records in prop::collection::vec((0u8..12, any::<u16>()), 0..400), most in 0usize..80) {
            let mut expected = records.clone();
            expected.sort_by_key(|(key, _)| std::cmp::Reverse(*key));
            expected.truncate(most);
            let first = Shared(Arc::new(First {
                most, order: |a: &(u8, u16), b: &(u8, u16)| b.0.cmp(&a.0), _records: PhantomData,
            }));
            let (mut all, half) = (first.zero(), records.len() / 2);
            let mut later = first.zero();
            for record in &records[..half] {
                first.add_lent(&mut all, record);
            }
            for record in &records[half..] {
                first.add(&mut later, *record);
            }
            first.merge(&mut all, later);
            prop_assert!(all.len() <= (2 * most).max(64));
            first.0.cut(&mut all);
            prop_assert_eq!(all, expected);
        }
    }

    #[test]
    fn none_of_none_and_fewer_than_wanted() {
        check_stream(vec![vec![2, 1], vec![]], |s| s.take_ordered(9), vec![vec![1, 2], vec![]]);
        check_stream(vec![vec![2, 1]], |s| s.top_by(0, |n| *n), vec![vec![]]);
    }
}
