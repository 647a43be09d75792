//! Reads a stored histogram that anybody may have written: in bounded memory, and without a panic.
//!
//! hdrhistogram's own reader allocates what a length in the file says, up to 4 GiB, and negates without a look. So the text is
//! inflated here, up to what a histogram of ours can take, and held against our layout, before it is handed on.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::read::ZlibDecoder;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::{Counter, Histogram};

use super::histogram::{DIGITS, HistogramError, LONGEST};

/// The cookies of HdrHistogram's V2 form, deflated and plain.
const DEFLATED: u32 = 0x1c84_9314;
const PLAIN: u32 = 0x1c84_9313;
/// Cookie, length, offset, digits, lowest, highest, ratio.
const HEADER: usize = 40;
/// More than any histogram of ours has: 33,792 buckets, each a count of at most 9 bytes.
const MOST_COUNTS: usize = 9 * 33_792;
/// Of base64 text: deflating adds a little where it finds nothing to save.
const MOST_TEXT: usize = (HEADER + MOST_COUNTS) * 3 / 2;

/// From base64 text of the deflated V2 form with our range and precision.
pub(super) fn decode<C: Counter>(text: &str) -> Result<Histogram<C>, HistogramError> {
    if text.len() > MOST_TEXT {
        return Err(format("it is too long"));
    }
    let bytes = BASE64.decode(text).map_err(|e| HistogramError::Base64(e.to_string()))?;
    if number(&bytes, 0) != Some(DEFLATED) || bytes.len() < 8 {
        return Err(format("it does not begin with the cookie of the deflated form"));
    }
    let mut plain = Vec::new();
    ZlibDecoder::new(&bytes[8..])
        .take((HEADER + MOST_COUNTS) as u64 + 1)
        .read_to_end(&mut plain)
        .map_err(|e| format(&e.to_string()))?;
    check(&plain)?;
    Deserializer::new().deserialize(&mut plain.as_slice()).map_err(|e| format(&e.to_string()))
}

/// That our layout is in the header, that the counts are as long as it says, and that each is one that can be negated.
fn check(plain: &[u8]) -> Result<(), HistogramError> {
    let cut = || format("it is cut off");
    let wide = |at| Some(u64::from(number(plain, at)?) << 32 | u64::from(number(plain, at + 4)?));
    if number(plain, 0) != Some(PLAIN) {
        return Err(format("it does not hold the plain form"));
    }
    let counts = plain.get(HEADER..).ok_or_else(cut)?;
    let (low, high) = (wide(16).ok_or_else(cut)?, wide(24).ok_or_else(cut)?);
    let digits = u8::try_from(number(plain, 12).ok_or_else(cut)?).unwrap_or(u8::MAX);
    if (low, high, digits) != (1, LONGEST.get(), DIGITS) {
        return Err(HistogramError::Layout { low, high, digits });
    }
    if number(plain, 4).map(|length| length as usize) != Some(counts.len()) || counts.len() > MOST_COUNTS {
        return Err(format("its counts are not as long as it says"));
    }
    // i64::MIN in zig-zag: the one number whose negation overflows.
    let mut digits_of_count = 0;
    let mut value = 0u64;
    for &byte in counts {
        let last = digits_of_count == 8;
        value |= u64::from(if last { byte } else { byte & 0x7f }) << (7 * digits_of_count);
        if byte & 0x80 != 0 && !last {
            digits_of_count += 1;
            continue;
        }
        if value == u64::MAX {
            return Err(format("a count is out of range"));
        }
        (digits_of_count, value) = (0, 0);
    }
    Ok(())
}

fn format(message: &str) -> HistogramError {
    HistogramError::Format(message.to_owned())
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;
    use crate::measure::Timings;
    use crate::units::Nanos;

    /// A deflated histogram of ours with these counts, and this length in its header.
    fn text(counts: &[u8], length: u32) -> String {
        let mut plain = Vec::new();
        plain.extend(PLAIN.to_be_bytes());
        plain.extend(length.to_be_bytes());
        plain.extend(0u32.to_be_bytes());
        plain.extend(3u32.to_be_bytes());
        plain.extend(1u64.to_be_bytes());
        plain.extend(LONGEST.get().to_be_bytes());
        plain.extend(1f64.to_be_bytes());
        plain.extend(counts);
        deflated(&plain)
    }

    fn deflated(plain: &[u8]) -> String {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(plain).unwrap();
        let zlib = zlib.finish().unwrap();
        let mut bytes = DEFLATED.to_be_bytes().to_vec();
        bytes.extend(u32::try_from(zlib.len()).unwrap().to_be_bytes());
        bytes.extend(zlib);
        BASE64.encode(bytes)
    }

    #[track_caller]
    fn refused(text: &str) {
        assert!(decode::<u64>(text).is_err());
    }

    #[test]
    fn a_histogram_that_lies_about_its_size_or_its_counts_is_refused() {
        // Zig-zag 2 is a count of 1.
        assert_eq!(decode::<u64>(&text(&[0, 2], 2)).unwrap().len(), 1);
        refused(&text(&[0, 2], u32::MAX));
        refused(&text(&[0, 2], 1));
        refused(&text(&[0xff; 9], 9));
        // A count of 2^62, and more counts than there are buckets.
        refused(&text(&vec![2; 40_000], 40_000));
        refused(&text(&vec![2; MOST_COUNTS + 1], u32::try_from(MOST_COUNTS + 1).unwrap()));
    }

    #[test]
    fn a_bomb_is_not_inflated() {
        refused(&deflated(&vec![0; 64 << 20]));
    }

    proptest! {
        #[test]
        fn bytes_of_all_kinds_are_read_or_refused(counts in prop::collection::vec(any::<u8>(), 0..300), cut in 0usize..300) {
            let length = u32::try_from(counts.len()).unwrap();
            let text = text(&counts, length);
            let _ = decode::<u32>(&text);
            let _ = decode::<u64>(&text[..text.len().min(cut)]);
        }

        #[test]
        fn text_that_was_tampered_with_is_read_or_refused(place in 0usize..200, byte in any::<u8>()) {
            let mut timings = Timings::<u64>::new();
            (0..100).for_each(|n| timings.record(Nanos::new(n * n * 1_000)));
            let mut bytes = BASE64.decode(timings.to_base64().unwrap()).unwrap();
            let place = place % bytes.len();
            bytes[place] = byte;
            let _ = decode::<u64>(&BASE64.encode(bytes));
        }
    }
}
