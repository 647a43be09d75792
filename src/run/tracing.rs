//! The tracing of a run: who is sampled, who is told, and where spans go.

use std::time::Duration;

use crate::engine::Tracing;
use crate::milvus::ops;
use crate::trace::endpoint::Endpoint;
use crate::trace::exporter::{ExportReport, ExportSettings, Exporter};
use crate::trace::ids::RunEntropy;
use crate::trace::probe::{ProbeError, probe};
use crate::trace::sampling::{Header, SamplingRule, Switches};
use crate::trace::span::OperationAttributes;
use crate::units::Fraction;
use crate::workload::{MilvusUri, Unsampled, Workload};

use super::settings::Settings;

/// How long the exporter may take to send what it still holds at the end.
const FLUSH_LIMIT: Duration = Duration::from_secs(10);

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
}

/// The tracing of one run.
pub struct RunTracing {
    /// For the workers.
    pub tracing: Tracing,
    /// Where spans go; `None` where none are built.
    pub exporter: Option<Exporter>,
    /// Whether there is anybody to take them.
    pub collector: Collector,
    /// Why we think that there is nobody.
    missing: Option<ProbeError>,
}

impl RunTracing {
    /// Looks for the collector and starts the exporter. A collector that was not asked for and is not there gets nothing
    /// offered; one that was asked for may still come up.
    ///
    /// # Errors
    /// Where certificates for the collector cannot be used, or the system gives no entropy or thread.
    pub fn start(settings: &Settings, uri: &MilvusUri, run_id: &str) -> anyhow::Result<Self> {
        let trace = &settings.workload.trace;
        let (collector, missing) = look(settings)?;
        let spans = match &collector {
            Collector::NotNeeded | Collector::Absent { asked: false } => false,
            Collector::There | Collector::Absent { asked: true } => true,
        };
        let header = match (trace.enabled, trace.unsampled) {
            (false, _) => Header::Never,
            (true, Unsampled::Propagate) => Header::Decision,
            (true, Unsampled::Omit) => Header::OmitUnsampled,
        };
        let exporter = if spans { Some(start_exporter(settings, uri, run_id)?) } else { None };
        let tracing = Tracing {
            entropy: RunEntropy::from_os()?,
            rule: SamplingRule::new(trace.sample_fraction),
            switches: Switches { header, spans },
        };
        Ok(Self { tracing, exporter, collector, missing })
    }

    /// In one line, for the start of a run: endpoint and fraction with where each came from, and a remedy where nobody
    /// takes the spans.
    pub fn sentence(&self, settings: &Settings) -> String {
        let trace = &settings.workload.trace;
        let from = |key| settings.origin(key).map_or_else(String::new, |origin| format!(" ({origin})"));
        let fraction = format!("fraction {}{}", trace.sample_fraction, from("trace.sample_fraction"));
        let endpoint = format!("{}{}", trace.otlp_endpoint, from("trace.otlp_endpoint"));
        match &self.collector {
            Collector::NotNeeded if !trace.enabled => "tracing: off".to_owned(),
            Collector::NotNeeded => format!("tracing: {fraction}, so no spans; the header is still sent"),
            Collector::There => format!("tracing: {fraction}, spans to {endpoint}"),
            Collector::Absent { asked: true } => {
                let error = self.missing.as_ref().map(ToString::to_string).unwrap_or_default();
                format!("warning: tracing: {fraction}, spans to {endpoint}, but {error}")
            }
            Collector::Absent { asked: false } => format!(
                "note: tracing: {fraction}, but no collector at {endpoint}, so no spans are exported; start Jaeger there (docker compose up \
                 -d jaeger), or name your collector with OTEL_EXPORTER_OTLP_ENDPOINT"
            ),
        }
    }

    /// Sends what is left, for at most 10 s.
    pub fn finish(self) -> (Collector, Option<ExportReport>) {
        (self.collector, self.exporter.map(|exporter| exporter.finish(FLUSH_LIMIT)))
    }
}

/// Whether any request may be sampled and so have a span.
pub fn builds_spans(workload: &Workload) -> bool {
    workload.trace.enabled && workload.trace.sample_fraction > Fraction::ZERO
}

fn look(settings: &Settings) -> anyhow::Result<(Collector, Option<ProbeError>)> {
    let trace = &settings.workload.trace;
    if !builds_spans(&settings.workload) {
        return Ok((Collector::NotNeeded, None));
    }
    let endpoint = Endpoint::parse(&trace.otlp_endpoint)?;
    Ok(match probe(&endpoint) {
        Ok(()) => (Collector::There, None),
        Err(error) => (Collector::Absent { asked: trace.otlp_asked }, Some(error)),
    })
}

fn start_exporter(settings: &Settings, uri: &MilvusUri, run_id: &str) -> anyhow::Result<Exporter> {
    let trace = &settings.workload.trace;
    let export =
        ExportSettings::new(&trace.otlp_endpoint, &trace.service_name, &trace.resource, &settings.otel)?;
    Ok(Exporter::start(&export, &attributes(&settings.workload, uri), run_id)?)
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
