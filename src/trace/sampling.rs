//! Who is sampled, and what of that the server is told.
//!
//! The decision is a function of the trace ID and the fraction alone, the one that OpenTelemetry's Go and Rust SDKs call
//! `TraceIdRatioBased`. So everybody who holds the ID and the fraction decides alike, in this process and in others.

use http::HeaderValue;

use super::ids::IdGenerator;
use super::{TraceRef, traceparent};
use crate::units::Fraction;

/// The sampling rule at one fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SamplingRule {
    /// `fraction * 2^63`, 0 to 2^63: a trace is sampled where bits 1 to 63 of its ID are below it.
    bound: u64,
}

impl SamplingRule {
    /// The rule at this fraction: 0 samples nothing, 1 everything.
    pub fn new(fraction: Fraction) -> Self {
        // Truncated, as both SDKs do: a rounded bound would decide differently at its edge.
        Self { bound: (fraction.get() * (1u64 << 63) as f64) as u64 }
    }

    pub const fn samples(self, trace_id: u128) -> bool {
        // The last 8 bytes of the ID as they stand on the wire, which is big-endian, without their lowest bit.
        (trace_id as u64) >> 1 < self.bound
    }
}

/// What the server is told of the client's decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// Always a header, its flag the client's decision.
    Decision,
    /// A header on sampled requests alone: of the others the server's own fraction decides.
    OmitUnsampled,
    /// Always a header, always with flag 00: the server samples nothing.
    Unsampled,
    /// Never a header.
    Never,
}

/// What is done about a request's trace: two switches that do not depend on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switches {
    pub header: Header,
    /// Whether sampled requests get a span of the client's.
    pub spans: bool,
}

impl Switches {
    /// Tracing is off: neither header nor span.
    pub const OFF: Self = Self { header: Header::Never, spans: false };

    /// Whether any request of the run needs an ID.
    pub const fn any(self) -> bool {
        self.spans || !matches!(self.header, Header::Never)
    }
}

/// One way to treat the traces of requests. The arms of an experiment differ in this alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arm {
    pub rule: SamplingRule,
    pub switches: Switches,
}

impl Arm {
    /// Names a request and decides about it; without IDs where both switches are off. Costs some 20 ns.
    pub fn decide(&self, ids: &mut IdGenerator) -> RequestTrace {
        if !self.switches.any() {
            return RequestTrace::OFF;
        }
        let trace_id = ids.trace_id();
        let trace = TraceRef { trace_id, span_id: ids.span_id(), sampled: self.rule.samples(trace_id) };
        let flag = match self.switches.header {
            Header::Decision => Some(trace.sampled),
            Header::OmitUnsampled => trace.sampled.then_some(true),
            Header::Unsampled => Some(false),
            Header::Never => None,
        };
        RequestTrace { trace, flag, span: self.switches.spans && trace.sampled }
    }
}

/// A request's trace with what was decided about it when it was due. It travels with the request, so that whatever is decided
/// about later ones changes nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestTrace {
    /// Its IDs, and whether the rule sampled it: its label, whatever becomes of it.
    pub trace: TraceRef,
    /// The flag that the server is told; `None`: no header.
    flag: Option<bool>,
    span: bool,
}

impl RequestTrace {
    /// No ID, no header, no span.
    pub const OFF: Self = Self { trace: TraceRef::OFF, flag: None, span: false };

    /// The `traceparent` header to send with it, if any. Costs some 10 ns.
    pub fn header(&self) -> Option<HeaderValue> {
        self.flag.map(|flag| traceparent::header(self.trace.trace_id, self.trace.span_id, flag))
    }

    pub const fn builds_span(&self) -> bool {
        self.span
    }
}

#[cfg(test)]
mod tests {
    use super::super::ids::RunEntropy;
    use super::*;
    use opentelemetry::trace::{SpanKind, TraceId};
    use opentelemetry_sdk::trace::{Sampler, SamplingDecision, ShouldSample};

