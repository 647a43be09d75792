//! A collector that counts spans and keeps none.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;

use super::receive::Take;
use super::scan::scopes;
use super::tally::Tally;
use crate::grpc;

pub(super) struct Counting {
    tally: Mutex<Tally>,
    /// The name of the client's service.
    client: String,
}

impl Counting {
    pub(super) fn new(client: String) -> Arc<Self> {
        Arc::new(Self { tally: Mutex::default(), client })
    }

    pub(super) fn tally(&self) -> Tally {
        self.with(|tally| tally.clone())
    }

    /// Counting cannot panic; were it to, the counts would still be as good as before.
    fn with<T>(&self, work: impl FnOnce(&mut Tally) -> T) -> T {
        work(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Take for Counting {
    fn take(&self, export: Bytes, bytes: usize) -> Result<(), u8> {
        // Decoded spans are larger by far than empty ones in an export.
        scopes(&export).map_err(|_| grpc::INVALID_ARGUMENT)?;
        let export = ExportTraceServiceRequest::decode(export).map_err(|_| grpc::INVALID_ARGUMENT)?;
        self.with(|tally| tally.take(&export, bytes, &self.client));
        Ok(())
    }

    fn refused(&self) {
        self.with(|tally| tally.refused += 1);
    }
}
