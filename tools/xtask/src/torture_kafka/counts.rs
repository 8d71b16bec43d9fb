//! The comparison: what was written against a count of what was to be read. Nothing of Waterclock's is in it.

use std::collections::BTreeMap;

/// What is wrong with the output, in words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Words of the input.
    pub(super) words: u64,
    /// Words that the output counts.
    pub(super) counted: u64,
    /// Words that are missing in the output.
    pub(super) lost: u64,
    /// Words that are in it more than once.
    pub(super) doubled: u64,
    /// Records whose total is not the one before and what was new.
    pub(super) broken: u64,
}

/// Lines of words against lines `WORD<TAB>NEW<TAB>TOTAL`, those of a word in their order.
pub(super) fn compare(input: &str, output: &str) -> Result<Verdict, String> {
    let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
    for word in input.split_whitespace() {
        *expected.entry(word).or_default() += 1;
    }
    let mut verdict = Verdict { words: expected.values().sum(), ..Verdict::default() };
    let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for line in output.lines() {
        let mut parts = line.split('\t');
        let (word, new, total) = (parts.next(), parts.next(), parts.next());
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok());
        let (Some(word), Some(new), Some(total)) = (word, number(new), number(total)) else {
            return Err(format!("`{line}` is no record of the output"));
        };
        let before = totals.insert(word, total).unwrap_or(0);
        *sums.entry(word).or_default() += new;
        verdict.broken += u64::from(total != before + new);
        verdict.counted += new;
    }
    for word in expected.keys().chain(sums.keys().filter(|word| !expected.contains_key(*word))) {
        let [wanted, found] = [&expected, &sums].map(|counts| counts.get(word).copied().unwrap_or(0));
        verdict.lost += wanted.saturating_sub(found);
        verdict.doubled += found.saturating_sub(wanted);
    }
    Ok(verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_or_doubled_is_found() {
        let input = "a b\na\n";
        let right = "a\t1\t1\nb\t1\t1\na\t1\t2\n";
        assert_eq!(compare(input, right).unwrap(), Verdict { words: 3, counted: 3, ..Verdict::default() });
        let lost = compare(input, "a\t1\t1\na\t1\t2\n").unwrap();
        assert_eq!((lost.lost, lost.doubled, lost.broken), (1, 0, 0));
        let doubled = compare(input, &format!("{right}a\t1\t2\n")).unwrap();
        assert_eq!((doubled.lost, doubled.doubled, doubled.broken), (0, 1, 1));
        let gap = compare(input, "b\t1\t1\na\t1\t2\n").unwrap();
        assert_eq!((gap.lost, gap.broken), (1, 1));
        assert!(compare(input, "a 1 1").is_err());
    }
}
