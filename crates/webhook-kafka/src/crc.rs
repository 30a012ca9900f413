//! Checksums: Castagnoli's for record batches, Ethernet's for gzip (RFC 1952). One small table each, since a module is
//! loaded more often than it computes checksums of megabytes.

const CASTAGNOLI: [u32; 256] = table(0x82f6_3b78);
const ETHERNET: [u32; 256] = table(0xedb8_8320);

pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    checksum(&CASTAGNOLI, bytes)
}

pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    checksum(&ETHERNET, bytes)
}

#[expect(clippy::indexing_slicing, reason = "a byte is within the table's 256 entries")]
fn checksum(table: &[u32; 256], bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| (crc >> 8) ^ table[usize::from(crc as u8 ^ byte)])
}

#[expect(clippy::indexing_slicing, reason = "computed when this is compiled")]
const fn table(polynomial: u32) -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (polynomial * (crc & 1));
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values_are_those_of_the_catalogue_of_crcs() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }
}
