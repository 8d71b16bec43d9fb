//! How records move between operators: a chunk at a time, pushed from the source to the action.
//!
//! One dynamic call moves about a thousand records; inside it the user's closure runs in a loop that the
//! compiler sees whole. Three ways to hand records on, cheapest first where they apply:
//!
//! 1. [`Sink::block`]: whole lines of a text block, for operators that can read them where they lie;
//! 2. [`Sink::lend`]: references to records that stay with their owner (a cache, a text block);
//! 3. [`Sink::push`]: the records themselves.

use waterclock_base::{Data, Error};

/// Records handed on in one call, about.
pub const CHUNK: usize = 1024;

/// Why a partition's computation ended before its end.
#[derive(Debug)]
pub enum Halt {
    /// Whoever asked has all that it wants.
    Enough,
    /// The job was cancelled.
    Cancelled,
    /// A stage's output that was planned upon is gone: the job must be planned again.
    Missing,
    /// It failed.
    Failed(Box<Error>),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Halt::Failed(Box::new(error))
    }
}

/// What handing on records answers.
pub type Step<T = ()> = Result<T, Halt>;

/// Takes the records of one partition, in order.
///
/// # Contract
/// 1. After `push` the chunk is empty; its allocation may have been taken, too.
/// 2. After `Err` nothing more is handed on.
/// 3. `block` is only called where `wants_blocks` is true, and only for `T = Text`; its lines are records.
pub trait Sink<T: Data> {
    /// Takes all records out of the chunk.
    fn push(&mut self, chunk: &mut Vec<T>) -> Step;

    /// Takes records that stay with their owner; clones them unless the operator can do without.
    fn lend(&mut self, records: &[&T]) -> Step {
        let mut owned: Vec<T> = records.iter().map(|record| (*record).clone()).collect();
        self.push(&mut owned)
    }

    /// Whether whole lines of a text block may be handed on instead of records.
    fn wants_blocks(&self) -> bool {
        false
    }

    /// Takes whole lines of a text block.
    fn block(&mut self, _lines: &str) -> Step {
        Err(Error::Internal { what: "a block was handed to an operator that takes records".into() }.into())
    }
}

/// Gathers single records into chunks for a sink.
pub struct Emit<'a, T: Data> {
    chunk: Vec<T>,
    out: &'a mut dyn Sink<T>,
}

impl<'a, T: Data> Emit<'a, T> {
    /// Hands on to `out`.
    pub fn new(out: &'a mut dyn Sink<T>) -> Self {
        Emit { chunk: Vec::new(), out }
    }

    /// Adds a record; hands on a full chunk.
    #[inline]
    pub fn push(&mut self, record: T) -> Step {
        if self.add(record) { self.flush() } else { Ok(()) }
    }

    /// Adds a record; true when the chunk is full and has to be handed on.
    #[inline]
    pub(crate) fn add(&mut self, record: T) -> bool {
        if self.chunk.capacity() == 0 {
            self.chunk.reserve_exact(CHUNK);
        }
        self.chunk.push(record);
        self.chunk.len() >= CHUNK
    }

    /// Adds all records of an iterator, handing on full chunks.
    pub fn extend(&mut self, records: impl IntoIterator<Item = T>) -> Step {
        records.into_iter().try_for_each(|record| self.push(record))
    }

    /// Hands on what was gathered. Must be called at the end.
    pub fn flush(&mut self) -> Step {
        if self.chunk.is_empty() { Ok(()) } else { self.out.push(&mut self.chunk) }
    }
}

/// Hands on an owned collection, chunk by chunk.
pub fn push_all<T: Data>(records: Vec<T>, out: &mut dyn Sink<T>) -> Step {
    let mut records = records;
    if records.len() <= CHUNK {
        return if records.is_empty() { Ok(()) } else { out.push(&mut records) };
    }
    let mut emit = Emit::new(out);
    emit.extend(records)?;
    emit.flush()
}

/// Lends a collection, chunk by chunk.
pub fn lend_all<T: Data>(records: &[T], out: &mut dyn Sink<T>) -> Step {
    let mut lent = Vec::with_capacity(records.len().min(CHUNK));
    for chunk in records.chunks(CHUNK) {
        lent.clear();
        lent.extend(chunk);
        out.lend(&lent)?;
    }
    Ok(())
}

/// A sink that keeps everything.
#[derive(Default)]
pub struct Collect<T>(pub Vec<T>);

impl<T: Data> Sink<T> for Collect<T> {
    fn push(&mut self, chunk: &mut Vec<T>) -> Step {
        if self.0.is_empty() {
            std::mem::swap(&mut self.0, chunk);
        } else {
            self.0.append(chunk);
        }
        Ok(())
    }

    fn lend(&mut self, records: &[&T]) -> Step {
        self.0.extend(records.iter().map(|record| (*record).clone()));
        Ok(())
    }
}
