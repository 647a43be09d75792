//! `milvus-load`: load for the Milvus vector database, latency measured from the intended start, and a trace for
//! every slow request.
//!
//! # The way of the data
//!
//! ```text
//! workload.toml -> Workload -> Plan -> workers -> Sample -> Recorder -> Interval -> RunReport -> renderings
//!                               |        |          \-> slowest, exemplars -> traces
//!                           Schedule   Transport
//! ```
//!
//! # Rooms
//!
//! | module | answers | may use |
//! |---|---|---|
//! | [`units`] | in what unit | nothing |
//! | [`workload`] | *what* to do | units |
//! | [`data`] | *which* vectors | units |
//! | [`milvus`] | *how* to talk to Milvus | data, workload |
//! | [`trace`] | *which* request it was; knows no workloads | units |
//! | [`measure`] | *what* happened; knows no Milvus | units, trace |
//! | [`engine`] | *when* to do it | all of the above |
//! | [`truth`] | a server with programmed delays, to prove the measurement | milvus |
//! | [`report`] | *how* to show it; never talks to a server | measure, trace, workload |
//! | [`commands`] | one file per subcommand | everything |
#![deny(missing_docs)]

pub mod cli;
pub mod clock;
pub mod commands;
pub mod data;
pub mod engine;
pub mod grpc;
pub mod measure;
pub mod milvus;
pub mod random;
pub mod report;
pub mod trace;
pub mod truth;
pub mod units;
pub mod workload;
