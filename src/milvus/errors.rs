//! What Milvus and gRPC say when something is wrong, and what may be tried again.

use super::dial::DialError;
use crate::grpc;

/// Milvus: the collection does not exist.
pub const COLLECTION_NOT_FOUND: i32 = 100;
/// Milvus: the field has no index.
pub const INDEX_NOT_FOUND: i32 = 700;

/// Milvus codes that a set-up call may try again (service not ready, rate limited, no replica yet, and the like).
/// Decided by code: the server's own `retriable` flag is not reliable on 2.3.
const RETRIABLE: [i32; 11] = [1, 2, 4, 8, 12, 103, 106, 202, 305, 1002, 1807];

/// A control call that did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum MilvusError {
    #[error(transparent)]
    Dial(#[from] DialError),
    /// gRPC said no.
    #[error("{call}: gRPC {} {message}{}", grpc::name(*code).unwrap_or("UNKNOWN"), hint(*code))]
    Grpc {
        call: &'static str,
        /// gRPC status code, 1 to 16.
        code: u8,
        /// The server's or the transport's words.
        message: String,
    },
    /// Milvus said no inside gRPC OK.
    #[error("{call}: Milvus error {code}: {reason}")]
    Server {
        call: &'static str,
        /// Milvus's code; the old `error_code` where there is no new one.
        code: i32,
        /// The server's words.
        reason: String,
    },
    /// The answer lacks something that it must have.
    #[error("{call}: the answer has no {what}; is this a Milvus server (2.3 or later)?")]
    Incomplete {
        call: &'static str,
        /// What is missing.
        what: &'static str,
    },
}

fn hint(code: u8) -> &'static str {
    match code {
        grpc::UNAUTHENTICATED => "; set MILVUS_TOKEN or target.token_file to user:password or an API key",
        grpc::UNIMPLEMENTED => "; this server version does not offer the call",
        _ => "",
    }
}

impl MilvusError {
    /// Whether a set-up call may try again after a pause.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Dial(_) | Self::Incomplete { .. } => false,
            Self::Grpc { code, .. } => *code == grpc::UNAVAILABLE,
            Self::Server { code, .. } => RETRIABLE.contains(code),
        }
    }

    pub fn is_unimplemented(&self) -> bool {
        matches!(self, Self::Grpc { code: grpc::UNIMPLEMENTED, .. })
    }

    /// Whether Milvus answered with this code.
    pub fn is_code(&self, wanted: i32) -> bool {
        matches!(self, Self::Server { code, .. } if *code == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_listed_codes_are_tried_again() {
        let server = |code| MilvusError::Server { call: "Flush", code, reason: String::new() };
        assert!(server(8).is_retriable(), "rate limited");
        assert!(!server(9).is_retriable(), "quota exceeded or force deny");
        assert!(!server(100).is_retriable());
        let grpc = |code| MilvusError::Grpc { call: "Flush", code, message: String::new() };
        assert!(grpc(grpc::UNAVAILABLE).is_retriable());
        assert!(!grpc(grpc::UNAUTHENTICATED).is_retriable());
    }
}
