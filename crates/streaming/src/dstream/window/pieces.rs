//! Which merged pieces make up a window. Pure.
//!
//! Time is cut into leaves of equal length, counted from the start of the stream. A piece of level `l`
//! covers `2^l` leaves and begins at a multiple of `2^l`; it is made from two pieces of the level below. Any
//! run of `n` leaves is at most `2 log2 n` pieces. Which pieces those are depends on the run alone, so a
//! window that is made again after a failure merges the same things in the same order.

/// A run of leaves that are merged into one dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) level: u32,
    /// How many pieces of this level lie before it.
    pub(super) index: u64,
}

impl Piece {
    pub(super) fn leaf(index: u64) -> Piece {
        Piece { level: 0, index }
    }

    /// Its two halves, the earlier one first; none for a leaf.
    pub(super) fn halves(self) -> Option<[Piece; 2]> {
        let level = self.level.checked_sub(1)?;
        Some([Piece { level, index: self.index * 2 }, Piece { level, index: self.index * 2 + 1 }])
    }

    /// Where it is among all pieces, in order of time.
    pub(super) fn place(self) -> (u64, u32) {
        (self.first_leaf(), self.level)
    }

    /// The number of its first leaf.
    pub(super) fn first_leaf(self) -> u64 {
        self.index << self.level
    }
}

/// The fewest pieces that make up the leaves from `begin` up to `end`, in order of time.
pub(super) fn cover(begin: u64, end: u64) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = begin;
    while at < end {
        let fits = (end - at).ilog2();
        let level = if at == 0 { fits } else { at.trailing_zeros().min(fits) };
        pieces.push(Piece { level, index: at >> level });
        at += 1 << level;
    }
    pieces
}

/// The greatest number that divides both; the other one where one is zero.
pub(super) fn common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn leaves(piece: Piece) -> Vec<u64> {
        match piece.halves() {
            None => vec![piece.index],
            Some([a, b]) => [leaves(a), leaves(b)].concat(),
        }
    }

    proptest! {
        #[test]
        fn pieces_are_the_run_in_order_and_few(begin in 0u64..5000, len in 0u64..600) {
            let pieces = cover(begin, begin + len);
            let all: Vec<u64> = pieces.iter().copied().flat_map(leaves).collect();
            prop_assert_eq!(all, (begin..begin + len).collect::<Vec<_>>());
            prop_assert!(pieces.len() as u32 <= 2 * len.max(1).ilog2() + 1);
            prop_assert!(pieces.iter().all(|piece| piece.first_leaf() >= begin));
        }
    }

    #[test]
    fn divisors() {
        assert_eq!([common_divisor(12, 18), common_divisor(7, 0), common_divisor(0, 3)], [6, 7, 3]);
    }
}
