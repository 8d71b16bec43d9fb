//! Finding bytes, 64 at a time.

use std::ops::RangeInclusive;

use super::load_up_to_8;

/// Which of the 64 bytes from `at` on are `single` or in `range`, and whether all are ASCII.
#[inline(always)]
pub(super) fn find(bytes: &[u8], at: usize, single: u8, range: RangeInclusive<u8>) -> (u64, bool) {
    let rest = &bytes[at..];
    let Some(whole) = rest.first_chunk::<64>() else {
        return find_in_last(bytes, rest, single, range);
    };
    let mut found = 0;
    let mut high = 0;
    for (i, part) in whole.as_chunks::<16>().0.iter().enumerate() {
        let (here, above) = find_in_16(part, single, &range);
        found |= u64::from(here) << (16 * i);
        high |= above;
    }
    (found, high == 0)
}

/// The same for fewer than 64 bytes, `rest`, with which `bytes` end.
#[inline(always)]
fn find_in_last(bytes: &[u8], rest: &[u8], single: u8, range: RangeInclusive<u8>) -> (u64, bool) {
    let mut found = 0;
    let mut high = 0;
    let (parts, left) = rest.as_chunks::<16>();
    let mut shift = 0;
    for part in parts {
        let (here, above) = find_in_16(part, single, &range);
        found |= u64::from(here) << shift;
        high |= above;
        shift += 16;
    }
    if !left.is_empty() {
        let (here, above) = match bytes.last_chunk::<16>() {
            Some(last) => {
                let (here, above) = find_in_16(last, single, &range);
                let known = 16 - left.len();
                (here >> known, above >> known)
            }
            None => {
                let mut last = [0; 16];
                last[..8].copy_from_slice(&load_up_to_8(left).to_le_bytes());
                if left.len() > 8 {
                    last[8..].copy_from_slice(&load_up_to_8(&left[8..]).to_le_bytes());
                }
                find_in_16(&last, single, &range)
            }
        };
        found |= u64::from(here) << shift;
        high |= above;
    }
    (found, high == 0)
}

/// Which of 16 bytes are `single` or in `range`, and which are not ASCII.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn find_in_16(part: &[u8; 16], single: u8, range: &RangeInclusive<u8>) -> (u16, u16) {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
        _mm_sub_epi8,
    };
    let each = |byte: u8| byte.cast_signed();
    #[expect(
        unsafe_code,
        reason = "words are found and made in 3.9 instead of 5.1 ns, lines in 9 instead of 16"
    )]
    // SAFETY: every x86_64 has SSE2; 16 bytes are read, those of `part`, which need no alignment.
    let (found, high) = unsafe {
        let bytes = _mm_loadu_si128(part.as_ptr().cast());
        let is_single = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(each(single)));
        // Below the range the difference wraps around to a high number.
        let above_start = _mm_sub_epi8(bytes, _mm_set1_epi8(each(*range.start())));
        let span = _mm_set1_epi8(each(range.end() - range.start()));
        let in_range = _mm_cmpeq_epi8(_mm_min_epu8(above_start, span), above_start);
        (_mm_movemask_epi8(_mm_or_si128(is_single, in_range)), _mm_movemask_epi8(bytes))
    };
    (found as u16, high as u16)
}

#[cfg(not(target_arch = "x86_64"))]
use find_in_16_anywhere as find_in_16;

/// The same on any processor: eight bytes at a time in an ordinary number.
#[cfg(any(not(target_arch = "x86_64"), test))]
#[inline(always)]
fn find_in_16_anywhere(part: &[u8; 16], single: u8, range: &RangeInclusive<u8>) -> (u16, u16) {
    /// A byte eight times.
    const fn each(byte: u8) -> u64 {
        u64::MAX / 255 * byte as u64
    }
    /// The highest bits of the eight bytes, side by side.
    fn gather(marks: u64) -> u16 {
        ((marks >> 7 & each(1)).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u16
    }
    let eight = |bytes: u64| {
        // No sum below carries into the next byte, as the highest bits are put aside.
        let low = bytes & each(0x7f);
        let differs = (low ^ each(single & 0x7f)) + each(0x7f);
        let from_start = low + each(0x80 - (range.start() & 0x7f));
        let past_end = low + each(0x7f - (range.end() & 0x7f));
        // Both `single` and `range` lie in the same half of the bytes.
        let half = if single < 0x80 { !bytes } else { bytes };
        (gather((!differs | (from_start & !past_end)) & half), gather(bytes))
    };
    let bytes = u128::from_le_bytes(*part);
    let ((first, first_high), (second, second_high)) = (eight(bytes as u64), eight((bytes >> 64) as u64));
    (first | second << 8, first_high | second_high << 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expected(bytes: &[u8], single: u8, range: &RangeInclusive<u8>) -> (u64, bool) {
        let piece = &bytes[..bytes.len().min(64)];
        let bit = |(i, byte): (usize, &u8)| u64::from(*byte == single || range.contains(byte)) << i;
        (piece.iter().enumerate().map(bit).fold(0, |all, bit| all | bit), piece.is_ascii())
    }

    #[test]
    fn every_byte_at_every_place() {
        for (single, range) in [(b' ', b'\t'..=b'\r'), (0xc2, 0xe1..=0xe3), (b'\n', b'\n'..=b'\n')] {
            for byte in 0..=255 {
                for place in 0..16 {
                    // The neighbours are those that most easily carry into it.
                    for neighbour in [0x00, 0x7f, 0x80, 0xff] {
                        let mut part = [neighbour; 16];
                        part[place] = byte;
                        let (found, ascii) = expected(&part, single, &range);
                        let got = find_in_16(&part, single, &range);
                        assert_eq!((u64::from(got.0), got.1 == 0), (found, ascii), "{part:x?}");
                        assert_eq!(find_in_16_anywhere(&part, single, &range), got, "{part:x?}");
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn short_pieces_too(bytes in prop::collection::vec(0..60_u8, 0..200), at in 0..200_usize) {
            let at = at.min(bytes.len());
            let wanted = expected(&bytes[at..], b' ', &(b'\t'..=b'\r'));
            prop_assert_eq!(find(&bytes, at, b' ', b'\t'..=b'\r'), wanted);
        }
    }
}
