//! *One run* as a value: the server that it drives, the collection made ready on it, the load, what was seen, and the
//! report that is made of it.
//!
//! ```text
//! Server --prepare--> Ready --requests--> Requests
//!                       \--drive(Requests)--> Observed --> Record --report(&[Record])--> RunReport
//! ```
//!
//! A [`Server`] outlives what is made ready on it, and a [`Ready`] collection any number of drives: an experiment repeats
//! the last step, or makes other [`Requests`] for it, and prepares nothing again. A run in several processes is several
//! records of one report. Everything here blocks; what is asynchronous stays inside.
//!
//! Belongs here: whatever an experiment repeats and a command only names. Does not belong: arguments, exit codes, drawing on a
//! terminal ([`commands`](crate::commands)).

mod again;
mod alternation;
mod asking;
mod attribution;
mod collecting;
mod descriptors;
mod drive;
mod error;
mod evidence;
mod hopeless;
mod journal;
mod lock;
pub mod machine;
mod merged;
mod metrics;
mod observed;
mod one_request;
mod plaintext;
pub mod planning;
mod progress;
mod ready;
mod record;
mod report;
mod requests;
mod server;
mod settings;
mod stored;
pub mod tracing;

pub use again::Again;
pub use alternation::{Alternation, EdgeReading};
pub use collecting::export_settings;
pub use error::RunError;
pub use hopeless::Hopeless;
pub use journal::read_report;
pub use lock::{CollectionLock, Holder, LockError, LockKey, Sharing};
pub use merged::missing;
pub use metrics::Metrics;
pub use observed::{CollectionLook, Driven, Identity, Observed, Part, VectorRecord};
pub use progress::{Outline, RunProgress, Silent};
pub use ready::Ready;
pub use record::{CollectionRecord, Host, LoadRecord, Record, ServerRecord};
pub use report::report;
pub use requests::{Requests, bytes_ahead};
pub use server::{Server, ServerKind};
pub use settings::Settings;
pub use stored::workload_hash;
