//! A checkpoint for people.

use std::fmt::Write;

use waterclock::{
    BatchTime, InspectedBatch, InspectedContent, InspectedInput, InspectedRange, InspectedState, Inspection,
};

/// Files, blocks and offsets that are shown of one input.
const SHOWN: usize = 5;

/// Batches that are over and shown: there may be as many as since the last snapshot.
const SHOWN_BATCHES: usize = 3;

/// Everything.
pub(super) fn inspection(inspection: &Inspection) -> String {
    let mut text = format!("checkpoint {}\n", inspection.dir);
    match &inspection.content {
        Some(content) => self::content(&mut text, content, inspection.owner.as_deref()),
        None => text.push_str(&format!("  {}\n", inspection.problem.as_deref().unwrap_or_default())),
    }
    text.push_str("files\n");
    let width = inspection.files.iter().map(|file| file.name.len()).max().unwrap_or_default();
    for file in &inspection.files {
        let (name, bytes, frames) = (&file.name, bytes(file.bytes), count(file.frames, "frame"));
        put(&mut text, format_args!("  {name:width$}  {bytes:>10}  {frames:>12}  {}", file.state));
    }
    text.trim_end().to_owned()
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing into a string does not fail.
    let _ = writeln!(text, "{line}");
}

fn content(text: &mut String, content: &InspectedContent, owner: Option<&str>) {
    let never = || "none yet".to_owned();
    let stopped = match content.stopped {
        Some(at) => format!("in order, with nothing left to do, at {}", time(at)),
        None => "not in order, or still running".into(),
    };
    let rows = [
        ("format version", content.format_version.to_string()),
        ("program", content.app_name.clone()),
        ("application", content.application.clone()),
        ("batch interval", format!("{} ms", content.batch_interval_ms)),
        ("zero time", time(content.zero)),
        ("key groups", content.key_groups.to_string()),
        ("hash seed", content.seed.clone()),
        ("owner epoch", content.epoch.to_string()),
        ("owner", owner.unwrap_or("no process has it").to_owned()),
        ("snapshot", format!("after {}", time(content.snapshot))),
        ("last committed", content.last_committed.map_or_else(never, time)),
        ("stopped", stopped),
    ];
    for (name, value) in rows {
        put(text, format_args!("  {name:14}  {value}"));
    }
    put(text, format_args!("batches that a start runs again: {}", content.pending.len()));
    content.pending.iter().for_each(|batch| self::batch(text, batch));
    put(text, format_args!("batches that are over and still known: {}", content.retained.len()));
    let earlier = content.retained.len().saturating_sub(SHOWN_BATCHES);
    if earlier > 0 {
        put(text, format_args!("  ({earlier} earlier ones: see `--json`)"));
    }
    content.retained[earlier..].iter().for_each(|batch| self::batch(text, batch));
    put(text, format_args!("sources: {}", content.sources.len()));
    for source in &content.sources {
        let position = source
            .position_bytes
            .map_or("no position".into(), |size| format!("a position of {}", bytes(size)));
        let stored = match source.blocks {
            0 => String::new(),
            n => format!(", {} of {} since the snapshot", count(n, "block"), bytes(source.block_bytes)),
        };
        put(text, format_args!("  {}: {position}{stored}", source.name));
    }
    put(text, format_args!("state: {}", content.states.len()));
    content.states.iter().for_each(|state| self::state(text, state));
    put(text, format_args!("accumulators: {}", content.accumulators.len()));
    for accumulator in &content.accumulators {
        let size = bytes(accumulator.bytes);
        put(text, format_args!("  {}: {} of {size}", accumulator.name, accumulator.value));
    }
    put(text, format_args!("outputs: {}", content.outputs.len()));
    content.outputs.iter().for_each(|output| put(text, format_args!("  {output}")));
}

fn batch(text: &mut String, batch: &InspectedBatch) {
    let how = match batch.committed {
        None => "begun",
        Some(true) => "committed",
        Some(false) => "failed and stepped over",
    };
    let (at, after) = (time(batch.time), batch.after);
    let partitions = count(batch.partitions.into(), "partition");
    put(text, format_args!("  {at}, {how}: from {after}, {partitions}, program {}", batch.program));
    for InspectedInput { source, records, range, .. } in &batch.inputs {
        // Not every source knows how many records there are.
        let records = if *records == 0 { String::new() } else { count(*records, "record") + ", " };
        put(text, format_args!("    reads {source}: {records}{}", self::range(range)));
    }
    for (output, hash) in &batch.outputs {
        put(text, format_args!("    wrote {output}: content hash {hash}"));
    }
}

fn state(text: &mut String, state: &InspectedState) {
    let own = if state.own_partitioner { ", by a partitioner of the program's own" } else { "" };
    put(text, format_args!("  {}: {} -> {}{own}", state.name, state.key, state.value));
    let keys = match (state.keys, state.bytes) {
        (Some(keys), Some(size)) => format!("{} of {}", count(keys, "key"), bytes(size)),
        _ => "an unknown number of keys".into(),
    };
    let version = state.version.map_or_else(|| "no version yet".into(), |at| format!("as of {}", time(at)));
    put(text, format_args!("    {keys}, {version}, {} in the files", bytes(state.stored_bytes)));
}

fn range(range: &InspectedRange) -> String {
    match range {
        InspectedRange::Nothing => "nothing".into(),
        InspectedRange::Blocks(blocks) => listed("block", blocks, |block| match block.bytes {
            Some(size) => format!("{} ({})", block.number, bytes(size)),
            None => block.number.to_string(),
        }),
        InspectedRange::Files(files) => {
            listed("file", files, |file| format!("{} ({})", file.path, bytes(file.bytes)))
        }
        InspectedRange::Offsets(ranges) => listed("partition", ranges, |range| {
            format!("{}-{} from {} to {}", range.topic, range.partition, range.from, range.to)
        }),
        InspectedRange::Numbers(first, second) => format!("numbers {first}, {second}"),
        InspectedRange::Bytes(hex) => format!("a range of the program's own: {hex}"),
        _ => "a range of another release".into(),
    }
}

fn listed<T>(what: &str, all: &[T], show: impl Fn(&T) -> String) -> String {
    let shown: Vec<String> = all.iter().take(SHOWN).map(show).collect();
    let more = if all.len() > SHOWN { ", ..." } else { "" };
    format!("{}: {}{more}", count(all.len() as u64, what), shown.join(", "))
}

/// So many of something.
pub(super) fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// A size in the unit that suits it.
pub(super) fn bytes(n: u64) -> String {
    let mut size = n as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if size < 1024.0 {
            return if unit == "B" { format!("{n} B") } else { format!("{size:.1} {unit}") };
        }
        size /= 1024.0;
    }
    format!("{size:.1} TiB")
}

/// A batch time, and the date and time of day that it is in UTC.
fn time(at: BatchTime) -> String {
    let (date, time) = at.utc();
    format!("{} ms ({date} {time} UTC)", at.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates() {
        let shown = |ms| time(BatchTime::from_millis(ms));
        assert_eq!(shown(0), "0 ms (1970-01-01 00:00:00.000 UTC)");
        assert_eq!(shown(951_782_400_000), "951782400000 ms (2000-02-29 00:00:00.000 UTC)");
        assert_eq!(shown(1_795_240_924_567), "1795240924567 ms (2026-11-21 06:02:04.567 UTC)");
        assert_eq!(shown(-1), "-1 ms (1969-12-31 23:59:59.999 UTC)");
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(3 << 30), "3.0 GiB");
        assert_eq!((count(1, "key"), count(0, "key")), ("1 key".into(), "0 keys".into()));
    }
}
