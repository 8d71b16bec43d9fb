//! Floating-point numbers are no keys.

use std::time::Duration;
use waterclock::prelude::*;

fn main() {
    let ssc = StreamingContext::builder("test").batch_interval(Duration::from_secs(1)).build().unwrap();
    ssc.queue_stream(vec![vec![(1.5f64, 1u64)]]).group_by_key();
}
