//! Which Milvus a run talks to: the one that was named, the kept embedded one, or an embedded one of its own.

use crate::milvus::embedded::{
    Cache, Embedded, EmbeddedError, EmbeddedOptions, Exports, OtlpEndpoint, Progress, ServerInfo, kept,
};
use crate::report::model::ServerTracing;
use crate::trace::endpoint::Protocol;
use crate::units::Fraction;
use crate::workload::MilvusUri;

use super::collecting::Collecting;
use super::machine::is_here;
use super::metrics::Metrics;
use super::settings::Settings;

/// Where a Milvus on this machine tells its metrics, unless it was told otherwise.
const GUESS: &str = "http://127.0.0.1:9091/metrics";

pub struct Server {
    pub uri: MilvusUri,
    /// Where it tells its CPU and memory.
    pub metrics: Metrics,
    pub kind: ServerKind,
    /// The collector that keeps traces of the runs on it; `None`: none does.
    pub(super) collecting: Option<Collecting>,
}

pub enum ServerKind {
    /// Named by flag, environment or file.
    Named,
    /// The one that `embedded start` keeps.
    Kept(Box<ServerInfo>),
    /// Started for this run; ends with it.
    Own(Box<Embedded>),
}

impl ServerKind {
    /// Whether it was started for this run and ends with it.
    pub const fn ends_with_run(&self) -> bool {
        matches!(self, Self::Own(_))
    }

    pub const fn is_embedded(&self) -> bool {
        match self {
            Self::Named => false,
            Self::Kept(_) | Self::Own(_) => true,
        }
    }
}

impl Server {
    /// One that somebody else runs, with the metrics endpoints that are its own.
    pub const fn named(uri: MilvusUri, metrics: Metrics) -> Self {
        Self { uri, metrics, kind: ServerKind::Named, collecting: None }
    }

    /// The one that was named, else the one that is kept; `None` where there is neither.
    ///
    /// # Errors
    /// Where the place of embedded servers is not known.
    pub fn existing(settings: &Settings) -> anyhow::Result<Option<Self>> {
        let workload = &settings.workload;
        if let Some(uri) = &workload.target.uri {
            let told = workload.target.metrics.clone();
            let metrics = match told.is_empty() && uri.is_loopback() {
                true => Metrics::Guessed(GUESS.to_owned()),
                false => Metrics::Told(told),
            };
            return Ok(Some(Self::named(uri.clone(), metrics)));
        }
        if let Some(info) = kept(&Cache::locate(None)?) {
            let (uri, metrics) = (info.uri.clone(), info.metrics_url.clone());
            return Self::embedded(&uri, metrics, ServerKind::Kept(Box::new(info))).map(Some);
        }
        Ok(None)
    }

    /// Starts an embedded one where nothing was named and none is kept. Blocks while it starts.
    ///
    /// # Errors
    /// Where an embedded server is needed and cannot be had.
    pub fn choose(settings: &Settings, progress: &mut dyn Progress) -> anyhow::Result<Self> {
        match Self::existing(settings)? {
            Some(existing) => Ok(existing),
            None => Self::own(exports_to(settings)?, Fraction::ZERO, progress),
        }
    }

    /// The same, for runs whose traces are kept: one that is started exports to the collector of whichever run uses it, see
    /// [`Server::collect`].
    ///
    /// # Errors
    /// As [`Server::choose`].
    pub fn choose_to_keep(settings: &Settings, progress: &mut dyn Progress) -> anyhow::Result<Self> {
        let trace = &settings.workload.trace;
        let exports = match (trace.enabled, trace.collector_listen.filter(|address| address.port() != 0)) {
            (false, _) => Exports::Nowhere,
            (true, None) => Exports::ToTheRun,
            (true, Some(address)) => Exports::To(super::collecting::reached_at(address)?),
        };
        match Self::existing(settings)? {
            Some(existing) => Ok(existing),
            None => Self::own(exports, Fraction::ZERO, progress),
        }
    }

    /// Starts an embedded one that exports there and traces that share of requests without a header. Blocks while it starts.
    ///
    /// # Errors
    /// Where it cannot be had.
    pub fn own(
        exports: Exports,
        sample_fraction: Fraction,
        progress: &mut dyn Progress,
    ) -> anyhow::Result<Self> {
        let options = EmbeddedOptions { exports, sample_fraction, ..EmbeddedOptions::default() };
        let own = Embedded::start(&options, progress)?;
        let (uri, metrics) = (own.info().uri.clone(), own.info().metrics_url.clone());
        Self::embedded(&uri, metrics, ServerKind::Own(Box::new(own)))
    }

