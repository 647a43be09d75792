use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::data::ScalarValue;
use crate::milvus::ops::test_context::{TestContext, decoded};
use crate::milvus::proto::schema::{self, FieldData, field_data, scalar_field, vector_field};
use crate::milvus::proto::{common, milvus};
use crate::workload::{Consistency, load_text};

const SCALARS: &str = "[load]\nrate = 1\n[collection]\nscalars = [{ name = \"n\", type = \"int64\" }, \
                       { name = \"price\", type = \"double\" }, { name = \"colour\", type = \"varchar\" }, \
                       { name = \"flag\", type = \"bool\" }]\n[[operations]]\nkind = \"query\"\n";

/// The query that a file with these keys describes.
fn query(keys: &str) -> Query {
    let workload =
        load_text("w", &format!("{SCALARS}{keys}\n"), &[]).unwrap_or_else(|error| panic!("{error}"));
    let crate::workload::OperationKind::Query(query) = &workload.operations[0].kind else {
        panic!("a query")
    };
    query.clone()
}

#[test]
fn a_query_carries_filter_fields_limit_and_consistency() {
    let test = TestContext::new(100);
    let query = query(
        "filter = \"n < {n}\"\noutput_fields = [\"n\", \"vector\"]\nlimit = 7\noffset = 2\nignore_growing = true",
    );
    let context = test.context();
    let request = decoded(&query.frame(&context, 5));
    assert_eq!(request.expr, format!("n < {}", test.layout.filter_value(0, 5)));
    assert_eq!(
        (request.collection_name.as_str(), request.output_fields.join(" ")),
        ("c", "n vector".to_owned())
    );
    let params: Vec<_> = request.query_params.iter().map(|p| (p.key.as_str(), p.value.as_str())).collect();
    assert_eq!(params, [("limit", "7"), ("offset", "2"), ("ignore_growing", "true")]);
    assert_eq!((request.consistency_level, request.guarantee_timestamp), (2, 2));
    for (consistency, last_write, expected) in [
        (Consistency::Strong, None, (0, 0)),
        (Consistency::Eventually, None, (3, 1)),
        (Consistency::Session, None, (1, 1)),
        (Consistency::Session, Some(470_607_126_243_512_413), (1, 470_607_126_243_512_413)),
    ] {
        let bytes = query.frame(&Context { consistency, ..context }, 5).to_bytes(last_write);
        let request = QueryRequest::decode(&bytes[5..]).unwrap();
        assert_eq!((request.consistency_level, request.guarantee_timestamp), expected, "{consistency:?}");
    }
}

#[test]
fn only_a_query_that_draws_has_more_than_one_request() {
    let distinct = |keys| query(keys).supply(1_000);
    assert_eq!(distinct("filter = \"n == {n}\""), Supply::Repeated { distinct: 1_000 });
    assert_eq!(distinct("filter = \"n == 3\""), Supply::Repeated { distinct: 1 });
    assert_eq!(distinct("limit = 3"), Supply::Repeated { distinct: 1 });
}

/// Counted by going through all rows, as the server would.
#[test]
fn expected_rows_are_those_that_match() {
    let test = TestContext::new(2_000);
    let number = |value: ScalarValue| match value {
        ScalarValue::Int(n) => n as f64,
        ScalarValue::Float(n) => n,
        other => panic!("{other:?} is no number"),
    };
    let compare = |operator: &str, a: ScalarValue, b: ScalarValue| match operator {
        "==" => a == b,
        "!=" => a != b,
        "<" => number(a) < number(b),
        "<=" => number(a) <= number(b),
        ">" => number(a) > number(b),
        ">=" => number(a) >= number(b),
        other => panic!("{other}"),
    };
    let fields =
        [("n", "{n}", 6), ("price", "{price}", 6), ("colour", "'{colour}'", 2), ("flag", "{flag}", 2)];
    for (field, (name, value, operators)) in fields.into_iter().enumerate() {
        for operator in ["==", "!=", "<", "<=", ">", ">="].into_iter().take(operators) {
            let query = query(&format!("filter = \"{name} {operator} {value}\""));
            for place in 0..10 {
                let drawn = test.layout.filter_value(field, place);
                let matching =
                    |row: &u64| compare(operator, test.layout.scalar_value(field, *row), drawn.clone());
                let expected = (0..2_000).filter(matching).count() as u32;
                let frame = query.frame(&test.context(), place);
                assert_eq!(frame.expected(), Some(expected), "{name} {operator} {drawn}");
            }
        }
    }
}

