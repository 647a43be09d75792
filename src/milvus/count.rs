//! How many rows a collection really has, growing ones included, and above which key nothing is.

use super::Session;
use super::errors::MilvusError;
use super::proto::common::ConsistencyLevel;
use super::proto::milvus::QueryRequest;
use super::proto::schema::{field_data, scalar_field};

impl Session {
    /// Rows that match `filter` (empty: all), seen with strong consistency. The collection must be loaded.
    ///
    /// # Errors
    /// See [`MilvusError`].
    pub async fn count(&self, collection: &str, filter: &str) -> Result<u64, MilvusError> {
        let request = QueryRequest {
            collection_name: collection.to_owned(),
            expr: filter.to_owned(),
            output_fields: vec!["count(*)".to_owned()],
            // Strong is level 0 together with timestamp 0.
            consistency_level: ConsistencyLevel::Strong as i32,
            guarantee_timestamp: 0,
            ..QueryRequest::default()
        };
        let answer = self.query(request).await?;
        let count = answer.fields_data.into_iter().find_map(|field| match field.field? {
            field_data::Field::Scalars(scalars) => match scalars.data? {
                scalar_field::Data::LongData(longs) => longs.data.first().copied(),
                _ => None,
            },
            field_data::Field::Vectors(_) => None,
        });
        match count {
            Some(rows) => Ok(rows.max(0) as u64),
            None => Err(MilvusError::Incomplete { call: "Query", what: "count(*)" }),
        }
    }

    /// The first key of `key_field` above every key in the collection; at least `from`. A binary search over the
    /// predicate "is there a row at or above x", some 20 to 64 queries.
    ///
    /// # Errors
    /// See [`MilvusError`].
    pub async fn first_free_key(
        &self,
        collection: &str,
        key_field: &str,
        from: u64,
    ) -> Result<u64, MilvusError> {
        let (mut low, mut step) = (from, 1u64);
        // Invariant: every key is below `high`.
        let mut high = loop {
            let probe = from.saturating_add(step).min(i64::MAX as u64);
            if probe == i64::MAX as u64 || self.count(collection, &at_or_above(key_field, probe)).await? == 0
            {
                break probe;
            }
            low = probe;
            step = step.saturating_mul(2);
        };
        while low < high {
            let middle = low + (high - low) / 2;
            if self.count(collection, &at_or_above(key_field, middle)).await? == 0 {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }
}

fn at_or_above(field: &str, key: u64) -> String {
    format!("{field} >= {key}")
}
