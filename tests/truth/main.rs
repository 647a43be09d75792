//! The numbers against the truth: the engine and the binary against servers whose behaviour is known to the request.
//!
//! No assertion here asks the machine to be quick. Where a time is judged, it is against what the server wrote down, or
//! the bound is so wide that only the error it was made to catch can reach it.

mod accounting;
mod bookkeeping;
mod clocks;
mod connections;
mod lies;
mod phases;
mod scribe;
mod slots;
mod stages;
mod stall;
mod support;
mod tls;
mod wire;