#[test]
fn limit_and_offset_cut_what_is_expected() {
    let test = TestContext::new(100);
    let expected = |keys| query(keys).frame(&test.context(), 0).expected();
    assert_eq!(expected("limit = 30"), Some(30));
    assert_eq!(expected("limit = 300"), Some(100));
    assert_eq!(expected("limit = 30\noffset = 90"), Some(10));
    assert_eq!(expected("limit = 30\noffset = 200"), Some(0));
    let of_value = expected("filter = \"flag == {flag}\"").unwrap();
    assert_eq!(expected("filter = \"flag == {flag}\"\nlimit = 5"), Some(5));
    assert_eq!(expected("filter = \"flag == {flag}\"\nlimit = 100\noffset = 3"), Some(of_value - 3));
    assert_eq!(
        expected("output_fields = [\"count(*)\"]\nfilter = \"n == 77\""),
        Some(1),
        "one row says how many"
    );
}

#[test]
fn what_cannot_be_known_is_not_guessed() {
    let test = TestContext::new(100);
    for filter in [
        "n == 3",
        "n == {n} and flag == {flag}",
        "not (n == {n})",
        "n + 1 == {n}",
        "price == {n}",
        "n in [{n}]",
        "colour < '{colour}'",
        "colour == '{colour}x'",
        "colour == 'x{colour}'",
        "n == {n}0",
        "id >= 5",
    ] {
        let query = query(&format!("filter = \"{filter}\""));
        assert_eq!(query.frame(&test.context(), 0).expected(), None, "{filter}");
    }
    let foreign = Context { known: None, ..test.context() };
    assert_eq!(query("filter = \"n == {n}\"").frame(&foreign, 0).expected(), None, "anybody's rows");
    assert_eq!(query("limit = 7").frame(&foreign, 0).expected(), Some(7), "but there are 100");
}

fn column(name: &str, field: field_data::Field) -> FieldData {
    FieldData { field_name: name.to_owned(), field: Some(field), ..FieldData::default() }
}

fn scalars(data: scalar_field::Data) -> field_data::Field {
    field_data::Field::Scalars(schema::ScalarField { data: Some(data) })
}

fn reply(columns: Vec<FieldData>) -> milvus::QueryResults {
    milvus::QueryResults { status: Some(common::Status::default()), fields_data: columns }
}

fn longs(data: Vec<i64>) -> field_data::Field {
    scalars(scalar_field::Data::LongData(schema::LongArray { data }))
}

fn texts(data: Vec<String>) -> field_data::Field {
    scalars(scalar_field::Data::StringData(schema::StringArray { data }))
}

fn floats(rows: usize) -> field_data::Field {
    let floats = schema::FloatArray { data: vec![0.5; rows * 8] };
    let data = Some(vector_field::Data::FloatVector(floats));
    field_data::Field::Vectors(schema::VectorField { dim: 8, data })
}

#[test]
fn rows_are_those_of_the_key_whatever_else_is_returned() {
    let count = |columns| scan(&reply(columns).encode_to_vec()).unwrap().count;
    let keys = || column("id", longs(vec![3, -1, i64::MAX]));
    assert_eq!(count(vec![keys()]), 3);
    let bools = scalars(scalar_field::Data::BoolData(schema::BoolArray { data: vec![true; 3] }));
    assert_eq!(count(vec![column("v", floats(3)), column("flag", bools), keys()]), 3);
    let nullable = column("n", longs(vec![5]));
    assert_eq!(count(vec![nullable, keys()]), 3, "a column with two nulls left out");
    let named = ["a", "", "é"].map(str::to_owned).to_vec();
    assert_eq!(count(vec![column("v", floats(3)), column("id", texts(named))]), 3);
    assert_eq!(count(vec![column("count(*)", longs(vec![123]))]), 1);
    assert_eq!(count(vec![column("id", longs(vec![])), column("v", floats(0))]), 0, "nothing matched");
    assert_eq!(count(vec![]), 0);
}

