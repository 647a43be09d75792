//! *How* to talk to Milvus: its messages, the control session, pre-framed requests, the measured transport, errors,
//! readiness and the embedded server.

mod count;
mod create;
mod described;
mod dial;
pub mod embedded;
mod errors;
mod fingerprint;
pub mod frame;
mod headers;
mod mark;
pub mod ops;
pub mod proto;
mod readiness;
mod rows;
pub mod scan;
mod session;
pub mod transport;
mod vectors;

pub use create::{create_request, data_type, index_request};
pub use described::DescribedIndex;
pub use dial::{DialError, Dialer};
pub use errors::*;
pub use fingerprint::{Difference, Fingerprint, data_hash};
pub use frame::Frame;
pub use headers::CallHeaders;
pub use mark::{Maker, Mark};
pub use readiness::{IndexProgress, Missing, Readiness, Segments, index_of};
pub use rows::{PRIMARY_KEY, RowLayout};
pub use session::Session;
pub use vectors::vector_type;
