//! Reads from a reply what the measurement needs, without decoding the rest: its status here, the rest in `ops/`.
//!
//! Input is foreign bytes: every length is checked, nothing is trusted, nothing panics.

/// What a reply says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Milvus's code: `code`, or the old `error_code` where only that is set; 0 is success.
    pub code: i32,
    /// Milvus's words, where there are any.
    pub reason: String,
    /// Hits over all queries, rows returned, or rows taken.
    pub count: u64,
    /// A write's timestamp, for Session consistency; 0 for reads.
    pub timestamp: u64,
}

/// A reply that is not the message it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// A length or varint runs past the end.
    #[error("the reply ends in the middle of a field")]
    Truncated,
    /// A wire type that proto3 does not have.
    #[error("the reply has a field of unknown wire type {0}")]
    WireType(u8),
}

/// Reads a message (without its gRPC prefix): its status (field 1), and whatever `field` makes of the others.
pub(super) fn scan_reply<'m>(
    message: &'m [u8],
    mut field: impl FnMut(&mut Scanned, u64, Value<'m>) -> Result<(), ScanError>,
) -> Result<Scanned, ScanError> {
    let mut found = Scanned::default();
    for part in Fields(message) {
        match part? {
            (1, Value::Bytes(status)) => scan_status(status, &mut found)?,
            (number, value) => field(&mut found, number, value)?,
        }
    }
    Ok(found)
}

fn scan_status(status: &[u8], found: &mut Scanned) -> Result<(), ScanError> {
    let (mut code, mut old) = (0, 0);
    for field in Fields(status) {
        match field? {
            (1, Value::Number(value)) => old = value as i32,
            (2, Value::Bytes(reason)) => found.reason = String::from_utf8_lossy(reason).into_owned(),
            (3, Value::Number(value)) => code = value as i32,
            _ => {}
        }
    }
    found.code = if code != 0 { code } else { old };
    Ok(())
}

/// The value of a field.
pub(super) enum Value<'a> {
    /// A varint.
    Number(u64),
    /// A message, text, bytes, packed numbers, or a number of fixed width.
    Bytes(&'a [u8]),
}

/// The fields of a message by number, in order.
pub(super) struct Fields<'a>(pub &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), ScanError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = next_field(&mut self.0);
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

fn next_field<'a>(rest: &mut &'a [u8]) -> Result<(u64, Value<'a>), ScanError> {
    let key = varint(rest)?;
    let value = match key & 7 {
        0 => Value::Number(varint(rest)?),
        1 => Value::Bytes(take(rest, 8)?),
        2 => {
            let length = varint(rest)?;
            Value::Bytes(take(rest, length)?)
        }
        5 => Value::Bytes(take(rest, 4)?),
        other => return Err(ScanError::WireType(other as u8)),
    };
    Ok((key >> 3, value))
}

pub(super) fn varint(rest: &mut &[u8]) -> Result<u64, ScanError> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let (&byte, tail) = rest.split_first().ok_or(ScanError::Truncated)?;
        *rest = tail;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(ScanError::Truncated)
}

fn take<'a>(rest: &mut &'a [u8], length: u64) -> Result<&'a [u8], ScanError> {
    let length = usize::try_from(length).map_err(|_| ScanError::Truncated)?;
    let (head, tail) = rest.split_at_checked(length).ok_or(ScanError::Truncated)?;
    *rest = tail;
    Ok(head)
}
