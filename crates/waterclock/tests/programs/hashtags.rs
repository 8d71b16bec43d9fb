use std::time::Duration;
use waterclock::prelude::*;

pub(crate) fn main() -> waterclock::Result<()> {
    let ssc = StreamingContext::get_or_create("checkpoints/hashtags", |builder| {
        let ssc = builder.app_name("hashtags").batch_interval(Duration::from_secs(1)).build()?;
        let tweets = ssc.socket_text_stream("127.0.0.1:9999")?.named("tweets");
        let counts = tweets
            .flat_map(|t| {
                t.split_whitespace().filter(|w| w.starts_with('#')).map(Text::from).collect::<Vec<_>>()
            })
            .count_by_value_and_window(Duration::from_secs(600), Duration::from_secs(1))
            .named("counts");
        counts.top_by(10, |(_, n)| *n).foreach_rdd(|rdd, time| {
            println!("{time}: {:?}", rdd.collect()?);
            Ok(())
        });
        Ok(ssc)
    })?;
    ssc.start()?;
    ssc.await_termination()
}
