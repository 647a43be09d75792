//! *How* to talk to Milvus.
pub mod proto;
