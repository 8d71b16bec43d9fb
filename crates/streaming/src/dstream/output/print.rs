//! `print`: the first records of each batch, for people.

use std::panic::Location;

use waterclock_base::world::lock;
use waterclock_base::{Data, Error, Record, write_text_form};

use super::Output;
use crate::dstream::DStream;

const RULE: &str = "-------------------------------------------";

impl<T: Data> DStream<T> {
    /// Prints the time and the first ten records of each batch, also of an empty one. See
    /// [`print_first`](DStream::print_first).
    #[track_caller]
    pub fn print(&self) -> Output
    where
        T: Record,
    {
        self.print_at(Location::caller(), 10)
    }

    /// Prints the time and the first `most` records of each batch in partition order, then `...` where there
    /// are more. An error while writing, as of a closed pipe, fails the batch.
    ///
    /// ```text
    /// -------------------------------------------
    /// Time: 1000 ms
    /// -------------------------------------------
    /// (to,2)
    /// (be,2)
    ///
    /// ```
    #[track_caller]
    pub fn print_first(&self, most: usize) -> Output
    where
        T: Record,
    {
        self.print_at(Location::caller(), most)
    }

    fn print_at(&self, site: &'static Location<'static>, most: usize) -> Output
    where
        T: Record,
    {
        let printer = self.graph.printer.clone();
        self.output("print", site, move |rdd, cx| {
            let first = rdd.take_at("print", site, most + 1)?;
            let mut text = format!("{RULE}\nTime: {}\n{RULE}\n", cx.time);
            for record in first.iter().take(most) {
                write_text_form(record, &mut text);
                text.push('\n');
            }
            text.push_str(if first.len() > most { "...\n\n" } else { "\n" });
            if cx.replay.is_some() {
                return Ok(());
            }
            let mut printer = lock(&printer);
            let written = printer.write_all(text.as_bytes()).and_then(|()| printer.flush());
            written.map_err(|error| Error::outside("can't print to", "standard output", error))
        })
    }
}
