//! State that was written as an old type, read as that and converted.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::de::DeserializeOwned;
use waterclock_base::{BoxError, Error, Schema, decode};
use waterclock_engine::panic_message;

/// Reads a value of the old type from the front of the bytes and converts it.
type ReadOld<S> = dyn Fn(&mut &[u8]) -> Result<S, BoxError> + Send + Sync;

/// How state of one old type becomes state of today's.
pub(crate) struct Migration<S> {
    /// What was written.
    pub(crate) old: Schema,
    pub(crate) read: Box<ReadOld<S>>,
}

impl<S: 'static> Migration<S> {
    /// From `Old`, which had this version if its schema can't be found out.
    pub(crate) fn new<Old: DeserializeOwned>(
        version: u32,
        convert: impl Fn(Old) -> Result<S, BoxError> + Send + Sync + 'static,
    ) -> Self {
        let old = match Schema::of::<Old>() {
            Schema::Opaque { .. } => Schema::Opaque { version },
            traced => traced,
        };
        let read = move |bytes: &mut &[u8]| {
            let old: Old = decode(bytes)?;
            catch_unwind(AssertUnwindSafe(|| convert(old)))
                .unwrap_or_else(|panic| Err(Error::Panic { message: panic_message(panic) }.into()))
        };
        Migration { old, read: Box::new(read) }
    }

    /// The same for a type that holds the state: what it was written as, and how it is read around the value.
    pub(crate) fn within<W>(
        self,
        around: impl FnOnce(Schema) -> Schema,
        read: impl Fn(&ReadOld<S>, &mut &[u8]) -> Result<W, BoxError> + Send + Sync + 'static,
    ) -> Migration<W> {
        let old = match self.old {
            // What holds something that can't be traced can't be either.
            opaque @ Schema::Opaque { .. } => opaque,
            traced => around(traced),
        };
        let inner = self.read;
        Migration { old, read: Box::new(move |bytes| read(&*inner, bytes)) }
    }
}
