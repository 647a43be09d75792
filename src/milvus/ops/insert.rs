//! Insert: rows as columns, the vectors written straight into the request.

use std::ops::Range;

use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use super::{Context, Op, Scan, Supply};
use crate::data::{ScalarSource, Vectors};
use crate::milvus::frame::{Frame, PREFIX};
use crate::milvus::proto::schema::{self, DataType, FieldData, ScalarField, field_data, scalar_field};
use crate::milvus::rows::{RowLayout, text_of};
use crate::milvus::scan::{ScanError, Scanned, Value, scan_reply};
use crate::milvus::vectors::{self, VectorWire};
use crate::workload::{Insert, Scalar, ScalarKind};

pub const RPC: &str = "Insert";

impl Op for Insert {
    fn rpc(&self) -> &'static str {
        RPC
    }

    fn scan(&self) -> Scan {
        scan
    }

    fn supply(&self, _queries: u64) -> Supply {
        Supply::Fresh { rows: self.batch }
    }

    fn payload(&self, vector_bytes: usize) -> usize {
        self.batch as usize * vector_bytes
    }

    fn frame(&self, context: &Context<'_>, place: u64) -> Frame {
        frame(context.collection, context.layout, place, self.batch)
    }
}

/// `MutationResult`: rows are `insert_cnt(6)`, the write's time is `timestamp(9)`.
///
/// # Errors
/// Where the bytes are not a protobuf message.
pub fn scan(message: &[u8]) -> Result<Scanned, ScanError> {
    scan_reply(message, |found, number, value| {
        match (number, value) {
            (6, Value::Number(rows)) => found.count = rows,
            (9, Value::Number(timestamp)) => found.timestamp = timestamp,
            _ => {}
        }
        Ok(())
    })
}

/// An Insert of rows `first .. first + rows`, each row's key being its number.
pub fn frame(collection: &str, layout: &RowLayout, first: u64, rows: u32) -> Frame {
    let mut columns = Vec::new();
    if let Some(key) = &layout.key {
        let data = (first..first + u64::from(rows)).map(|row| row as i64).collect();
        let keys = scalar_field::Data::LongData(schema::LongArray { data });
        columns.push(column(key, DataType::Int64, keys));
    }
    for (scalar, source) in &layout.scalars {
        columns.push(scalar_column(scalar, source, first..first + u64::from(rows)));
    }
    let vectors = VectorColumn::new(&layout.vector, &layout.vectors, rows);
    let columns_len: usize =
        columns.iter().map(|column| prost::encoding::message::encoded_len(5, column)).sum();
    let length = collection.len() + columns_len + vectors.encoded_len() + 32;
    let mut body = Vec::with_capacity(length);
    body.resize(PREFIX, 0);
    prost::encoding::string::encode(3, &collection.to_owned(), &mut body);
    for column in &columns {
        prost::encoding::message::encode(5, column, &mut body);
    }
    prost::encoding::uint32::encode(7, &rows, &mut body);
    vectors.encode(&mut body, |out| {
        for row in first..first + u64::from(rows) {
            layout.vectors.write_row(row, out);
        }
    });
    Frame::whole(body, Some(rows))
}

fn scalar_column(scalar: &Scalar, source: &ScalarSource, rows: Range<u64>) -> FieldData {
    let indexes = rows.map(|row| source.of_row(row));
    let (kind, data) = match scalar.kind {
        ScalarKind::Bool => {
            let data = indexes.map(|i| i % 2 == 1).collect();
            (DataType::Bool, scalar_field::Data::BoolData(schema::BoolArray { data }))
        }
        ScalarKind::Int32 => {
            let data = indexes.map(|i| i as i32).collect();
            (DataType::Int32, scalar_field::Data::IntData(schema::IntArray { data }))
        }
        ScalarKind::Int64 => {
            let data = indexes.map(|i| i as i64).collect();
            (DataType::Int64, scalar_field::Data::LongData(schema::LongArray { data }))
        }
        ScalarKind::Float => {
            let data = indexes.map(|i| i as f32).collect();
            (DataType::Float, scalar_field::Data::FloatData(schema::FloatArray { data }))
        }
        ScalarKind::Double => {
            let data = indexes.map(|i| i as f64).collect();
            (DataType::Double, scalar_field::Data::DoubleData(schema::DoubleArray { data }))
        }
        ScalarKind::Varchar => {
            let data = indexes.map(|i| text_of(scalar, i)).collect();
            (DataType::VarChar, scalar_field::Data::StringData(schema::StringArray { data }))
        }
    };
    column(&scalar.name, kind, data)
}

fn column(name: &str, kind: DataType, data: scalar_field::Data) -> FieldData {
    FieldData {
        r#type: kind as i32,
        field_name: name.to_owned(),
        field: Some(field_data::Field::Scalars(ScalarField { data: Some(data) })),
    }
}

/// The vector column, written field by field so that vectors go straight into the request:
/// `InsertRequest.fields_data(5) { type 1, field_name 2, vectors 4 { dim 1, values } }`, where the values are a field of bytes,
/// or a message with such a field.
struct VectorColumn {
    /// `FieldData` but for its vectors.
    head: Vec<u8>,
    wire: VectorWire,
    dim: u64,
    /// Of all values together.
    bytes: u64,
}

