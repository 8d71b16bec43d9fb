//! Grouped values are moved between partitions, which may have to write them down.

use std::time::Duration;
use waterclock::prelude::*;

#[derive(Clone)]
struct Click {
    user: u64,
}

fn main() {
    let ssc = StreamingContext::builder("test").batch_interval(Duration::from_secs(1)).build().unwrap();
    let clicks = ssc.queue_stream(vec![vec![1u64]]).map(|user| (user, Click { user }));
    clicks.group_by_key();
}
