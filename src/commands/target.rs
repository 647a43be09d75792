//! Which Milvus a run talks to: the one that was named, the kept embedded one, or an embedded one of its own.

use crate::milvus::embedded::{Cache, Embedded, EmbeddedError, EmbeddedOptions, OtlpEndpoint, Progress, kept};
use crate::workload::{MilvusUri, Workload};

/// The server of a run.
pub struct ChosenTarget {
    /// Where it is.
    pub uri: MilvusUri,
    /// Metrics endpoints.
    pub metrics: Vec<String>,
    /// Which of the three it is.
    pub kind: TargetKind,
}

/// Which server it is.
pub enum TargetKind {
    /// Named by flag, environment or file.
    Named,
    /// The one that `embedded start` keeps.
    Kept,
    /// Started for this run; ends with it.
    Own(Box<Embedded>),
}

impl TargetKind {
    /// Whether it is an embedded one.
    pub const fn is_embedded(&self) -> bool {
        match self {
            Self::Named => false,
            Self::Kept | Self::Own(_) => true,
        }
    }

    /// In words, for the first lines of a run.
    pub const fn sentence(&self) -> &'static str {
        match self {
            Self::Named => "",
            Self::Kept => " (the embedded one you started; it shares this machine's cores)",
            Self::Own(_) => " (embedded; it shares this machine's cores)",
        }
    }
}

impl ChosenTarget {
    /// Starts an embedded one where nothing was named and none is kept. Blocks while it starts.
    ///
    /// # Errors
    /// Where an embedded server is needed and cannot be had.
    pub fn choose(workload: &Workload, progress: &mut dyn Progress) -> anyhow::Result<Self> {
        if let Some(uri) = &workload.target.uri {
            let mut metrics = workload.target.metrics.clone();
            if metrics.is_empty() && is_loopback(&uri.host) {
                metrics.push("http://127.0.0.1:9091/metrics".to_owned());
            }
            return Ok(Self { uri: uri.clone(), metrics, kind: TargetKind::Named });
        }
        if let Some(info) = kept(&Cache::locate(None)?) {
            return Self::embedded(&info.uri, info.metrics_url, TargetKind::Kept);
        }
        let options = EmbeddedOptions { otlp_endpoint: exports_to(workload)?, ..EmbeddedOptions::default() };
        let own = Embedded::start(&options, progress)?;
        let (uri, metrics) = (own.info().uri.clone(), own.info().metrics_url.clone());
        Self::embedded(&uri, metrics, TargetKind::Own(Box::new(own)))
    }

    fn embedded(uri: &str, metrics: String, kind: TargetKind) -> anyhow::Result<Self> {
        Ok(Self { uri: uri.parse()?, metrics: vec![metrics], kind })
    }
}

/// The embedded server exports where the client does, so that both halves of a trace meet.
fn exports_to(workload: &Workload) -> Result<Option<OtlpEndpoint>, EmbeddedError> {
    let trace = &workload.trace;
    trace.enabled.then(|| OtlpEndpoint::parse(&trace.otlp_endpoint)).transpose()
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
