//! What the machine itself does to a moment: timers and sockets with as little around them as can be.
//!
//! Belongs here: loops of plain threads and system calls. Does not belong: any code of the engine, of its runtime
//! or of its transport: what those add is what is to be found. Timerfds are Linux's; elsewhere there is no probe,
//! and so no calibration.

#[cfg(target_os = "linux")]
mod bare_loop;
#[cfg(target_os = "linux")]
mod round_trips;
#[cfg(target_os = "linux")]
mod timer;

#[cfg(target_os = "linux")]
pub use bare_loop::bare_loop;
#[cfg(target_os = "linux")]
pub use round_trips::RoundTrips;
#[cfg(not(target_os = "linux"))]
pub use unsupported::{RoundTrips, bare_loop};

/// How much later than ideal a bare round trip was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noise {
    /// When it was due to start, from the probe's anchor.
    pub due: crate::units::Nanos,
    /// Its time beyond the delay that it asked for.
    pub by: crate::units::Nanos,
}

/// Stand-ins where there are no timerfds.
#[cfg(not(target_os = "linux"))]
mod unsupported {
    use std::io;
    use std::time::{Duration, Instant};

    use super::Noise;
    use crate::measure::Timings;
    use crate::units::Rate;

    fn none<T>() -> io::Result<T> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "calibration needs timerfds, which only Linux has"))
    }

    /// See the Linux one.
    ///
    /// # Errors
    /// Always.
    pub fn bare_loop(_rate: Rate, _duration: Duration) -> io::Result<Timings<u64>> {
        none()
    }

    /// See the Linux one.
    #[derive(Debug)]
    pub struct RoundTrips(Instant);

    impl RoundTrips {
        /// # Errors
        /// Always.
        pub fn start(_rate: Rate) -> io::Result<Self> {
            none()
        }

        /// The moment from which its times count.
        pub const fn anchor(&self) -> Instant {
            self.0
        }

        /// # Errors
        /// Always.
        pub fn stop(self) -> io::Result<Vec<Noise>> {
            none()
        }
    }
}
