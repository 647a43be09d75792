//! Placeholder.
pub mod init;
