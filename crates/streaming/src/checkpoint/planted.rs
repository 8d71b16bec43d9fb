//! Faults that are planted on purpose, to see that the simulator finds them. There are none in a build without
//! the feature `planted-faults`, and none with it until a test plants one.

/// A fault of durability. One at a time, for the whole process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "planted-faults"), expect(unreachable_pub, reason = "nothing plants them"))]
#[repr(u8)]
pub enum Fault {
    /// The log is written and not synced.
    SkippedSync = 1,
    /// Outputs begin before what their batch reads is written down.
    EffectBeforeLog,
    /// Sources are told to forget before the end of their batch is written down.
    AcknowledgedBeforeLog,
    /// A batch is called committed before its outputs are done.
    CommittedBeforeOutput,
    /// A snapshot lacks the rows of one key group.
    LostKeyGroup,
    /// The first batch that makes up for the time without a process begins one too late.
    MissedOffByOne,
    /// A snapshot's name is not synced before the one before is deleted.
    SkippedNameSync,
    /// A sink shows a batch as soon as it is staged: the batch can't be committed yet, its other outputs are to come.
    PublishedAtStaging,
}

#[cfg(feature = "planted-faults")]
static PLANTED: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);

/// Plants a fault, or none, in place of the one before.
#[cfg(feature = "planted-faults")]
pub fn plant(fault: Option<Fault>) {
    PLANTED.store(fault.map_or(0, |fault| fault as u8), std::sync::atomic::Ordering::SeqCst);
}

/// Whether this fault is planted.
#[cfg(feature = "planted-faults")]
pub(crate) fn planted(fault: Fault) -> bool {
    PLANTED.load(std::sync::atomic::Ordering::SeqCst) == fault as u8
}

/// Whether this fault is planted.
#[cfg(not(feature = "planted-faults"))]
pub(crate) const fn planted(_: Fault) -> bool {
    false
}
