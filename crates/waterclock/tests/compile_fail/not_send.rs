//! Records are moved between threads: `Rc` can't be.

use std::rc::Rc;
use std::time::Duration;
use waterclock::prelude::*;

fn main() {
    let ssc = StreamingContext::builder("test").batch_interval(Duration::from_secs(1)).build().unwrap();
    ssc.queue_stream(vec![vec![1, 2]]).map(|n| Rc::new(n));
}
