//! How keys are spread over partitions.

mod follow; // what is taken when nothing is given
mod ranges; // where sorted keys are cut

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use waterclock_base::{Key, group_of_hash, key_hash, partition_of_group};

pub(crate) use follow::{Input, input_to_follow};
pub(crate) use ranges::range_bounds;

/// Two datasets whose partitioners have the same identity hold equal keys in partitions of equal number,
/// so that joining them needs no shuffle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PartitionerId {
    /// By key group.
    Hash {
        /// Partitions.
        partitions: usize,
        /// Key groups.
        groups: u32,
    },
    /// By a function of the program, or by sorted ranges: equal only to itself.
    Own {
        /// Partitions.
        partitions: usize,
        /// Which one.
        number: u64,
    },
}

impl PartitionerId {
    /// How many partitions it spreads keys over.
    pub fn partitions(&self) -> usize {
        match self {
            PartitionerId::Hash { partitions, .. } | PartitionerId::Own { partitions, .. } => *partitions,
        }
    }
}

/// Decides in which partition a key is.
///
/// ```
/// use waterclock_engine::Partitioner;
/// let by_sign = Partitioner::new(2, |key: &i64| usize::from(*key < 0));
/// assert_eq!(by_sign.partition(&-7), 1);
/// ```
pub struct Partitioner<K> {
    id: PartitionerId,
    of: Arc<dyn Fn(&K) -> usize + Send + Sync>,
    /// Which way keys go up over the partitions, if they do.
    order: Option<Order>,
}

/// Which way keys go up over the partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Ascending,
    Descending,
}

impl<K> Clone for Partitioner<K> {
    fn clone(&self) -> Self {
        Partitioner { id: self.id, of: self.of.clone(), order: self.order }
    }
}

impl<K> fmt::Debug for Partitioner<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

impl<K> Partitioner<K> {
    /// A partitioner of the program's own. A result at or above `partitions` is taken modulo
    /// `partitions`. It must be a function of the key alone.
    pub fn new(partitions: usize, of: impl Fn(&K) -> usize + Send + Sync + 'static) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let of = move |key: &K| of(key).checked_rem(partitions).unwrap_or(0);
        Partitioner { id: PartitionerId::Own { partitions, number }, of: Arc::new(of), order: None }
    }

    /// A partitioner by sorted ranges: partition i holds the keys up to and including `bounds[i]`, the last
    /// one those above all bounds; the other way round if `ascending` is false. The bounds must ascend.
    ///
    /// ```
    /// use waterclock_engine::Partitioner;
    /// let thirds = Partitioner::ranges(vec![10, 20], true);
    /// assert_eq!([3, 10, 11, 99].map(|key| thirds.partition(&key)), [0, 0, 1, 2]);
    /// ```
    pub fn ranges(bounds: Vec<K>, ascending: bool) -> Self
    where
        K: Ord + Send + Sync + 'static,
    {
        let last = bounds.len();
        let of = move |key: &K| {
            let range = bounds.partition_point(|bound| bound < key);
            if ascending { range } else { last - range }
        };
        let order = if ascending { Order::Ascending } else { Order::Descending };
        Partitioner { order: Some(order), ..Partitioner::new(last + 1, of) }
    }

    /// Which way keys go up over the partitions, if they do.
    pub(crate) fn order(&self) -> Option<Order> {
        self.order
    }

    /// Its identity.
    pub fn id(&self) -> PartitionerId {
        self.id
    }

    /// How many partitions it spreads keys over.
    pub fn partitions(&self) -> usize {
        self.id.partitions()
    }

    /// The partition of a key.
    pub fn partition(&self, key: &K) -> usize {
        (self.of)(key)
    }
}

impl<K: Key> Partitioner<K> {
    /// The partitioner by key group: the same on every machine and in every release.
    pub fn hash(partitions: usize, groups: u32) -> Self {
        let of = move |key: &K| partition_of_group(group_of_hash(key_hash(key), groups), groups, partitions);
        Partitioner { id: PartitionerId::Hash { partitions, groups }, of: Arc::new(of), order: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partitioner_equals_itself_only() {
        let (a, b) = (Partitioner::new(2, |k: &u64| *k as usize), Partitioner::new(2, |k: &u64| *k as usize));
        assert_eq!(a.id(), a.clone().id());
        assert_ne!(a.id(), b.id());
        assert_eq!(Partitioner::<u64>::hash(3, 16).id(), Partitioner::<u64>::hash(3, 16).id());
        assert_eq!(a.partition(&7), 1);
        assert_eq!(Partitioner::new(0, |k: &u64| *k as usize).partition(&7), 0);
    }
}
