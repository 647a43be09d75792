//! Lists of `key=value` in environment variables: headers and resource attributes.

/// Why a list could not be read; names no value, since headers are secrets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PairError {
    /// An entry without `=` or without a key; its number, from 1.
    NoKey(usize),
    /// `%` that is not followed by two hex digits, or bytes that are not UTF-8; the entry's number, from 1.
    Encoding(usize),
}

/// Splits `a=1,b=%20` at its commas and first `=` signs and decodes percent signs in both halves. Spaces around either
/// half and empty entries are ignored, as in the W3C baggage format which the specification refers to.
pub(super) fn parse(text: &str) -> Vec<Result<(String, String), PairError>> {
    let entries = text.split(',').enumerate().filter(|(_, entry)| !entry.trim().is_empty());
    entries.map(|(index, entry)| pair(entry, index + 1)).collect()
}

fn pair(entry: &str, number: usize) -> Result<(String, String), PairError> {
    let (key, value) = entry.split_once('=').ok_or(PairError::NoKey(number))?;
    let decode = |text: &str| decode(text.trim()).ok_or(PairError::Encoding(number));
    match decode(key)? {
        key if key.is_empty() => Err(PairError::NoKey(number)),
        key => Ok((key, decode(value)?)),
    }
}

/// Percent-decoding; `None` where an escape is broken or the bytes are not UTF-8. `+` stays a plus.
fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pairs_are_split_trimmed_and_decoded() {
        let pairs = parse(" a = 1 ,b=x%2Cy%3Dz%20%C3%A9,,empty=,c=d=e+f, ");
        let pairs: Vec<_> = pairs.into_iter().map(Result::unwrap).collect();
        let expected = [("a", "1"), ("b", "x,y=z é"), ("empty", ""), ("c", "d=e+f")];
        assert_eq!(pairs, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    #[test]
    fn broken_entries_are_named_by_their_number_alone() {
        let errors: Vec<_> = parse("a=1,secret,=secret,b=%zz,c=%4,d=%ff").into_iter().skip(1).collect();
        use PairError::{Encoding, NoKey};
        assert_eq!(errors, [NoKey(2), NoKey(3), Encoding(4), Encoding(5), Encoding(6)].map(Err));
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(key in "[^\\s].{0,20}[^\\s]", value in "[^\\s].{0,20}[^\\s]") {
            let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
            let text = format!("{}={}", encode(&key), encode(&value));
            prop_assert_eq!(parse(&text), vec![Ok((key, value))]);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = parse(&text);
        }
    }
}
