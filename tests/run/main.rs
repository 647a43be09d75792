//! The real binary against the real embedded Milvus, from the command line to the report.
//!
//! One binary of several rooms, so that all tests share one server. They run beside each other, and what one does to the
//! machine no other may mind. Every report that any test makes the tool write is checked by [`books`]: its shape, its sums, its
//! histograms.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

#[path = "../common/closed_port.rs"]
mod closed_port;
#[path = "../common/tool.rs"]
mod tool;
#[path = "../common/verdict.rs"]
mod verdict;

mod attribution;
mod binary;
mod books;
mod bundled;
mod collections;
mod descriptors;
mod doctor;
mod exits;
mod failures;
mod kept;
mod lies;
mod lookups;
mod own_fraction;
mod ownership;
mod precedence;
mod pymilvus;
mod repeat;
mod requests;
mod signals;
mod support;
mod terminal;
mod tracing;
mod words;
