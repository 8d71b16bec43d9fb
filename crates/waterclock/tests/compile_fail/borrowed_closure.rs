//! A closure outlives the function that defines it.

use std::time::Duration;
use waterclock::prelude::*;

fn main() {
    let ssc = StreamingContext::builder("test").batch_interval(Duration::from_secs(1)).build().unwrap();
    let least = String::from("m");
    let borrowed = &least;
    ssc.queue_stream(vec![vec![String::from("a")]]).filter(move |word| word > borrowed);
}
