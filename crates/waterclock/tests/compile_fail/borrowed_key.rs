//! A `&'static str` as a key can't be read back either.

use std::time::Duration;
use waterclock::prelude::*;

fn main() {
    let ssc = StreamingContext::builder("test").batch_interval(Duration::from_secs(1)).build().unwrap();
    let words = ssc.queue_stream(vec![vec!["a", "b"]]);
    words.map(|word| (word, 1u64)).reduce_by_key(|a, b| a + b);
}
