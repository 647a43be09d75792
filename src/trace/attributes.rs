//! Values that differ from span to span, in a form that costs no allocation.
//!
//! Belongs here: texts and numbers as [`ClientSpan::attributes`](super::span::ClientSpan::attributes) visits them. Does not belong
//! here: under which keys.
//!
//! Invariant: no text is ever cut: what is [`Text::made`] is a number or an address, and these fit.

use std::fmt::{Display, Write};

use opentelemetry::{StringValue, Value};

#[derive(Clone, Debug)]
pub(super) enum AttributeValue {
    Text(Text),
    Number(i64),
}

/// A text that owns nothing on the heap.
#[derive(Clone, Debug)]
pub(super) enum Text {
    /// One that this program is written with.
    Fixed(&'static str),
    /// One that is made at need, by [`Text::made`].
    Made(Short),
}

/// Up to [`Short::MOST`] bytes.
#[derive(Clone, Debug)]
pub(super) struct Short {
    bytes: [u8; Self::MOST],
    length: usize,
}

impl Text {
    /// The text of a number or an address, perhaps with a word or two before it; what goes beyond [`Short::MOST`] bytes is
    /// left out, and nothing that is given to it does.
    pub(super) fn made(shown: impl Display) -> Self {
        let mut short = Short { bytes: [0; Short::MOST], length: 0 };
        // Fails where there is no room left, which leaves what has been written so far.
        let _ = write!(short, "{shown}");
        Self::Made(short)
    }

    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Fixed(text) => text,
            // Only whole pieces of text are ever written, so these bytes are one.
            Self::Made(short) => std::str::from_utf8(&short.bytes[..short.length]).unwrap_or_default(),
        }
    }
}

impl Short {
    /// The longest there is: an IPv6 address takes at most 39, "Milvus code -2147483648" 23.
    const MOST: usize = 47;
}

impl Write for Short {
    fn write_str(&mut self, piece: &str) -> std::fmt::Result {
        let end = self.length + piece.len();
        let room = self.bytes.get_mut(self.length..end).ok_or(std::fmt::Error)?;
        room.copy_from_slice(piece.as_bytes());
        self.length = end;
        Ok(())
    }
}

impl From<Text> for StringValue {
    fn from(text: Text) -> Self {
        match text {
            Text::Fixed(text) => text.into(),
            made @ Text::Made(_) => made.as_str().to_owned().into(),
        }
    }
}

impl From<AttributeValue> for Value {
    fn from(value: AttributeValue) -> Self {
        match value {
            AttributeValue::Text(text) => Self::String(text.into()),
            AttributeValue::Number(number) => Self::I64(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv6Addr};

    #[test]
    fn the_longest_texts_that_are_made_fit() {
        let longest = IpAddr::V6(Ipv6Addr::from([0xffff; 8]));
        assert_eq!(Text::made(longest).as_str(), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
        let mapped: IpAddr = "::ffff:255.255.255.255".parse().unwrap();
        assert_eq!(Text::made(mapped).as_str(), "::ffff:255.255.255.255");
        let words = Text::made(format_args!("Milvus code {}", i32::MIN));
        assert_eq!(words.as_str(), "Milvus code -2147483648");
    }

    #[test]
    fn a_piece_without_room_is_left_out_whole() {
        let (fits, beyond) = ("x".repeat(40), "é".repeat(4));
        assert_eq!(Text::made(format_args!("{fits}{beyond}")).as_str(), fits);
    }
}
