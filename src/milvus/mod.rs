//! *How* to talk to Milvus: its messages, the control session, pre-framed requests, the measured transport, errors,
//! readiness and the embedded server.

mod dial;
mod errors;
pub mod frame;
mod headers;
pub mod proto;
mod rows;
pub mod scan;
mod session;

pub use dial::{DialError, Dialer};
pub use errors::*;
pub use headers::CallHeaders;
pub use rows::{PRIMARY_KEY, RowLayout};
pub use session::Session;
