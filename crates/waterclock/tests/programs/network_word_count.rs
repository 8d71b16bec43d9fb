use std::time::Duration;
use waterclock::prelude::*;

pub(crate) fn main() -> waterclock::Result<()> {
    let ssc =
        StreamingContext::builder("NetworkWordCount").batch_interval(Duration::from_millis(100)).build()?;
    let lines = ssc.socket_text_stream("127.0.0.1:9999")?;
    lines
        .flat_map(|line| line.split_whitespace().map(Text::from).collect::<Vec<_>>())
        .map(|word| (word, 1u64))
        .reduce_by_key(|a, b| a + b)
        .print();
    ssc.start()?;
    ssc.await_termination()
}
