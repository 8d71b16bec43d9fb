//! Keys are compared and hashed.

use std::time::Duration;
use waterclock::prelude::*;

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Page {
    name: String,
}

fn main() {
    let ssc = StreamingContext::builder("test").batch_interval(Duration::from_secs(1)).build().unwrap();
    let pages = ssc.queue_stream(vec![vec![1u64]]).map(|n| (Page { name: n.to_string() }, n));
    pages.reduce_by_key(|a, b| a + b);
}
