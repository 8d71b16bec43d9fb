//! What is kept may have to be written down.

use std::time::Duration;
use waterclock::prelude::*;

#[derive(Clone)]
struct Click {
    user: u64,
}

fn main() {
    let ssc = StreamingContext::builder("test").batch_interval(Duration::from_secs(1)).build().unwrap();
    let clicks = ssc.queue_stream(vec![vec![1u64]]).map(|user| Click { user });
    clicks.filter(|click| click.user > 0).count();
    clicks.persist(StorageLevel::MemoryOnly);
}
