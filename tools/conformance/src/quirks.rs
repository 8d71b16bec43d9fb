//! Cases that differ from Spark on purpose: accidents of its implementation where ours is better.

/// The id of each case, and why it differs. A case that passes after all must be taken off the list.
pub(crate) const QUIRKS: &[(&str, &str)] = &[];

/// Why a case differs on purpose, if it does.
pub(crate) fn reason(id: &str) -> Option<&'static str> {
    QUIRKS.iter().find(|(listed, _)| *listed == id).map(|(_, reason)| *reason)
}
