//! Writing requests and records.
//!
//! `kafka-protocol` could encode them, and the tests hold every byte against it. But it brings `anyhow` with its
//! backtraces and symbol names, hashed maps and thirteen versions of each request: more than the whole module may weigh.

/// Writes a request's body. `is_flexible` chooses between the two forms of lengths, and whether there are tagged
/// fields (KIP-482).
#[derive(Debug, Default)]
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_flexible: bool,
}

impl Writer {
    pub(crate) fn boolean(&mut self, value: bool) {
        self.bytes.push(value.into());
    }

    pub(crate) fn int16(&mut self, value: i16) {
        self.raw(&value.to_be_bytes());
    }

    pub(crate) fn int32(&mut self, value: i32) {
        self.raw(&value.to_be_bytes());
    }

    pub(crate) fn int64(&mut self, value: i64) {
        self.raw(&value.to_be_bytes());
    }

    /// At most 32,767 bytes, which is looked to where texts come in.
    pub(crate) fn string(&mut self, text: &str) {
        if self.is_flexible {
            self.unsigned_varint(text.len() as u64 + 1);
        } else {
            self.int16(text.len() as i16);
        }
        self.raw(text.as_bytes());
    }

    pub(crate) fn null_string(&mut self) {
        if self.is_flexible { self.unsigned_varint(0) } else { self.int16(-1) }
    }

    pub(crate) fn byte_string(&mut self, bytes: &[u8]) {
        self.array_length(bytes.len());
        self.raw(bytes);
    }

    pub(crate) fn array_length(&mut self, length: usize) {
        if self.is_flexible { self.unsigned_varint(length as u64 + 1) } else { self.int32(length as i32) }
    }

    /// None.
    pub(crate) fn tags(&mut self) {
        if self.is_flexible {
            self.bytes.push(0);
        }
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The records' form of numbers: zigzag.
    pub(crate) fn varint(&mut self, value: i64) {
        self.unsigned_varint(((value << 1) ^ (value >> 63)) as u64);
    }

    pub(crate) fn unsigned_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}