impl VectorColumn {
    fn new(name: &str, vectors: &Vectors, rows: u32) -> Self {
        let wire = vectors::wire(vectors.kind());
        let head = FieldData { r#type: wire.data_type as i32, field_name: name.to_owned(), field: None };
        let bytes = vectors.bytes() as u64 * u64::from(rows);
        Self { head: head.encode_to_vec(), wire, dim: vectors.dim().into(), bytes }
    }

    fn values_len(&self) -> u64 {
        self.wire.within.map_or(self.bytes, |tag| field_len(tag, self.bytes))
    }

    fn vectors_len(&self) -> u64 {
        (key_len(1) + encoded_len_varint(self.dim)) as u64 + field_len(self.wire.values, self.values_len())
    }

    fn column_len(&self) -> u64 {
        self.head.len() as u64 + field_len(4, self.vectors_len())
    }

    fn encoded_len(&self) -> usize {
        field_len(5, self.column_len()) as usize
    }

    fn encode(&self, body: &mut Vec<u8>, write_values: impl FnOnce(&mut Vec<u8>)) {
        length_delimited(5, self.column_len(), body);
        body.extend_from_slice(&self.head);
        length_delimited(4, self.vectors_len(), body);
        encode_key(1, WireType::Varint, body);
        encode_varint(self.dim, body);
        length_delimited(self.wire.values, self.values_len(), body);
        if let Some(tag) = self.wire.within {
            length_delimited(tag, self.bytes, body);
        }
        write_values(body);
    }
}

fn field_len(tag: u32, payload: u64) -> u64 {
    key_len(tag) as u64 + encoded_len_varint(payload) as u64 + payload
}

fn length_delimited(tag: u32, payload: u64, body: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, body);
    encode_varint(payload, body);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{BitClusters, Mixture, ScalarValue, VectorType};
    use crate::milvus::proto::milvus::{InsertRequest, MutationResult};
    use crate::milvus::proto::schema::{VectorField, vector_field};

    fn layout() -> RowLayout {
        let scalar = |name: &str, kind, distinct| Scalar { name: name.to_owned(), kind, distinct };
        let scalars = [
            scalar("colour", ScalarKind::Varchar, 5),
            scalar("flag", ScalarKind::Bool, 2),
            scalar("n", ScalarKind::Int64, 9),
        ];
        RowLayout {
            key: Some("id".to_owned()),
            vector: "vector".to_owned(),
            vectors: Vectors::clustered(VectorType::Float, 7, 6, 3, 0.2),
            scalars: scalars
                .into_iter()
                .enumerate()
                .map(|(i, s)| (s.clone(), ScalarSource::new(7, i as u64, s.distinct)))
                .collect(),
        }
    }

    /// The independent decoder (prost) must read back what was written by hand.
    #[test]
    fn an_insert_decodes_to_the_rows_it_was_made_of() {
        let layout = layout();
        let frame = frame("things", &layout, 200, 3);
        assert_eq!(frame.expected(), Some(3));
        let bytes = frame.to_bytes(None);
        assert_eq!(bytes[0], 0, "not compressed");
        assert_eq!(u32::from_be_bytes(bytes[1..5].try_into().unwrap()) as usize, bytes.len() - 5);
        let request = InsertRequest::decode(&bytes[5..]).unwrap();
        assert_eq!((request.collection_name.as_str(), request.num_rows), ("things", 3));
        let named = |name: &str| request.fields_data.iter().find(|f| f.field_name == name).unwrap().clone();
        let Some(field_data::Field::Vectors(VectorField {
            dim: 6,
            data: Some(vector_field::Data::FloatVector(floats)),
        })) = named("vector").field
        else {
            panic!("no float vectors of 6 dimensions")
        };
        let expected: Vec<f32> = (200..203).flat_map(|row| Mixture::new(7, 6, 3, 0.2).row(row)).collect();
        assert_eq!(floats.data, expected);
        let Some(field_data::Field::Scalars(ScalarField { data: Some(scalar_field::Data::LongData(keys)) })) =
            named("id").field
        else {
            panic!("no keys")
        };
        assert_eq!(keys.data, [200, 201, 202]);
        let Some(field_data::Field::Scalars(ScalarField {
            data: Some(scalar_field::Data::StringData(texts)),
        })) = named("colour").field
        else {
            panic!("no texts")
        };
        for (row, text) in (200..203).zip(texts.data) {
            assert_eq!(ScalarValue::Text(text), layout.scalar_value(0, row));
        }
    }

    #[test]
    fn binary_vectors_decode_to_the_bits_they_were_made_of() {
        let vectors = Vectors::clustered(VectorType::Binary, 7, 24, 3, 0.2);
        let layout = RowLayout { key: None, vector: "bits".to_owned(), vectors, scalars: vec![] };
        let bytes = frame("things", &layout, 5, 4).to_bytes(None);
        let request = InsertRequest::decode(&bytes[5..]).unwrap();
        let [column] = &request.fields_data[..] else { panic!("one column") };
        assert_eq!((column.field_name.as_str(), column.r#type()), ("bits", DataType::BinaryVector));
        let bits: Vec<u8> = (5..9).flat_map(|row| BitClusters::new(7, 24, 3, 0.2).row(row)).collect();
        let data = Some(vector_field::Data::BinaryVector(bits.into()));
        assert_eq!(column.field, Some(field_data::Field::Vectors(VectorField { dim: 24, data })));
    }

    #[test]
    fn an_insert_reply_gives_rows_and_timestamp() {
        let reply =
            MutationResult { insert_cnt: 100, timestamp: 470_607_126_243_512_413, ..Default::default() };
        let scanned = scan(&reply.encode_to_vec()).unwrap();
        assert_eq!((scanned.code, scanned.count, scanned.timestamp), (0, 100, 470_607_126_243_512_413));
    }

    proptest::proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = scan(&bytes);
        }
    }
}
