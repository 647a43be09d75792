//! What is known of one request once it is over.

use crate::trace::TraceRef;
use crate::units::Nanos;

/// Which part of the run a request belongs to, by its intended start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Before the measured window: counted, not measured.
    Warmup,
    /// The measured window.
    Measure,
}

impl Phase {
    /// As span attributes and reports spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warmup => "warmup",
            Self::Measure => "measure",
        }
    }
}

/// How a request ended. Every offered request ends in exactly one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server did what was asked.
    Succeeded {
        /// Hits or rows returned, or rows taken.
        hits: u32,
    },
    /// The server or the connection said no.
    Failed {
        /// gRPC status code, 0 to 16; 0 where the failure is Milvus's own inside gRPC OK.
        grpc: u8,
        /// Milvus's code, 0 where there is none.
        milvus: i32,
        /// The server's words, or the transport's.
        message: Box<str>,
    },
    /// No complete answer within the timeout (counted from *sent*), or by the end of the drain.
    TimedOut,
    /// Never sent: the in-flight bound was reached when it was due.
    NotSent,
}

/// One finished request. Times count from the run's anchor (start of the warm-up).
#[derive(Clone, Debug)]
pub struct Sample {
    /// Index of the operation in the workload.
    pub operation: usize,
    /// When it was due (open loop) or its slot became free (closed loop).
    pub intended: Nanos,
    /// Just before its headers went to a connection with a free stream slot; `None`: it never came to that.
    pub sent: Option<Nanos>,
    /// When the worker had read its trailers, or when it was given up. For `NotSent`: equal to `intended`.
    pub done: Nanos,
    pub outcome: Outcome,
    pub trace: TraceRef,
    /// Index of the connection that carried it.
    pub connection: u16,
    /// Hits or rows that a complete answer has, or rows sent; `None` where nobody knows, or no answer came.
    pub hits_expected: Option<u32>,
}

impl Sample {
    /// done - intended.
    pub fn response(&self) -> Nanos {
        self.done - self.intended
    }

    /// done - sent; `None` where it was never sent.
    pub fn service(&self) -> Option<Nanos> {
        self.sent.map(|sent| self.done - sent)
    }

    /// sent - intended; `None` where it was never sent.
    pub fn lag(&self) -> Option<Nanos> {
        self.sent.map(|sent| sent - self.intended)
    }
}
