//! Reading what a broker sent, which may be anything.
//!
//! `kafka-protocol` could decode answers, but it reserves room for as many elements as an array says it has, before
//! it looks whether there are any: eight bytes would end the instance. So the few answers are read here, and
//! no length is believed that the bytes at hand do not bear out.

/// An answer that is not of the form that Kafka's protocol gives it. Completes "its answer …".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

const CUT_OFF: Malformed = Malformed("ends before it should");
const BAD_LENGTH: Malformed = Malformed("has a length that cannot be");

/// Reads an answer's body from its start. `is_flexible` chooses between the two forms of lengths, and whether there
/// are tagged fields (KIP-482).
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    pub(crate) is_flexible: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes, is_flexible: false }
    }

    pub(crate) fn boolean(&mut self) -> Result<bool, Malformed> {
        Ok(self.array()? != [0])
    }

    pub(crate) fn int16(&mut self) -> Result<i16, Malformed> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    pub(crate) fn int32(&mut self) -> Result<i32, Malformed> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub(crate) fn int64(&mut self) -> Result<i64, Malformed> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// `None` for null.
    pub(crate) fn string(&mut self) -> Result<Option<&'a str>, Malformed> {
        let length = if self.is_flexible { self.compact_length()? } else { length(self.int16()?.into())? };
        let Some(length) = length else { return Ok(None) };
        let text = std::str::from_utf8(self.take(length)?);
        text.map(Some).map_err(|_| Malformed("holds text that is not UTF-8"))
    }

    /// Null reads as empty.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = if self.is_flexible { self.compact_length()? } else { length(self.int32()?)? };
        self.take(length.unwrap_or_default())
    }

    /// How many elements follow, each of at least `least_bytes`. Null reads as none.
    pub(crate) fn array_length(&mut self, least_bytes: usize) -> Result<usize, Malformed> {
        let length = if self.is_flexible { self.compact_length()? } else { length(self.int32()?)? };
        let length = length.unwrap_or_default();
        if length > self.rest.len() / least_bytes.max(1) {
            return Err(Malformed("says that more follows than does"));
        }
        Ok(length)
    }

    /// Passes over an array of 32-bit numbers.
    pub(crate) fn skip_int32s(&mut self) -> Result<(), Malformed> {
        let length = self.array_length(4)?;
        self.take(length.saturating_mul(4)).map(drop)
    }

    /// Passes over what later versions may add.
    pub(crate) fn skip_tags(&mut self) -> Result<(), Malformed> {
        if !self.is_flexible {
            return Ok(());
        }
        // Every field has two bytes at least, so this ends with the bytes.
        for _ in 0..self.unsigned_varint()? {
            self.unsigned_varint()?;
            let length = self.unsigned_varint()?;
            self.take(usize::try_from(length).map_err(|_| BAD_LENGTH)?)?;
        }
        Ok(())
    }

    /// The answer has to end here.
    pub(crate) fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed("goes on after its end")) }
    }

    /// The length plus one, or zero for null.
    fn compact_length(&mut self) -> Result<Option<usize>, Malformed> {
        match self.unsigned_varint()?.checked_sub(1) {
            None => Ok(None),
            Some(length) => usize::try_from(length).map(Some).map_err(|_| BAD_LENGTH),
        }
    }

    fn unsigned_varint(&mut self) -> Result<u32, Malformed> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array()?;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && byte > 0x0f {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(BAD_LENGTH)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(CUT_OFF)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(CUT_OFF)?;
        self.rest = rest;
        Ok(bytes)
    }
}

/// -1 is null.
fn length(value: i32) -> Result<Option<usize>, Malformed> {
    match value {
        -1 => Ok(None),
        value => usize::try_from(value).map(Some).map_err(|_| BAD_LENGTH),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flexible(bytes: &[u8]) -> Reader<'_> {
        Reader { rest: bytes, is_flexible: true }
    }

    #[test]
    fn lengths_that_the_bytes_do_not_bear_out_are_refused() {
        assert!(Reader::new(&[0x7f, 0xff, 0xff, 0xff, 1, 2]).array_length(1).is_err());
        assert!(Reader::new(&[0, 0, 0, 3, 1, 2]).array_length(1).is_err());
        assert_eq!(Reader::new(&[0, 0, 0, 2, 1, 2]).array_length(1), Ok(2));
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff]).array_length(1), Ok(0));
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xfe]).array_length(1), Err(BAD_LENGTH));
        assert_eq!(Reader::new(&[0, 5, b'a']).string(), Err(CUT_OFF));
        assert_eq!(Reader::new(&[0xff, 0xfe]).string(), Err(BAD_LENGTH));
        assert_eq!(flexible(&[0xff, 0xff, 0xff, 0xff, 0x0f]).bytes(), Err(CUT_OFF));
        assert_eq!(flexible(&[0xff, 0xff, 0xff, 0xff, 0x1f]).bytes(), Err(BAD_LENGTH));
        assert_eq!(flexible(&[0xff, 0xff, 0xff, 0xff, 0xff, 0x01]).bytes(), Err(BAD_LENGTH));
    }

    #[test]
    fn both_forms_of_strings_and_tags_are_read() {
        assert_eq!(Reader::new(&[0, 2, b'a', b'b']).string(), Ok(Some("ab")));
        assert_eq!(Reader::new(&[0xff, 0xff]).string(), Ok(None));
        assert_eq!(flexible(&[3, b'a', b'b']).string(), Ok(Some("ab")));
        assert_eq!(flexible(&[0]).string(), Ok(None));
        assert!(Reader::new(&[0, 1, 0xff]).string().is_err());
        let mut reader = flexible(&[2, 0, 1, 9, 5, 0, 7]);
        assert_eq!(reader.skip_tags(), Ok(()));
        assert_eq!(reader.clone().finish(), Err(Malformed("goes on after its end")));
        assert_eq!(reader.boolean(), Ok(true));
        assert_eq!(reader.finish(), Ok(()));
    }
}
