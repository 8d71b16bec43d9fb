//! Frames: the shape of everything that a checkpoint holds. Pure; the bytes are laid out in docs/format.md,
//! "Frames".
//!
//! A frame knows its number and up to which number all before it was synced when it was written. So a frame
//! that can't be read is either the torn end of what a crash interrupted, or damage to what was safe: damage
//! it is when a later frame says that it had been synced.

use waterclock_base::checksum;

/// Length, number, synced, checksum of the payload, checksum of the header: 4 bytes each.
const HEADER: usize = 20;

/// Appends a frame to `out`.
pub(crate) fn write(out: &mut Vec<u8>, number: u32, synced: u32, payload: &[u8]) {
    let begin = out.len();
    // Who cuts the frames keeps them far below 4 GiB.
    let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    for word in [len, number, synced, checksum([payload])] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    let header = checksum([&out[begin..]]);
    out.extend_from_slice(&header.to_le_bytes());
    out.extend_from_slice(payload);
}

/// A frame in its place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) number: u32,
    pub(crate) synced: u32,
    pub(crate) payload: &'a [u8],
}

/// Reads the frame at the front of `bytes` and moves `bytes` past it; none where there is no whole one.
pub(crate) fn read<'a>(bytes: &mut &'a [u8]) -> Option<Frame<'a>> {
    let (frame, rest) = parse(bytes)?;
    *bytes = rest;
    Some(frame)
}

fn parse(bytes: &[u8]) -> Option<(Frame<'_>, &[u8])> {
    let header = bytes.get(..HEADER)?;
    let word = |n: usize| u32::from_le_bytes([header[n], header[n + 1], header[n + 2], header[n + 3]]);
    if checksum([&header[..16]]) != word(16) {
        return None;
    }
    let (payload, rest) = bytes[HEADER..].split_at_checked(word(0) as usize)?;
    let whole = checksum([payload]) == word(12);
    whole.then_some((Frame { number: word(4), synced: word(8), payload }, rest))
}

/// Up to which number frames were synced, as far as any whole frame anywhere in `bytes` tells.
pub(crate) fn synced_later(bytes: &[u8]) -> Option<u32> {
    (0..bytes.len()).filter_map(|at| parse(&bytes[at..])).map(|(frame, _)| frame.synced).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T-210 to T-212.
    #[test]
    fn frames_come_back_and_any_flipped_bit_is_noticed() {
        let mut bytes = Vec::new();
        write(&mut bytes, 7, 5, b"some");
        write(&mut bytes, 8, 7, b"");
        let mut rest = &bytes[..];
        assert_eq!(read(&mut rest), Some(Frame { number: 7, synced: 5, payload: b"some" }));
        assert_eq!(read(&mut rest), Some(Frame { number: 8, synced: 7, payload: b"" }));
        assert!(rest.is_empty() && read(&mut rest).is_none());
        for bit in 0..(HEADER + 4) * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&mut &bad[..]), None, "bit {bit}");
            assert_eq!(synced_later(&bad), Some(7), "bit {bit}");
        }
        assert_eq!(read(&mut &bytes[..HEADER + 3]), None);
        assert_eq!(synced_later(&bytes[1..HEADER]), None);
    }
}
