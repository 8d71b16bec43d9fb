//! `words`: the words of a text stream.

use std::panic::Location;

use waterclock_base::Text;

use crate::dstream::DStream;

/// # Text
impl DStream<Text> {
    /// The words of each text, one after the other: exactly those of [`str::split_whitespace`]. No dataset
    /// where this stream has none.
    ///
    /// The fast form of `flat_map(|line| line.split_whitespace()..)`: a block of text from a socket or a
    /// file is looked at as a whole, 64 bytes at a time, and no line is made of it.
    ///
    /// ```
    /// use waterclock_base::Text;
    /// use waterclock_streaming::testing::check_stream;
    /// let words = |line: &[&str]| line.iter().map(|word| Text::from(*word)).collect::<Vec<_>>();
    /// check_stream(
    ///     vec![words(&["to be or ", "not\tto be"]), vec![]],
    ///     |lines| lines.words(),
    ///     vec![words(&["to", "be", "or", "not", "to", "be"]), vec![]],
    /// );
    /// ```
    #[track_caller]
    pub fn words(&self) -> DStream<Text> {
        let site = Location::caller();
        self.each("words", site, move |rdd, _| Ok(rdd.words_at("words", site)))
    }
}
