//! Get: a Query for rows by their keys.

use super::{Context, Op, OpError, Scan, Supply, query};
use crate::data::KeySource;
use crate::milvus::frame::Frame;
use crate::workload::Get;

impl Op for Get {
    fn rpc(&self) -> &'static str {
        query::RPC
    }

    fn scan(&self) -> Scan {
        query::scan
    }

    fn supply(&self, queries: u64) -> Supply {
        Supply::Repeated { distinct: queries }
    }

    /// A key of up to 8 digits, and its comma.
    fn payload(&self, _vector_bytes: usize) -> usize {
        query::REST_BYTES + self.keys as usize * 9
    }

    fn check(&self, context: &Context<'_>) -> Result<(), OpError> {
        let collection = context.collection.to_owned();
        if context.layout.key.is_none() {
            return Err(OpError::UnknownKeys { collection });
        }
        let rows = context.key_range();
        if rows < u64::from(self.keys) {
            return Err(OpError::TooFewRows { collection, rows, keys: self.keys });
        }
        Ok(())
    }

    fn frame(&self, context: &Context<'_>, place: u64) -> Frame {
        let keys = KeySource::new(context.seed, context.operation, context.key_range());
        let keys: Vec<String> = keys.of_request(place, self.keys).iter().map(ToString::to_string).collect();
        let field = context.layout.key.as_deref().unwrap_or_default();
        let expression = format!("{field} in [{}]", keys.join(","));
        let expected = u32::try_from(keys.len()).ok();
        query::read_frame(context, expression, &self.output_fields, Vec::new(), expected)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::milvus::ops::test_context::{TestContext, decoded};

    #[test]
    fn a_get_names_different_base_rows_and_expects_each_of_them() {
        let test = TestContext::new(1_000);
        let get = Get { keys: 20, output_fields: vec!["n".to_owned()] };
        let context = test.context();
        get.check(&context).unwrap();
        let mut all = HashSet::new();
        for place in 0..50 {
            let frame = get.frame(&context, place);
            assert_eq!(frame.expected(), Some(20));
            let request = decoded(&frame);
            let keys = request.expr.strip_prefix("id in [").unwrap().strip_suffix(']').unwrap();
            let keys: Vec<u64> = keys.split(',').map(|key| key.parse().unwrap()).collect();
            assert_eq!(keys, KeySource::new(context.seed, context.operation, 1_000).of_request(place, 20));
            assert_eq!(
                (request.collection_name.as_str(), request.output_fields),
                ("c", vec!["n".to_owned()])
            );
            assert!(request.query_params.is_empty());
            all.insert(keys);
        }
        assert_eq!(all.len(), 50, "each asks for others");
    }

    #[test]
    fn where_keys_cannot_be_known_or_rows_are_too_few_it_is_refused_with_the_remedy() {
        let mut test = TestContext::new(5);
        let get = Get { keys: 6, output_fields: vec![] };
        let refused = get.check(&test.context()).unwrap_err().to_string();
        assert!(refused.contains("5 rows") && refused.contains("6 different keys"), "{refused}");
        test.layout.key = None;
        let refused = get.check(&test.context()).unwrap_err().to_string();
        assert!(refused.contains("kind = \"query\""), "{refused}");
    }
}
