//! *What* happened.
//!
//! Belongs here: recording samples in fixed memory, percentiles, resources, and the verdict on whether the numbers can be
//! trusted. Does not belong: anything of Milvus or of a workload file, anything that serializes (that is
//! [`report`](crate::report)), any clock.
//!
//! Invariants: offered = succeeded + failed + timed out + not sent ([`Counters`]); intervals sum to the run, and merged
//! workers equal one worker that did it all (`recorder_tests`); a percentile is one of what was offered, or it is
//! [`Unknown`] ([`quantile`](fn@quantile)). Read [`Recorder`] first.

mod counters;
mod endpoints;
mod evidence;
mod exemplars;
mod finding;
mod grid;
mod hand_over;
mod histogram;
mod intervals;
mod kernel;
mod live;
mod moments;
mod quantile;
mod recorded;
mod recorder;
#[cfg(test)]
mod recorder_tests;
mod resources;
mod sample;
mod slots;
mod stored;
mod surroundings;
#[cfg(test)]
mod surroundings_tests;
mod trend;
mod verdict;
#[cfg(test)]
mod verdict_tests;
mod wording;

pub use counters::{Counters, ERROR_KINDS, ERROR_MESSAGE, ErrorKind, Errors, Hits};
pub use endpoints::{EndpointEvidence, Tail, TailEvidence, by_connection, by_peer};
pub use evidence::{
    CalibrationEvidence, ClockEvidence, CollectionEvidence, CollectionState, Evidence, MachineEvidence,
    OperationEvidence, ServerEvidence, SpanEvidence, StreamEvidence, TooFewEvidence, WorkerFailure,
};
pub use exemplars::{End, Exemplar, Exemplars, FewOf, KeptExemplars, Slowest};
pub use finding::{Bottleneck, Finding, Lateness, Load, Scope, Severity, Statistic};
pub use grid::{IntervalGrid, MOST_INTERVALS, SlotGrid};
pub use hand_over::{HandOver, IntervalRest};
pub use histogram::{HistogramError, LONGEST, PackScratch, Packed, Timings};
pub use intervals::{Interval, PerClock};
pub use kernel::{MachineTime, ThreadReading, ThreadTime, WorkerTime, cpu_of_this_thread};
pub use live::{
    LastSeconds, Live, LiveTotals, LiveWorkers, OperationReading, Reading, RecentRates, RecentTimes, Second,
    Shown,
};
pub use moments::{MomentSums, Moments};
pub use quantile::{ENOUGH_BEYOND, Quantile, Unknown, quantile, quantiles, rank_among};
pub use recorded::{ConnectionRecord, MergeError, OperationRecord, Recorded};
pub use recorder::{Recorder, RecorderConfig};
pub use resources::{Part, ProcessMetrics, ProcessSnapshot, parse_process_metrics};
pub use sample::{Outcome, Phase, Sample};
pub use slots::{BySampled, SampledRecord, SlotPart, SlotRecord};
pub use trend::{ENOUGH_IN_SIXTH, Trend};
pub use verdict::{LAG, LAG_SHARE, SHORTFALL, UNSENT_SHARE, Verdict};
