//! The same state with another number of key groups.
//!
//! No row says which group its key belongs to: that follows from the key's hash and the number of groups. What
//! says it are the changes, each of which names the groups of the partition that wrote it. Under the new number
//! these hashes are other groups, and partitions have other edges. So each change is given the new groups that its
//! hashes fall into, and counts as one of no partition: the start then spreads its rows anew, each to where its key
//! belongs.

use std::ops::Range;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use waterclock_base::world::World;
use waterclock_base::{Error, Result, decode, encode};

use super::copy::{Copied, Kind, transfer};
use super::facts::Facts;
use super::record::{Change, Entry, Record, StateSchema};
use super::{frame, layout};

/// Copies the checkpoint in `from` to `to`, an empty or a new directory, with another number of key groups: more
/// of them let state be spread over more partitions.
///
/// All keys, and what is known of the sources, stay. The program's own partitioners are not concerned. Batches
/// that are still to be run would not be what they were, so there must be none: stop the program gracefully first.
/// For the rest see [`copy_checkpoint`](crate::copy_checkpoint).
///
/// # Errors
/// [`Error::Setting`] where the number is 0; [`Error::Checkpoint`] where batches are still to be run, and as
/// [`copy_checkpoint`](crate::copy_checkpoint).
///
/// ```
/// # use std::time::Duration;
/// # use waterclock_base::{BatchTime, BoxError};
/// # use waterclock_streaming::{Builder, Stop, StreamingContext, testing};
/// # let dir = tempfile::tempdir()?;
/// # let (live, wider) = (dir.path().join("live"), dir.path().join("wider"));
/// # let program = |builder: Builder| -> Result<StreamingContext, BoxError> {
/// #     let ssc = builder.batch_interval(Duration::from_secs(1)).build()?;
/// #     ssc.queue_stream(vec![vec![1u32]]).named("in").print();
/// #     Ok(ssc)
/// # };
/// # let (ssc, clock) = testing::get_or_create(&live, BatchTime::ZERO, program)?;
/// # ssc.start()?;
/// # clock.advance_batches(1);
/// # ssc.stop(Stop::Now)?;
/// waterclock_streaming::rescale_checkpoint(&live, &wider, 4096)?;
/// let content = waterclock_streaming::inspect_checkpoint(&wider)?.content.ok_or("it does not load")?;
/// assert_eq!(content.key_groups, 4096);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn rescale_checkpoint(from: impl AsRef<Path>, to: impl AsRef<Path>, key_groups: u32) -> Result<Copied> {
    let from = from.as_ref();
    if key_groups == 0 {
        let why = "it is 0, and must be at least 1".into();
        return Err(Error::Setting { setting: "key_groups", why });
    }
    let allow = |facts: &Facts| match facts.batches.values().filter(|(_, end)| end.is_none()).count() {
        0 => Ok(()),
        n => Err(Error::Checkpoint {
            dir: from.display().to_string(),
            why: format!(
                "{} still to be run, with the key groups that it was begun with",
                if n == 1 { "one batch is".into() } else { format!("each of {n} batches is") }
            ),
            hint: "start the program once and stop it gracefully",
        }),
    };
    transfer(&World::real(), from, to.as_ref(), allow, |kind, facts, bytes| {
        let groups = Groups { before: facts.snapshot.header.key_groups, now: key_groups };
        match kind {
            Kind::Snapshot => groups.snapshot(&bytes),
            Kind::Log => groups.log(&bytes),
        }
    })
}

/// How many key groups there were, and how many there are to be.
struct Groups {
    before: u32,
    now: u32,
}

impl Groups {
    fn snapshot(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut own = false;
        rewrite(bytes, layout::SNAPSHOT_MAGIC, |entry: &mut Entry| match entry {
            Entry::Header(header) => header.key_groups = self.now,
            Entry::State { schema, .. } => own = schema.own_partitioner,
            Entry::Rows(change) => self.regroup(change, own),
            _ => {}
        })
    }

    fn log(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut states: Vec<StateSchema> = Vec::new();
        rewrite(bytes, layout::LOG_MAGIC, |record: &mut Record| match record {
            Record::Began(began) => states.clone_from(&began.states),
            Record::Changed(change) => {
                let state = states.iter().find(|state| state.name == change.state);
                self.regroup(change, state.is_some_and(|state| state.own_partitioner));
            }
            _ => {}
        })
    }

    fn regroup(&self, change: &mut Change, own_partitioner: bool) {
        if own_partitioner {
            // All groups, in the partition that the program chose.
            change.groups = 0..self.now;
        } else {
            change.groups = self.regrouped(&change.groups);
            (change.partition, change.partitions) = (0, 0);
        }
    }

    /// The groups that the hashes of these groups are in now. Those at the edges may have other hashes, too.
    fn regrouped(&self, groups: &Range<u32>) -> Range<u32> {
        if groups.is_empty() {
            return 0..0;
        }
        let first_hash = |group: u32| (u128::from(group) << 64).div_ceil(u128::from(self.before));
        let group = |hash: u128| ((hash * u128::from(self.now)) >> 64) as u32;
        group(first_hash(groups.start))..group(first_hash(groups.end) - 1) + 1
    }
}

/// The same file with what `change` makes of each entry. What is torn off at its end does not count, and is left
/// out.
fn rewrite<E: Serialize + DeserializeOwned>(
    bytes: &[u8],
    magic: &[u8],
    mut change: impl FnMut(&mut E),
) -> Result<Vec<u8>, String> {
    // The beginning of a log may be torn off, too.
    let mut rest = bytes.strip_prefix(magic).unwrap_or_default();
    let mut out = magic.to_vec();
    while let Some(frame) = frame::read(&mut rest) {
        let (mut entries, mut payload) = (frame.payload, Vec::new());
        while !entries.is_empty() {
            let mut entry: E = decode(&mut entries).map_err(|error| error.full_text())?;
            change(&mut entry);
            encode(&entry, &mut payload).map_err(|error| error.full_text())?;
        }
        frame::write(&mut out, frame.number, frame.synced, &payload);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use waterclock_base::group_of_hash;

    use super::*;

    proptest! {
        #[test]
        fn every_hash_of_the_old_groups_is_in_the_new_ones(
            hash: u64, before in 1u32..5000, now in 1u32..5000, below in 0u32..50, above in 0u32..50,
        ) {
            let group = group_of_hash(hash, before);
            let groups = group.saturating_sub(below)..(group + 1 + above).min(before);
            let regrouped = Groups { before, now }.regrouped(&groups);
            prop_assert!(regrouped.contains(&group_of_hash(hash, now)) && regrouped.end <= now);
        }
    }

    #[test]
    fn no_more_groups_than_needed() {
        assert_eq!(Groups { before: 4, now: 8 }.regrouped(&(1..3)), 2..6);
        assert_eq!(Groups { before: 8, now: 4 }.regrouped(&(2..6)), 1..3);
        assert_eq!(Groups { before: 4, now: 6 }.regrouped(&(1..2)), 1..3);
        assert_eq!(Groups { before: 4, now: 6 }.regrouped(&(2..2)), 0..0);
    }
}