    /// Where it is and why there, and the database that is used, for the first lines of a run.
    pub fn sentence(&self, settings: &Settings) -> String {
        let why = match (&self.kind, settings.origin("target.uri")) {
            (ServerKind::Named, Some(origin)) => format!(" ({origin})"),
            (ServerKind::Named, None) => String::new(),
            (ServerKind::Kept(_), _) => {
                " (the embedded one you started; it shares this machine's cores)".to_owned()
            }
            (ServerKind::Own(_), _) => " (embedded; it shares this machine's cores)".to_owned(),
        };
        match settings.workload.target.database.as_str() {
            "" => format!("{}{why}", self.uri),
            database => {
                let from = settings.origin("target.database").map(|origin| format!(" ({origin})"));
                format!("{}{why}, database {database}{}", self.uri, from.unwrap_or_default())
            }
        }
    }

    /// What is known of the server's own tracing: only of one that this tool started.
    pub fn tracing(&self) -> Option<ServerTracing> {
        let of = |info: &ServerInfo| ServerTracing {
            endpoint: info.otlp_endpoint.clone(),
            sample_fraction: Some(info.sample_fraction),
        };
        match &self.kind {
            ServerKind::Named => None,
            ServerKind::Kept(info) => Some(of(info)),
            ServerKind::Own(own) => Some(of(own.info())),
        }
    }

    /// What to say where an embedded server sends its spans elsewhere than the client, or nowhere: traces would be halves.
    pub fn export_note(&self, settings: &Settings) -> Option<String> {
        let trace = &settings.workload.trace;
        if self.collecting.is_some() {
            return None;
        }
        let info = match &self.kind {
            ServerKind::Named => return None,
            ServerKind::Own(_) => {
                let over_http = trace.enabled && settings.otel.transport.protocol == Protocol::HttpProtobuf;
                let note = "note: the embedded Milvus exports its spans over gRPC only, so traces will lack its part";
                return over_http.then(|| note.to_owned());
            }
            ServerKind::Kept(info) => info,
        };
        if !trace.enabled || trace.sample_fraction == Fraction::ZERO {
            return None;
        }
        let client = trace.otlp_endpoint.parse::<OtlpEndpoint>().map(|endpoint| endpoint.to_string()).ok();
        let server = info.otlp_endpoint.as_deref();
        (client.is_none() || server != client.as_deref()).then(|| {
            let exports = server.map_or("exports no spans".to_owned(), |url| format!("exports its spans to {url}"));
            format!(
                "note: this Milvus {exports}, so traces hold the client's part alone; to mend it: milvus-load embedded \
                 stop, then milvus-load embedded start --otlp-endpoint {}",
                client.as_deref().unwrap_or("URL")
            )
        })
    }

    /// Whether the server shares this machine's cores with the generator.
    pub fn is_on_this_machine(&self) -> bool {
        self.kind.is_embedded() || is_here(&self.uri.host)
    }

    /// Ends an embedded server that was started for this run, or leaves it running as the kept one, which is returned.
    ///
    /// # Errors
    /// Where it cannot be kept, or its data cannot be removed.
    pub fn finish(self, keep: bool) -> anyhow::Result<Option<ServerInfo>> {
        drop(self.collecting);
        match self.kind {
            ServerKind::Own(own) if keep => return Ok(Some(own.keep()?)),
            ServerKind::Own(own) => own.stop()?,
            ServerKind::Named | ServerKind::Kept(_) => {}
        }
        Ok(None)
    }

    fn embedded(uri: &str, metrics: String, kind: ServerKind) -> anyhow::Result<Self> {
        Ok(Self { uri: uri.parse()?, metrics: Metrics::Told(vec![metrics]), kind, collecting: None })
    }
}

/// The embedded server exports where the client does, so that both halves of a trace meet. It speaks gRPC alone.
fn exports_to(settings: &Settings) -> Result<Exports, EmbeddedError> {
    let trace = &settings.workload.trace;
    match settings.otel.transport.protocol {
        Protocol::Grpc if trace.enabled => trace.otlp_endpoint.parse().map(Exports::To),
        Protocol::Grpc | Protocol::HttpProtobuf => Ok(Exports::Nowhere),
    }
}
