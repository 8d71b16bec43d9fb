//! Accumulators with a name: what they had come to after each batch outlives the process.

use std::sync::{Arc, Mutex};

use waterclock_base::world::lock;
use waterclock_base::{Bytes, Error, Record, Result, Schema, SchemaChange, decode, encode, read_as};
use waterclock_engine::Accumulator;

use crate::checkpoint::Counted;

/// An accumulator without its type.
trait AnyAccumulator: Send + Sync {
    fn name(&self) -> &str;
    fn schema(&self) -> Schema;
    fn bytes(&self) -> Result<Vec<u8>>;
    fn restore(&self, written: &Schema, bytes: &[u8]) -> Result<()>;
}

impl<A: Record, V: Send + 'static> AnyAccumulator for Accumulator<A, V> {
    fn name(&self) -> &str {
        Accumulator::name(self)
    }

    fn schema(&self) -> Schema {
        Schema::of::<A>()
    }

    fn bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        encode(&self.value(), &mut bytes)?;
        Ok(bytes)
    }

    fn restore(&self, written: &Schema, mut bytes: &[u8]) -> Result<()> {
        let refuse = |why: String| Error::Checkpoint {
            dir: format!("accumulator {}", self.name()),
            why: format!("its type changed since it was saved: {why}"),
            hint: "make the new type read the old one, or begin anew under another name",
        };
        let value = match written.change_to(&Schema::of::<A>()) {
            Ok(SchemaChange::Same) => decode(&mut bytes)?,
            Ok(_) => read_as(written, &mut bytes)?,
            Err(why) => return Err(refuse(why.to_string())),
        };
        self.reset(value);
        Ok(())
    }
}

/// The accumulators of a context, and their values after the newest batch that counts.
#[derive(Default)]
pub(crate) struct Accumulators(Mutex<Vec<Arc<Known>>>);

struct Known {
    accumulator: Box<dyn AnyAccumulator>,
    /// After the newest batch that counts.
    committed: Mutex<Vec<u8>>,
}

impl Accumulators {
    /// Adds one; or says why that can't be.
    pub(crate) fn add<A: Record, V: Send + 'static>(
        &self,
        accumulator: &Accumulator<A, V>,
    ) -> Result<(), String> {
        if Schema::of::<A>() == (Schema::Opaque { version: 0 }) {
            return Err("its type does not tell what it is made of; derive its `Deserialize`".into());
        }
        let committed = Mutex::new(accumulator.bytes().map_err(|error| error.full_text())?);
        let mut all = lock(&self.0);
        if all.iter().any(|other| other.accumulator.name() == accumulator.name()) {
            return Err(format!("there is an accumulator with the name {:?} already", accumulator.name()));
        }
        all.push(Arc::new(Known { accumulator: Box::new(accumulator.clone()), committed }));
        Ok(())
    }

    /// All of them. The program's types are not asked for anything while the list is locked.
    fn all(&self) -> Vec<Arc<Known>> {
        lock(&self.0).clone()
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }

    /// A batch counts: those that it changed.
    pub(crate) fn commit(&self) -> Result<Vec<Counted>> {
        let mut changed = Vec::new();
        for known in self.all() {
            let bytes = known.accumulator.bytes()?;
            if *lock(&known.committed) != bytes {
                *lock(&known.committed) = bytes;
                changed.push(known.counted());
            }
        }
        Ok(changed)
    }

    /// All of them after the newest batch that counts.
    pub(crate) fn committed(&self) -> Vec<Counted> {
        self.all().iter().map(|known| known.counted()).collect()
    }

    /// A batch does not count, and so nothing that it added.
    pub(crate) fn roll_back(&self) -> Result<()> {
        self.all().iter().try_for_each(|known| {
            let committed = lock(&known.committed).clone();
            known.accumulator.restore(&known.accumulator.schema(), &committed)
        })
    }

    /// Takes over what was saved. What the program has no more is let go, and what is new begins anew.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for one whose type does not fit.
    pub(crate) fn restore<'c>(&self, saved: impl IntoIterator<Item = &'c Counted>) -> Result<()> {
        let all = self.all();
        for saved in saved {
            let Some(known) = all.iter().find(|known| known.accumulator.name() == saved.name) else {
                tracing::warn!(name = saved.name, "the program does not have this accumulator any more");
                continue;
            };
            known.accumulator.restore(&saved.schema, &saved.value.0)?;
            let bytes = known.accumulator.bytes()?;
            *lock(&known.committed) = bytes;
        }
        Ok(())
    }
}

impl Known {
    fn counted(&self) -> Counted {
        let (name, schema) = (self.accumulator.name().to_owned(), self.accumulator.schema());
        Counted { name, schema, value: Bytes(lock(&self.committed).clone()) }
    }
}
