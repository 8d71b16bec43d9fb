//! Received blocks that went to disk, because memory was short.

use waterclock_base::{Codec, Error, Record, Result};
use waterclock_engine::{Memory, SpillFile};

use super::{LineForms, Lines, Records};

/// The records of a block in a file, which is deleted with this.
pub(super) struct Spilled<T> {
    file: SpillFile,
    count: u64,
    form: Form<T>,
}

/// What the bytes of the file are.
enum Form<T> {
    Lines(LineForms<T>),
    Records(Codec<T>),
}

impl<T> Spilled<T> {
    /// Writes records to a file.
    pub(super) fn write(records: &Records<T>, memory: &Memory) -> Result<Self>
    where
        T: Record,
    {
        let count = records.count();
        match records {
            Records::Lines(lines) => {
                let (file, form) = (memory.spill(lines.text().as_bytes())?, Form::Lines(lines.forms.clone()));
                Ok(Spilled { file, count, form })
            }
            Records::Owned(records) => {
                let (codec, mut bytes) = (Codec::of(), Vec::new());
                (codec.encode)(records, &mut bytes)?;
                Ok(Spilled { file: memory.spill(&bytes)?, count, form: Form::Records(codec) })
            }
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Reads the records.
    pub(super) fn read(&self) -> Result<Records<T>> {
        let bytes = self.file.read()?;
        match &self.form {
            Form::Records(codec) => {
                let count = usize::try_from(self.count).unwrap_or(usize::MAX);
                Ok(Records::Owned((codec.decode)(&mut &bytes[..], count)?))
            }
            Form::Lines(forms) => {
                let damaged = |error: std::string::FromUtf8Error| Error::Encoding {
                    what: "can't read lines that went to disk".into(),
                    why: error.to_string(),
                };
                let text = String::from_utf8(bytes).map_err(damaged)?.into_boxed_str();
                Ok(Records::Lines(Lines { text, count: self.count, forms: forms.clone() }))
            }
        }
    }
}
