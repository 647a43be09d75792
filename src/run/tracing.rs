//! The tracing of a run: who is sampled, who is told, and where spans go.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::engine::Tracing;
use crate::milvus::ops;
use crate::trace::collector::{Chooser, Collected, Keeping, Onward};
use crate::trace::endpoint::Endpoint;
use crate::trace::exporter::{ExportReport, Exporter, SpanSink};
use crate::trace::ids::RunEntropy;
use crate::trace::probe::{ProbeError, probe};
use crate::trace::sampling::{Header, SamplingRule, Switches};
use crate::trace::span::OperationAttributes;
use crate::units::Fraction;
use crate::workload::{Keep, MilvusUri, Unsampled, Workload};

use super::collecting::export_settings;
use super::machine::is_here;
use super::server::Server;
use super::settings::Settings;

/// How long the exporter may take to send what it still holds at the end.
pub(super) const FLUSH_LIMIT: Duration = Duration::from_secs(10);

/// What became of the collector at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collector {
    /// Tracing is off, or nothing is sampled: none is needed.
    NotNeeded,
    /// It listens.
    There,
    /// Nobody listens there.
    Absent {
        /// Whether the user named it.
        asked: bool,
    },
    /// Nobody listens there, and nobody asked for it: the collector of this process alone has the spans.
    BuiltIn,
}

impl Collector {
    /// Whether spans are sent there: one that was asked for may still come up.
    pub(super) const fn is_sent_to(self) -> bool {
        matches!(self, Self::There | Self::Absent { asked: true })
    }
}

/// What takes the client's spans.
pub enum Spans {
    /// None are built.
    None,
    /// They are exported, and no trace is kept.
    Exported(Exporter),
    /// The traces that matter are kept.
    Kept(Box<Keeping>),
}

impl Spans {
    pub fn sink(&self) -> Option<SpanSink> {
        match self {
            Self::None => None,
            Self::Exported(exporter) => Some(exporter.sink()),
            Self::Kept(keeping) => Some(keeping.sink()),
        }
    }

    pub const fn exporter(&self) -> Option<&Exporter> {
        match self {
            Self::Exported(exporter) => Some(exporter),
            Self::None | Self::Kept(_) => None,
        }
    }

    /// From when on the spans of requests are decided on.
    pub fn choose_by(&self, chooser: impl Chooser + 'static) {
        if let Self::Kept(keeping) = self {
            keeping.choose_by(Box::new(chooser));
        }
    }
}

/// What became of the spans of a run.
pub struct Ended {
    pub collector: Collector,
    /// `None` where none were built.
    pub export: Option<ExportReport>,
    /// `None` where none are kept.
    pub collected: Option<Collected>,
}

/// The tracing of one run.
pub struct RunTracing {
    /// For the workers.
    pub tracing: Tracing,
    pub spans: Spans,
    /// Whether there is anybody to take them.
    pub collector: Collector,
    /// Why we think that there is nobody.
    missing: Option<ProbeError>,
}

impl RunTracing {
    /// Looks for the collector and starts what takes the spans. A collector that was not asked for and is not there gets nothing
    /// offered; one that was asked for may still come up.
    ///
    /// # Errors
    /// Where certificates for the collector cannot be used, the system gives no entropy or thread, or only kept traces are to go on
    /// and there is nobody to keep them.
    pub fn start(settings: &Settings, server: &Server, run_id: &str) -> anyhow::Result<Self> {
        let trace = &settings.workload.trace;
        let (found, missing) = look(settings, server.collects_at())?;
        let is_kept = server.collecting.is_some() && found != Collector::NotNeeded;
        anyhow::ensure!(
            is_kept || found == Collector::NotNeeded || trace.keep == Keep::All,
            "trace.keep = \"slow\" needs the built-in collector, which has no spans of this Milvus: let it export to an address of this \
             machine and name that in trace.collector_listen, use the embedded Milvus, or set trace.keep = \"all\" with a \
             trace.sample_fraction; experiments keep no traces"
        );
        let spans = match is_kept {
            true => Spans::Kept(Box::new(start_keeping(settings, server, run_id, found)?)),
            false if found.is_sent_to() => Spans::Exported(start_exporter(settings, &server.uri, run_id)?),
            false => Spans::None,
        };
        let header = match (trace.enabled, trace.unsampled) {
            (false, _) => Header::Never,
            (true, Unsampled::Propagate) => Header::Decision,
            (true, Unsampled::Omit) => Header::OmitUnsampled,
        };
        let tracing = Tracing {
            entropy: RunEntropy::from_os()?,
            rule: SamplingRule::new(trace.sample_fraction),
            switches: Switches { header, spans: !matches!(spans, Spans::None) },
        };
        let collector = if is_kept && !found.is_sent_to() { Collector::BuiltIn } else { found };
        Ok(Self { tracing, spans, collector, missing })
    }

