//! What Milvus and gRPC say when something is wrong, and what may be tried again.

use super::dial::DialError;

/// gRPC status names by code (gRPC's statuscodes document, 0 to 16).
const GRPC_NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// gRPC: the call was cancelled.
pub const GRPC_CANCELLED: u8 = 1;
/// gRPC: unknown error.
pub const GRPC_UNKNOWN: u8 = 2;
/// gRPC: no answer in time.
pub const GRPC_DEADLINE_EXCEEDED: u8 = 4;
/// gRPC: not allowed.
pub const GRPC_PERMISSION_DENIED: u8 = 7;
/// gRPC: too large, too many, or too often.
pub const GRPC_RESOURCE_EXHAUSTED: u8 = 8;
/// gRPC: the server does not have this call.
pub const GRPC_UNIMPLEMENTED: u8 = 12;
/// gRPC: something that should not happen did.
pub const GRPC_INTERNAL: u8 = 13;
/// gRPC: no connection, or it broke.
pub const GRPC_UNAVAILABLE: u8 = 14;
/// gRPC: bad or missing credentials.
pub const GRPC_UNAUTHENTICATED: u8 = 16;

/// The name of a gRPC status code; `UNKNOWN` for one that gRPC does not define.
pub fn grpc_name(code: u8) -> &'static str {
    GRPC_NAMES.get(usize::from(code)).copied().unwrap_or("UNKNOWN")
}

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
    /// No connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// gRPC said no.
    #[error("{call}: gRPC {} {message}{}", grpc_name(*code), hint(*code))]
    Grpc {
        /// The RPC.
        call: &'static str,
        /// gRPC status code, 1 to 16.
        code: u8,
        /// The server's or the transport's words.
        message: String,
    },
    /// Milvus said no inside gRPC OK.
    #[error("{call}: Milvus error {code}: {reason}")]
    Server {
        /// The RPC.
        call: &'static str,
        /// Milvus's code; the old `error_code` where there is no new one.
        code: i32,
        /// The server's words.
        reason: String,
    },
    /// The answer lacks something that it must have.
    #[error("{call}: the answer has no {what}; is this a Milvus server (2.3 or later)?")]
    Incomplete {
        /// The RPC.
        call: &'static str,
        /// What is missing.
        what: &'static str,
    },
}

fn hint(code: u8) -> &'static str {
    match code {
        GRPC_UNAUTHENTICATED => "; set MILVUS_TOKEN or target.token_file to user:password or an API key",
        GRPC_UNIMPLEMENTED => "; this server version does not offer the call",
        _ => "",
    }
}

impl MilvusError {
    /// Whether a set-up call may try again after a pause.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Dial(_) | Self::Incomplete { .. } => false,
            Self::Grpc { code, .. } => *code == GRPC_UNAVAILABLE,
            Self::Server { code, .. } => RETRIABLE.contains(code),
        }
    }

    /// Whether the server lacks this call.
    pub fn is_unimplemented(&self) -> bool {
        matches!(self, Self::Grpc { code: GRPC_UNIMPLEMENTED, .. })
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
        assert!(grpc(GRPC_UNAVAILABLE).is_retriable());
        assert!(!grpc(GRPC_UNAUTHENTICATED).is_retriable());
    }

    #[test]
    fn names_follow_the_codes() {
        assert_eq!(grpc_name(4), "DEADLINE_EXCEEDED");
        assert_eq!(grpc_name(16), "UNAUTHENTICATED");
        assert_eq!(grpc_name(200), "UNKNOWN");
    }
}
