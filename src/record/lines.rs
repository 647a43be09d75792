//! The lines of a stored record, as JSON says them. What they mean, and whether it can be, is for `read` to tell.

use serde::{Deserialize, Serialize};

/// One line after the header.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub(super) enum Line {
    /// Counts of an operation; its other lines follow.
    Operation(OperationLine),
    /// One of its six distributions; an empty one is left out.
    Times {
        of: Clock,
        #[serde(flatten)]
        times: TimesLine,
    },
    /// Its sampled requests by themselves; left out where they were not recorded so.
    Sampled { counts: CountersLine, sent: u64, service: Option<TimesLine> },
    /// Its slowest requests.
    Slowest { sampled: bool, requests: Vec<RequestLine> },
    /// Its exemplars of one range of response times.
    Exemplars { bucket: usize, sampled: bool, seen: u64, requests: Vec<RequestLine> },
    /// An interval of it.
    Interval(PartLine),
    /// A stage of it.
    Stage(PartLine),
    /// What went over a connection.
    Connection { requests: u64, response: Option<TimesLine> },
    /// The last line: so many came before it, the header among them.
    End { lines: u64 },
}

impl Line {
    /// As the file spells it.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Operation(_) => "operation",
            Self::Times { .. } => "times",
            Self::Sampled { .. } => "sampled",
            Self::Slowest { .. } => "slowest",
            Self::Exemplars { .. } => "exemplars",
            Self::Interval(_) => "interval",
            Self::Stage(_) => "stage",
            Self::Connection { .. } => "connection",
            Self::End { .. } => "end",
        }
    }
}

/// Which distribution of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Clock {
    Response,
    Service,
    Lag,
    FailureResponse,
    FailureService,
    Timeouts,
}

impl Clock {
    pub(super) const ALL: [Self; 6] = [
        Self::Response,
        Self::Service,
        Self::Lag,
        Self::FailureResponse,
        Self::FailureService,
        Self::Timeouts,
    ];
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OperationLine {
    pub warmup: CountersLine,
    pub window: CountersLine,
    pub after: CountersLine,
    pub hits: HitsLine,
    pub unsent: MomentsLine,
    pub waited_ns: Big,
    pub refused_for_server: u64,
    pub errors: Vec<ErrorLine>,
    pub other_errors: u64,
    /// How many of the slowest are kept.
    pub slowest: usize,
    /// Of the exemplars' priorities.
    pub seed: u64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct CountersLine {
    pub succeeded: u64,
    pub failed: u64,
    pub timed_out: u64,
    pub not_sent: u64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct HitsLine {
    pub expected: u64,
    pub returned: u64,
    pub empty: u64,
    pub short: u64,
    pub unknown: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ErrorLine {
    pub grpc: u8,
    pub milvus: i32,
    pub count: u64,
    pub message: String,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct MomentsLine {
    pub count: u64,
    pub min_ns: u64,
    pub max_ns: u64,
    pub sum: Big,
    pub squares: Big,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TimesLine {
    pub count: u64,
    pub min_ns: u64,
    pub max_ns: u64,
    pub sum: Big,
    pub squares: Big,
    pub saturated: u64,
    /// HdrHistogram V2, deflated, base64, as in report.json.
    pub histogram: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PartLine {
    pub index: usize,
    pub counts: CountersLine,
    pub in_flight_max: u32,
    pub response: Option<TimesLine>,
    pub service: Option<TimesLine>,
    pub lag: Option<TimesLine>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RequestLine {
    pub intended_ns: u64,
    pub sent_ns: Option<u64>,
    pub done_ns: u64,
    pub outcome: OutcomeLine,
    /// 32 hex digits; left out where tracing was off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<Hex>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_id: Option<Hex>,
    pub sampled: bool,
    pub connection: u16,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OutcomeLine {
    Succeeded,
    Failed { grpc: u8, milvus: i32 },
    TimedOut,
}

/// A number that no JSON number holds, as decimal text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Big(pub u128);

impl Serialize for Big {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Big {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.parse().map_err(|_| serde::de::Error::custom("expected a whole number as text"))?;
        Ok(Self(number))
    }
}

/// An ID as hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hex(pub u128);

impl Serialize for Hex {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = u128::from_str_radix(&text, 16)
            .map_err(|_| serde::de::Error::custom("expected an ID in hex digits"))?;
        Ok(Self(number))
    }
}
