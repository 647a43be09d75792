//! Milvus's messages, generated at build time from the trimmed files in `proto/`.
#![allow(clippy::all, clippy::pedantic)]

pub mod common {
    tonic::include_proto!("milvus.proto.common");
}
pub mod schema {
    tonic::include_proto!("milvus.proto.schema");
}
pub mod milvus {
    tonic::include_proto!("milvus.proto.milvus");
}
