//! One run of records that is kept: as they are, as bytes, or on disk.

use waterclock_base::{Codec, Data, Error, Result};

use super::memory::{Memory, Reservation, Share};
use super::spill::SpillFile;
use crate::chunk::{CHUNK, Sink, Step, lend_all, push_all};

/// Records that stay where they are until this is dropped, and can be read any number of times.
pub struct Held<T> {
    place: Place<T>,
    count: usize,
    bytes: u64,
    _reservation: Option<Reservation>,
}

enum Place<T> {
    Records(Vec<T>),
    Bytes(Vec<u8>, Codec<T>),
    Disk(SpillFile, Codec<T>),
}

/// How much of its share is full decides where records go.
#[derive(Clone, Copy)]
pub(crate) struct Placement {
    pub(crate) share: Share,
    pub(crate) serialize: bool,
    pub(crate) memory: bool,
    pub(crate) disk: bool,
}

impl<T: Data> Held<T> {
    /// Keeps records in memory, whatever the account says; for what has no other place to go.
    pub fn in_memory(records: Vec<T>) -> Self {
        let bytes = (records.len() * size_of::<T>()) as u64;
        Held { count: records.len(), bytes, place: Place::Records(records), _reservation: None }
    }

    /// Keeps records as the placement says.
    ///
    /// # Errors
    /// Gives the records back when there is no place; fails when they can't be encoded or written.
    pub(crate) fn place(
        records: Vec<T>,
        codec: Codec<T>,
        memory: &Memory,
        rule: Placement,
    ) -> Result<Result<Self, Vec<T>>> {
        let count = records.len();
        let mut encoded = None;
        let bytes = if rule.serialize {
            encoded.insert(encode_all(&records, codec)?).len() as u64
        } else {
            estimate_bytes(&records, codec)
        };
        let reserve = || memory.reserve(rule.share, bytes);
        let reservation = match rule.share {
            _ if !rule.memory => None,
            Share::Cached => reserve().or_else(|| memory.make_room(bytes).then(reserve).flatten()),
            _ => reserve(),
        };
        if reservation.is_some() {
            let place = match encoded {
                Some(encoded) => Place::Bytes(encoded, codec),
                None => Place::Records(records),
            };
            return Ok(Ok(Held { place, count, bytes, _reservation: reservation }));
        }
        if !rule.disk {
            return Ok(Err(records));
        }
        let encoded = match encoded {
            Some(encoded) => encoded,
            None => encode_all(&records, codec)?,
        };
        let file = memory.spill(&encoded)?;
        Ok(Ok(Held { place: Place::Disk(file, codec), count, bytes, _reservation: None }))
    }

    /// Whether it takes memory.
    pub(crate) fn is_in_memory(&self) -> bool {
        !matches!(self.place, Place::Disk(..))
    }

    /// The same records on disk.
    ///
    /// # Errors
    /// When they can't be encoded or written.
    pub(crate) fn on_disk(&self, codec: Codec<T>, memory: &Memory) -> Result<Self> {
        let file = match &self.place {
            Place::Records(records) => memory.spill(&encode_all(records, codec)?)?,
            Place::Bytes(bytes, _) => memory.spill(bytes)?,
            Place::Disk(file, _) => memory.spill(&file.read()?)?,
        };
        let (count, bytes) = (self.count, self.bytes);
        Ok(Held { place: Place::Disk(file, codec), count, bytes, _reservation: None })
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes that the records take, about.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Hands the records to `out`: lent where they are, decoded where they are bytes.
    pub fn read(&self, out: &mut dyn Sink<T>) -> Step {
        match &self.place {
            Place::Records(records) => lend_all(records, out),
            Place::Bytes(bytes, codec) => decode_all(bytes, self.count, *codec, out),
            Place::Disk(file, codec) => decode_all(&file.read()?, self.count, *codec, out),
        }
    }
}

fn encode_all<T>(records: &[T], codec: Codec<T>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    (codec.encode)(records, &mut bytes)?;
    Ok(bytes)
}

fn decode_all<T: Data>(mut bytes: &[u8], count: usize, codec: Codec<T>, out: &mut dyn Sink<T>) -> Step {
    let mut left = count;
    while left > 0 {
        let now = left.min(CHUNK);
        push_all((codec.decode)(&mut bytes, now)?, out)?;
        left -= now;
    }
    if bytes.is_empty() {
        Ok(())
    } else {
        let why = format!("{} bytes are left over after {count} records", bytes.len());
        Err(Error::Encoding { what: "can't read kept records".into(), why }.into())
    }
}

/// Bytes that records take in memory: exact for plain data; with what they point to, as far as a sample of
/// one in a thousand tells by its encoded size.
pub(crate) fn estimate_bytes<T>(records: &[T], codec: Codec<T>) -> u64 {
    let flat = size_of_val(records) as u64;
    if !std::mem::needs_drop::<T>() || records.is_empty() {
        return flat;
    }
    let mut sampled = 0;
    let mut bytes = Vec::new();
    for record in records.iter().step_by(1000) {
        // A record that can't be encoded fails where it is really written.
        let _ = (codec.encode)(std::slice::from_ref(record), &mut bytes);
        sampled += 1;
    }
    flat + bytes.len() as u64 * records.len() as u64 / sampled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Collect;
    use std::sync::Arc;
    use waterclock_base::world::RealDisk;

    fn memory(budget: u64) -> Memory {
        Memory::new(budget, std::env::temp_dir(), Arc::new(RealDisk))
    }
    fn read(held: &Held<String>) -> Vec<String> {
        let mut out = Collect::default();
        held.read(&mut out).unwrap();
        out.0
    }
    const ALL: Placement = Placement { share: Share::Cached, serialize: false, memory: true, disk: true };

    #[test]
    fn records_go_to_disk_when_memory_is_short_and_come_back_the_same() {
        let records: Vec<String> = (0..3000).map(|i| format!("record {i}")).collect();
        let memory = memory(1000);
        let held = Held::place(records.clone(), Codec::of(), &memory, ALL).unwrap().unwrap();
        assert!(matches!(held.place, Place::Disk(..)));
        assert!(memory.spilled() > 0);
        assert_eq!(memory.used(), 0);
        assert_eq!(read(&held), records);
        let Place::Disk(file, _) = &held.place else { unreachable!() };
        assert_eq!(read(&held).len(), 3000);
        assert!(file.read().is_ok());
    }

    #[test]
    fn without_disk_records_that_do_not_fit_are_given_back() {
        let rule = Placement { disk: false, ..ALL };
        let back = Held::place(vec!["x".repeat(5000)], Codec::of(), &memory(1000), rule).unwrap();
        assert_eq!(back.err().unwrap().len(), 1);
    }

    #[test]
    fn memory_is_given_back_when_records_are_dropped() {
        let memory = memory(1 << 20);
        for serialize in [false, true] {
            let rule = Placement { serialize, ..ALL };
            let held = Held::place(vec!["a".to_owned(), "b".into()], Codec::of(), &memory, rule);
            let held = held.unwrap().unwrap();
            assert!(memory.used_by(Share::Cached) > 0);
            assert_eq!(read(&held), ["a", "b"]);
            drop(held);
            assert_eq!(memory.used(), 0);
        }
    }
}
