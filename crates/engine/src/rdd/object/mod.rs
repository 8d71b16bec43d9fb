//! Object files: records as bytes, in frames that each carry a checksum. The bytes are laid out in
//! docs/format.md, section "Object files"; fixtures of every version must be readable for ever.

use waterclock_base::{Codec, Data, Error, Record, Result, checksum, encode};

/// What every object file begins with: the magic and the version.
pub(crate) const HEADER: [u8; 6] = *b"WCOBJ\x01";

/// Records and bytes at which a frame is closed.
const FRAME_RECORDS: u32 = 4096;
const FRAME_BYTES: usize = 256 * 1024;
/// Record count, byte length and checksum, 4 bytes each.
const FRAME_HEADER: usize = 12;

/// Puts records into frames.
#[derive(Default)]
pub(crate) struct Frames {
    records: u32,
    /// The frame's header, filled in at the end, and its records.
    frame: Vec<u8>,
}

impl Frames {
    /// Adds a record; true when the frame is large enough to be written.
    pub(crate) fn add<T: Record>(&mut self, record: &T) -> Result<bool> {
        self.begin();
        encode(record, &mut self.frame)?;
        self.records += 1;
        Ok(self.records >= FRAME_RECORDS || self.frame.len() >= FRAME_BYTES)
    }

    fn begin(&mut self) {
        if self.records == 0 {
            self.frame.clear();
            self.frame.resize(FRAME_HEADER, 0);
        }
    }

    /// Whether it has no record yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// The bytes of the frame. The next record begins a new one; a frame without records ends the file.
    pub(crate) fn finish(&mut self) -> Result<&[u8]> {
        self.begin();
        let payload = self.frame.len() - FRAME_HEADER;
        let length = u32::try_from(payload).map_err(|_| Error::Encoding {
            what: "can't write an object file".into(),
            why: format!("a record of {payload} bytes does not fit into a frame of 4 GiB"),
        })?;
        self.frame[0..4].copy_from_slice(&self.records.to_le_bytes());
        self.frame[4..8].copy_from_slice(&length.to_le_bytes());
        let checksum = checksum([&self.frame[0..8], &self.frame[FRAME_HEADER..]]);
        self.frame[8..12].copy_from_slice(&checksum.to_le_bytes());
        self.records = 0;
        Ok(&self.frame)
    }
}

/// The header of a frame.
pub(crate) struct FrameHeader {
    bytes: [u8; FRAME_HEADER],
}

impl FrameHeader {
    /// How long it is.
    pub(crate) const BYTES: usize = FRAME_HEADER;

    /// The header that these bytes are.
    pub(crate) fn new(bytes: [u8; FRAME_HEADER]) -> Self {
        FrameHeader { bytes }
    }

    fn number(&self, at: usize) -> u32 {
        u32::from_le_bytes([self.bytes[at], self.bytes[at + 1], self.bytes[at + 2], self.bytes[at + 3]])
    }

    /// Bytes that follow.
    pub(crate) fn length(&self) -> u32 {
        self.number(4)
    }

    /// The records of the frame, none for the frame that ends the file.
    ///
    /// # Errors
    /// Says what is wrong with the bytes.
    pub(crate) fn records<T: Data>(&self, payload: &[u8], codec: Codec<T>) -> Result<Vec<T>, String> {
        let (written, found) = (self.number(8), checksum([&self.bytes[0..8], payload]));
        if found != written {
            return Err(format!("the checksum of a frame is {found:08x}, but {written:08x} was written"));
        }
        let mut rest = payload;
        let records =
            (codec.decode)(&mut rest, self.number(0) as usize).map_err(|error| error.full_text())?;
        match rest.len() {
            0 => Ok(records),
            left => Err(format!("{left} bytes of a frame are left over: its records are of another type")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_anywhere_in_a_frame_is_noticed() {
        let mut frames = Frames::default();
        frames.add(&()).unwrap();
        frames.add(&()).unwrap();
        let good = frames.finish().unwrap().to_vec();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let header = FrameHeader::new(bad[..FRAME_HEADER].try_into().unwrap());
            assert!(header.records::<()>(&bad[FRAME_HEADER..], Codec::of()).is_err(), "bit {bit}");
        }
    }
}
