//! *How* to talk to Milvus: its messages, the control session, pre-framed requests, the measured transport, errors,
//! readiness and the embedded server.

mod count;
mod described;
mod dial;
pub mod embedded;
mod errors;
pub mod frame;
mod headers;
pub mod ops;
mod ownership;
pub mod proto;
mod readiness;
mod rows;
pub mod scan;
mod session;
pub mod transport;
mod vectors;

pub use described::DescribedIndex;
pub use dial::{DialError, Dialer};
pub use errors::*;
pub use frame::Frame;
pub use headers::CallHeaders;
pub use ownership::*;
pub use readiness::{IndexProgress, Missing, Readiness, Segments, index_of};
pub use rows::{PRIMARY_KEY, RowLayout};
pub use session::Session;
pub use vectors::vector_type;