#[test]
fn a_list_that_is_not_packed_is_counted_too() {
    // LongArray { data: [1, 300] }, unpacked, as any encoder may write it.
    let array = [8, 1, 8, 0xac, 2];
    let nested = |tag: u8, inner: &[u8]| [&[tag << 3 | 2, inner.len() as u8], inner].concat();
    let message = nested(2, &nested(3, &nested(3, &array)));
    let decoded = milvus::QueryResults::decode(&message[..]).unwrap();
    assert_eq!(decoded.fields_data[0].field, Some(longs(vec![1, 300])));
    assert_eq!(scan(&message).unwrap().count, 2);
}

#[test]
fn a_reply_that_ends_in_mid_field_is_refused_wherever_it_is_cut() {
    let whole =
        reply(vec![column("id", longs((0..40).map(|n| n * 1_000).collect())), column("v", floats(40))]);
    let bytes = whole.encode_to_vec();
    assert_eq!(scan(&bytes).unwrap().count, 40);
    // Between two fields of the outermost message, what is before is a message of its own.
    let borders = [0, 2, reply(whole.fields_data[..1].to_vec()).encoded_len()];
    for cut in (0..bytes.len()).filter(|cut| !borders.contains(cut)) {
        assert_eq!(scan(&bytes[..cut]), Err(ScanError::Truncated), "cut at {cut} of {}", bytes.len());
    }
}

#[test]
fn a_failure_is_read_as_of_any_reply() {
    let status = common::Status { code: 1100, reason: "no".to_owned(), ..Default::default() };
    let failed = milvus::QueryResults { status: Some(status), ..Default::default() };
    let scanned = scan(&failed.encode_to_vec()).unwrap();
    assert_eq!((scanned.code, scanned.reason.as_str(), scanned.count), (1100, "no", 0));
}

fn any_column() -> impl Strategy<Value = FieldData> {
    let field = prop_oneof![
        prop::collection::vec(any::<i64>(), 0..50).prop_map(longs),
        prop::collection::vec(".{0,5}", 0..50).prop_map(texts),
        (0_usize..20).prop_map(floats),
        prop::collection::vec(any::<i32>(), 0..50)
            .prop_map(|data| scalars(scalar_field::Data::IntData(schema::IntArray { data }))),
        prop::collection::vec(any::<f64>(), 0..50)
            .prop_map(|data| scalars(scalar_field::Data::DoubleData(schema::DoubleArray { data }))),
    ];
    ("[a-z]{0,4}", field).prop_map(|(name, field)| column(&name, field))
}

/// The longest of the columns that can be keys, of a decoded reply.
fn rows_by_prost(reply: &milvus::QueryResults) -> u64 {
    let rows = reply.fields_data.iter().filter_map(|column| match column.field.as_ref()? {
        field_data::Field::Scalars(scalars) => match scalars.data.as_ref()? {
            scalar_field::Data::LongData(longs) => Some(longs.data.len()),
            scalar_field::Data::StringData(texts) => Some(texts.data.len()),
            _ => None,
        },
        field_data::Field::Vectors(_) => None,
    });
    rows.max().unwrap_or(0) as u64
}

proptest! {
    #[test]
    fn prost_and_the_scanner_agree(columns in prop::collection::vec(any_column(), 0..6), code: i32, reason: String) {
        let status = common::Status { code, reason: reason.clone(), ..Default::default() };
        let reply = milvus::QueryResults { status: Some(status), fields_data: columns };
        let scanned = scan(&reply.encode_to_vec()).unwrap();
        prop_assert_eq!(scanned, Scanned { code, reason, count: rows_by_prost(&reply), timestamp: 0 });
    }

    #[test]
    fn foreign_bytes_never_panic(bytes: Vec<u8>) {
        let _ = scan(&bytes);
    }

    /// Bytes that begin like a column, so that the inner levels are reached.
    #[test]
    fn spoilt_replies_never_panic(
        columns in prop::collection::vec(any_column(), 1..4), at in any::<prop::sample::Index>(), byte: u8,
    ) {
        let mut bytes = reply(columns).encode_to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = scan(&bytes);
    }
}
