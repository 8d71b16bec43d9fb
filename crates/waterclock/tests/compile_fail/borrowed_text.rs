//! A `&'static str` can be passed along, but not be stored and read back.

use std::time::Duration;
use waterclock::prelude::*;

fn main() {
    let ssc = StreamingContext::builder("test").batch_interval(Duration::from_secs(1)).build().unwrap();
    let words = ssc.queue_stream(vec![vec!["a", "b"]]);
    words.map(|word| word.len()).count();
    words.print();
}
