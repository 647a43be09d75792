//! Query: rows by a filter, as columns.

use super::{Context, Op, Scan, Supply};
use crate::milvus::frame::{Frame, TimestampField, wire_consistency};
use crate::milvus::proto::common::KeyValuePair;
use crate::milvus::proto::milvus::QueryRequest;
use crate::milvus::scan::{Fields, ScanError, Scanned, Value, scan_reply};
use crate::workload::{Filter, FilterPart, Query};

pub(super) const RPC: &str = "Query";

/// About what a request has besides its filter: names, parameters, consistency.
pub(super) const REST_BYTES: usize = 128;

impl Op for Query {
    fn rpc(&self) -> &'static str {
        RPC
    }

    fn scan(&self) -> Scan {
        scan
    }

    /// Without a value to draw, all requests are the same.
    fn supply(&self, queries: u64) -> Supply {
        let draws = |part: &FilterPart| matches!(part, FilterPart::Value(_));
        let varies = self.filter.as_ref().is_some_and(|filter| filter.parts.iter().any(draws));
        Supply::Repeated { distinct: if varies { queries } else { 1 } }
    }

    fn payload(&self, _vector_bytes: usize) -> usize {
        REST_BYTES + self.filter.as_ref().map_or(0, |filter| filter.text.len())
    }

    fn frame(&self, context: &Context<'_>, place: u64) -> Frame {
        let filter = self.filter.as_ref().map(|filter| context.layout.filter_text(filter, place));
        let expected = expected_rows(self, context, place);
        read_frame(context, filter.unwrap_or_default(), &self.output_fields, parameters(self), expected)
    }
}

/// A QueryRequest, consistency as asked for.
pub(super) fn read_frame(
    context: &Context<'_>,
    expression: String,
    output_fields: &[String],
    query_params: Vec<KeyValuePair>,
    expected: Option<u32>,
) -> Frame {
    let (level, timestamp) = wire_consistency(context.consistency);
    let request = QueryRequest {
        collection_name: context.collection.to_owned(),
        expr: expression,
        output_fields: output_fields.to_vec(),
        guarantee_timestamp: timestamp.unwrap_or(0),
        query_params,
        consistency_level: level as i32,
        ..QueryRequest::default()
    };
    Frame::of_read(&request, context.consistency, TimestampField(8), expected)
}

fn parameters(query: &Query) -> Vec<KeyValuePair> {
    let limit = query.limit.map(|limit| ("limit", limit.to_string()));
    let offset = (query.offset > 0).then(|| ("offset", query.offset.to_string()));
    let ignore = query.ignore_growing.then(|| ("ignore_growing", "true".to_owned()));
    let pairs = [limit, offset, ignore].into_iter().flatten();
    pairs.map(|(key, value)| KeyValuePair { key: key.to_owned(), value }).collect()
}

/// The rows of a complete answer, where they can be known: of all rows, or of those that a filter on the values of the base
/// rows lets through. Rows that are written during the run come on top, up to `limit`.
fn expected_rows(query: &Query, context: &Context<'_>, place: u64) -> Option<u32> {
    if query.counts() {
        return Some(1);
    }
    let matching = match &query.filter {
        None => context.rows,
        Some(filter) => matching_rows(filter, context, place)?,
    };
    let rows = matching.saturating_sub(u64::from(query.offset));
    let rows = query.limit.map_or(rows, |limit| rows.min(u64::from(limit)));
    Some(u32::try_from(rows).unwrap_or(u32::MAX))
}

/// Only for filters of the form `field == {field}`, with any comparison that the field's type has.
fn matching_rows(filter: &Filter, context: &Context<'_>, place: u64) -> Option<u64> {
    let known = context.known?;
    let (before, field, after) = match filter.parts.as_slice() {
        [FilterPart::Text(before), FilterPart::Value(field)] => (before, *field, ""),
        [FilterPart::Text(before), FilterPart::Value(field), FilterPart::Text(after)] => {
            (before, *field, after.as_str())
        }
        _ => return None,
    };
    let (scalar, source) = context.layout.scalars.get(field)?;
    let rest = before.trim().strip_prefix(&scalar.name)?.trim();
    let operator = rest.trim_end_matches(['\'', '"']).trim_end();
    let (open, close) = (&rest[operator.len()..], after);
    if open.trim() != close.trim() || open.trim().len() > 1 {
        return None;
    }
    let occurrences = known.occurrences(context.layout, field)?;
    let value = source.of_filter(place);
    let (equal, below) = (occurrences.of(value), occurrences.below(value));
    let ordered = scalar.kind.is_number();
    Some(match operator {
        "==" => equal,
        "!=" => known.rows() - equal,
        "<" if ordered => below,
        "<=" if ordered => below + equal,
        ">" if ordered => known.rows() - below - equal,
        ">=" if ordered => known.rows() - below,
        _ => return None,
    })
}

/// `QueryResults`: rows are the values of the key's column in `fields_data(2)`, which is always there.
///
/// # Errors
/// Where the bytes are not a protobuf message.
pub fn scan(message: &[u8]) -> Result<Scanned, ScanError> {
    scan_reply(message, |found, number, value| {
        if let (2, Value::Bytes(column)) = (number, value) {
            // Columns of nullable fields may hold fewer values than there are rows, the key's never does.
            found.count = found.count.max(rows_of_column(column)?);
        }
        Ok(())
    })
}

/// Values of a column that may be the key's, 0 of any other: `FieldData.scalars(3) { long_data 3 | string_data 6 }`.
fn rows_of_column(column: &[u8]) -> Result<u64, ScanError> {
    let mut rows = 0u64;
    for field in Fields(column) {
        let (3, Value::Bytes(scalars)) = field? else { continue };
        for data in Fields(scalars) {
            rows = rows.saturating_add(match data? {
                (3, Value::Bytes(longs)) => count_longs(longs)?,
                (6, Value::Bytes(texts)) => count_texts(texts)?,
                _ => 0,
            });
        }
    }
    Ok(rows)
}

/// `LongArray { data 1 }`: packed or not, as the encoder likes. Of packed ones, the last bytes of varints are counted.
fn count_longs(longs: &[u8]) -> Result<u64, ScanError> {
    let mut count = 0u64;
    for field in Fields(longs) {
        match field? {
            (1, Value::Number(_)) => count += 1,
            (1, Value::Bytes(packed)) => {
                if packed.last().is_some_and(|byte| *byte >= 0x80) {
                    return Err(ScanError::Truncated);
                }
                count += packed.iter().filter(|byte| **byte < 0x80).count() as u64;
            }
            _ => {}
        }
    }
    Ok(count)
}

/// `StringArray { data 1 }`.
fn count_texts(texts: &[u8]) -> Result<u64, ScanError> {
    let mut count = 0u64;
    for field in Fields(texts) {
        count += u64::from(matches!(field?, (1, Value::Bytes(_))));
    }
    Ok(count)
}

#[cfg(test)]
#[path = "query_tests.rs"]
mod tests;