    fn sdk_samples(fraction: f64, trace_id: u128) -> bool {
        let id = TraceId::from_bytes(trace_id.to_be_bytes());
        let result =
            Sampler::TraceIdRatioBased(fraction).should_sample(None, id, "x", &SpanKind::Client, &[], &[]);
        result.decision == SamplingDecision::RecordAndSample
    }

    fn rule(fraction: f64) -> SamplingRule {
        SamplingRule::new(Fraction::new(fraction).unwrap())
    }

    #[test]
    fn every_decision_is_the_sdks() {
        let mut ids = RunEntropy::from_os().unwrap().generator(0);
        let fractions =
            [0.0, f64::MIN_POSITIVE, 1e-9, 0.001, 0.01, 0.1, 0.25, 1.0 / 3.0, 0.5, 0.9, 0.999, 1.0];
        for fraction in fractions {
            for _ in 0..5_000 {
                let id = ids.trace_id();
                assert_eq!(rule(fraction).samples(id), sdk_samples(fraction, id), "{id:032x} at {fraction}");
            }
        }
    }

    #[test]
    fn decisions_at_the_very_edge_are_the_sdks_too() {
        for fraction in [0.0, 0.1, 0.25, 0.5, 1.0 / 3.0, 0.9999999, 1.0] {
            let bound = (fraction * 9_223_372_036_854_775_808.0) as u64;
            for near in bound.saturating_sub(2)..=bound.saturating_add(2).min(u64::MAX >> 1) {
                for low_bit in [0, 1] {
                    // The high half must not matter.
                    for high in [0, u128::from(u64::MAX) << 64] {
                        let id = high | u128::from(near << 1 | low_bit);
                        assert_eq!(rule(fraction).samples(id), sdk_samples(fraction, id), "{id:032x}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_share_of_sampled_requests_is_the_fraction() {
        let mut ids = RunEntropy::from_os().unwrap().generator(3);
        let sampled = (0..100_000).filter(|_| rule(0.1).samples(ids.trace_id())).count();
        // Binomial: mean 10,000, standard deviation 95; eight of those.
        assert!((9_240..=10_760).contains(&sampled), "{sampled} of 100,000 at 0.1");
    }

    /// Header and span, for a sampled and for an unsampled request; "" is no header.
    #[track_caller]
    fn check(switches: Switches, sampled: (&str, bool), unsampled: (&str, bool)) {
        for (fraction, (flag, span)) in [(1.0, sampled), (0.0, unsampled)] {
            let mut ids = RunEntropy::from_os().unwrap().generator(0);
            let request = Arm { rule: rule(fraction), switches }.decide(&mut ids);
            let header = request.header();
            let shown = header.as_ref().map_or("", |value| &value.to_str().unwrap()[53..]);
            assert_eq!((shown, request.builds_span()), (flag, span), "{switches:?} at {fraction}");
        }
    }

    #[test]
    fn the_flag_sent_and_the_span_built_are_independent() {
        check(Switches { header: Header::Decision, spans: true }, ("01", true), ("00", false));
        check(Switches { header: Header::Decision, spans: false }, ("01", false), ("00", false));
        check(Switches { header: Header::Unsampled, spans: true }, ("00", true), ("00", false));
        check(Switches { header: Header::OmitUnsampled, spans: true }, ("01", true), ("", false));
        check(Switches { header: Header::Never, spans: true }, ("", true), ("", false));
        check(Switches::OFF, ("", false), ("", false));
    }

    #[test]
    fn a_request_has_no_id_when_tracing_is_off() {
        let mut ids = RunEntropy::from_os().unwrap().generator(0);
        let off = Arm { rule: rule(1.0), switches: Switches::OFF };
        assert_eq!((off.decide(&mut ids), RequestTrace::OFF.trace), (RequestTrace::OFF, TraceRef::OFF));
    }
}
