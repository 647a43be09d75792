//! *How* to talk to Milvus.
pub mod embedded;
pub mod proto;