    /// In one line, for the start of a run: endpoint and fraction with where each came from, and a remedy where nobody
    /// takes the spans.
    pub fn sentence(&self, settings: &Settings) -> String {
        let trace = &settings.workload.trace;
        let from = |key| settings.origin(key).map_or_else(String::new, |origin| format!(" ({origin})"));
        let fraction = format!("fraction {}{}", trace.sample_fraction, from("trace.sample_fraction"));
        let endpoint = format!("{}{}", trace.otlp_endpoint, from("trace.otlp_endpoint"));
        let fraction = match (&self.spans, trace.keep) {
            (Spans::Kept(_), Keep::All) => format!("{fraction}, slow and typical traces are kept"),
            (Spans::Kept(_), Keep::Slow) => "every request, slow and typical traces are kept".to_owned(),
            (Spans::None | Spans::Exported(_), _) => fraction,
        };
        let spans = match (&self.spans, trace.keep) {
            (Spans::Kept(_), Keep::Slow) => "their spans",
            (Spans::Kept(_), Keep::All) => "all spans",
            (Spans::None | Spans::Exported(_), _) => "spans",
        };
        match &self.collector {
            Collector::NotNeeded if !trace.enabled => "tracing: off".to_owned(),
            Collector::NotNeeded => format!("tracing: {fraction}, so no spans; the header is still sent"),
            Collector::BuiltIn => format!("tracing: {fraction}; no other collector at {endpoint}"),
            Collector::There => format!("tracing: {fraction}, {spans} to {endpoint}"),
            Collector::Absent { asked: true } => {
                let error = self.missing.as_ref().map(ToString::to_string).unwrap_or_default();
                format!("warning: tracing: {fraction}, {spans} to {endpoint}, but {error}")
            }
            Collector::Absent { asked: false } => format!(
                "note: tracing: {fraction}, but no collector at {endpoint}, so no spans are exported; start Jaeger there (docker compose up \
                 -d jaeger), or name your collector with OTEL_EXPORTER_OTLP_ENDPOINT"
            ),
        }
    }

    /// From when on no more spans of the run come, if its last request was done at `done`; `None`: nobody keeps any.
    pub fn complete_at(&self, done: Instant) -> Option<Instant> {
        matches!(self.spans, Spans::Kept(_)).then(|| Keeping::complete_at(done))
    }

    /// Sends what is left, for at most 10 s. `is_complete`: all spans that come of the run have come.
    pub fn finish(self, is_complete: bool) -> Ended {
        let collector = self.collector;
        match self.spans {
            Spans::None => Ended { collector, export: None, collected: None },
            Spans::Exported(exporter) => {
                Ended { collector, export: Some(exporter.finish(FLUSH_LIMIT)), collected: None }
            }
            Spans::Kept(keeping) => {
                let collected = keeping.finish(is_complete, FLUSH_LIMIT);
                Ended { collector, export: Some(collected.export.clone()), collected: Some(collected) }
            }
        }
    }
}

/// Whether any request may be sampled and so have a span.
pub fn builds_spans(workload: &Workload) -> bool {
    workload.trace.enabled && workload.trace.sample_fraction > Fraction::ZERO
}

/// Who takes spans at the endpoint, and why we think that there is nobody. What is sent to our own collector, which listens at `ours`,
/// would come back to it for ever.
pub(super) fn look(
    settings: &Settings,
    ours: Option<SocketAddr>,
) -> anyhow::Result<(Collector, Option<ProbeError>)> {
    let trace = &settings.workload.trace;
    if !builds_spans(&settings.workload) {
        return Ok((Collector::NotNeeded, None));
    }
    let endpoint = Endpoint::parse(&trace.otlp_endpoint)?;
    if ours.is_some_and(|ours| ours.port() == endpoint.port() && is_here(endpoint.host())) {
        anyhow::ensure!(
            !trace.otlp_asked,
            "trace.otlp_endpoint is {endpoint}, where the built-in collector itself listens: name another collector there, or none"
        );
        return Ok((Collector::Absent { asked: false }, None));
    }
    Ok(match probe(&endpoint) {
        Ok(()) => (Collector::There, None),
        Err(error) => (Collector::Absent { asked: trace.otlp_asked }, Some(error)),
    })
}

fn start_exporter(settings: &Settings, uri: &MilvusUri, run_id: &str) -> anyhow::Result<Exporter> {
    Ok(Exporter::start(&export_settings(settings)?, &attributes(&settings.workload, uri), run_id)?)
}

fn start_keeping(
    settings: &Settings,
    server: &Server,
    run_id: &str,
    found: Collector,
) -> anyhow::Result<Keeping> {
    let collecting = server.collecting.as_ref().context("no collector listens")?;
    let onward = match settings.workload.trace.keep {
        _ if !found.is_sent_to() => Onward::Nowhere,
        Keep::All => Onward::All(start_exporter(settings, &server.uri, run_id)?),
        Keep::Slow => Onward::Kept(Box::new(export_settings(settings)?)),
    };
    let operations = attributes(&settings.workload, &server.uri);
    Ok(collecting.collector.begin(&export_settings(settings)?, &operations, run_id, onward)?)
}

fn attributes(workload: &Workload, uri: &MilvusUri) -> Vec<OperationAttributes> {
    let of = |operation: &crate::workload::Operation| OperationAttributes {
        operation: operation.name.clone(),
        rpc: ops::of(&operation.kind).rpc().to_owned(),
        collection: workload.collection.name.clone(),
        database: workload.target.database.clone(),
        server_address: uri.host.clone(),
        server_port: uri.port,
    };
    workload.operations.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::load_text;

    #[test]
    fn spans_are_named_after_the_call_that_each_operation_makes() {
        let kinds = "[[operations]]\nkind = \"search\"\n[[operations]]\nkind = \"insert\"\n\
                     [[operations]]\nkind = \"query\"\nlimit = 5\n[[operations]]\nkind = \"get\"\n";
        let workload = load_text("w", &format!("[load]\nrate = 1\n{kinds}"), &[]).unwrap();
        let attributes = attributes(&workload, &"localhost".parse().unwrap());
        let told: Vec<_> = attributes.iter().map(|of| (of.operation.as_str(), of.rpc.as_str())).collect();
        assert_eq!(told, [("search", "Search"), ("insert", "Insert"), ("query", "Query"), ("get", "Query")]);
    }
}
