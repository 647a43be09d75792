//! gRPC's status codes (gRPC, "Status codes and their use", 0 to 16).

pub const OK: u8 = 0;
pub const CANCELLED: u8 = 1;
pub const UNKNOWN: u8 = 2;
/// Whatever was sent is none of it.
pub const INVALID_ARGUMENT: u8 = 3;
pub const DEADLINE_EXCEEDED: u8 = 4;
/// The credentials do not allow it.
pub const PERMISSION_DENIED: u8 = 7;
/// A quota, a size or a rate.
pub const RESOURCE_EXHAUSTED: u8 = 8;
/// The server does not have this call.
pub const UNIMPLEMENTED: u8 = 12;
/// Something that should not happen did.
pub const INTERNAL: u8 = 13;
/// No connection, or it broke.
pub const UNAVAILABLE: u8 = 14;
/// Bad or missing credentials.
pub const UNAUTHENTICATED: u8 = 16;

const NAMES: [&str; 17] = [
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

/// The name of a status code; `None` for one that gRPC does not define.
pub fn name(code: u8) -> Option<&'static str> {
    NAMES.get(usize::from(code)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_codes() {
        assert_eq!(name(DEADLINE_EXCEEDED), Some("DEADLINE_EXCEEDED"));
        assert_eq!(name(UNAUTHENTICATED), Some("UNAUTHENTICATED"));
        assert_eq!(name(17), None);
    }
}
