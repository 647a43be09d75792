//! The W3C `traceparent` header, written without formatting machinery.
//!
//! `00-<32 hex digits of trace ID>-<16 of span ID>-<2 of flags>`: 55 bytes (W3C Trace Context, section 3.2).

use http::HeaderValue;

/// The header's name, in lower case as HTTP/2 demands.
pub const NAME: &str = "traceparent";

/// Two hex digits for every byte.
const HEX: [[u8; 2]; 256] = hex_table();

const fn hex_table() -> [[u8; 2]; 256] {
    let digits = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    table
}

/// The header of one request. Marked sensitive: an ID that never comes again must not push others out of HPACK's table.
pub fn header(trace_id: u128, span_id: u64, sampled: bool) -> HeaderValue {
    // Cannot fail: the bytes are hex digits and hyphens. An empty header would be ignored by the server.
    let mut value =
        HeaderValue::from_bytes(&bytes(trace_id, span_id, sampled)).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

/// The header's 55 bytes.
pub fn bytes(trace_id: u128, span_id: u64, sampled: bool) -> [u8; 55] {
    let mut out = *b"00-................................-................-00";
    write_hex(&mut out[3..35], &trace_id.to_be_bytes());
    write_hex(&mut out[36..52], &span_id.to_be_bytes());
    out[54] = if sampled { b'1' } else { b'0' };
    out
}

fn write_hex(out: &mut [u8], bytes: &[u8]) {
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&HEX[usize::from(*byte)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_the_w3c_recommendation_comes_out() {
        let (trace, span) = (0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, 0x00f0_67aa_0ba9_02b7);
        let value = header(trace, span, true);
        assert_eq!(value, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        assert!(value.is_sensitive());
        assert_eq!(header(trace, span, false), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00");
    }

    proptest! {
        #[test]
        fn it_is_what_formatting_would_write(trace: u128, span: u64, sampled: bool) {
            let formatted = format!("00-{trace:032x}-{span:016x}-{:02x}", u8::from(sampled));
            prop_assert_eq!(header(trace, span, sampled), formatted.as_str());
        }
    }
}
