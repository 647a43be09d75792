//! What is in force: flags and `--set` over the environment over the workload file over defaults.

use std::path::Path;

use crate::trace::endpoint::Endpoint;
use crate::trace::env::OtelEnv;
use crate::trace::link::LinkTemplate;
use crate::workload::{self, Origin, Override, Workload, WorkloadError, milvus_environment};

/// A workload with everything that was said over it.
#[derive(Clone)]
pub struct Settings {
    pub workload: Workload,
    /// What of the `OTEL_*` variables the workload has no key for.
    pub otel: OtelEnv,
    /// What the user should know before it starts: variables that beat the file, variables that were not understood.
    pub notices: Vec<String>,
}

impl Settings {
    /// Reads the file and the environment; `flags` prevail over both.
    ///
    /// # Errors
    /// Where the file, a flag or a variable is wrong.
    pub fn resolve(file: &Path, flags: Vec<Override>) -> anyhow::Result<Self> {
        Self::over(flags, |overrides| workload::load(file, overrides))
    }

    /// Where no load is asked for: the environment, and `flags` over it. What it says of operations means nothing.
    ///
    /// # Errors
    /// Where a flag or a variable is wrong.
    pub fn without_file(flags: Vec<Override>) -> anyhow::Result<Self> {
        const LEAST: &str = "[load]\nrate = 1\n[[operations]]\nkind = \"search\"\n";
        Self::over(flags, |overrides| workload::load_text("none", LEAST, overrides))
    }

    fn over(
        flags: Vec<Override>,
        load: impl FnOnce(&[Override]) -> Result<Workload, WorkloadError>,
    ) -> anyhow::Result<Self> {
        let lookup = |name: &str| std::env::var(name).ok();
        let otel = OtelEnv::read(&lookup);
        let mut overrides = flags;
        overrides.extend(milvus_environment(lookup));
        overrides.extend(otel_overrides(&otel));
        let mut workload = load(&overrides)?;
        let mut notices = workload.notices.clone();
        notices.extend(otel.warnings.iter().map(ToString::to_string));
        default_endpoint(&mut workload, &otel);
        Endpoint::parse(&workload.trace.otlp_endpoint)?;
        LinkTemplate::parse(&workload.trace.link)?;
        Ok(Self { workload, otel, notices })
    }

    /// Where a setting came from.
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.workload.settings.iter().find(|setting| setting.key == key).map(|setting| &setting.from)
    }
}

/// OTLP over HTTP has a port of its own, where nobody named an endpoint.
fn default_endpoint(workload: &mut Workload, otel: &OtelEnv) {
    const KEY: &str = "trace.otlp_endpoint";
    let Some(setting) = workload.settings.iter_mut().find(|s| s.key == KEY && s.from == Origin::Default)
    else {
        return;
    };
    let endpoint = otel.transport.protocol.default_endpoint();
    setting.value = endpoint.into();
    workload.trace.otlp_endpoint = endpoint.to_owned();
}

fn otel_overrides(otel: &OtelEnv) -> Vec<Override> {
    let said = [
        otel.enabled.as_ref().map(|n| (n.variable, "trace.enabled", n.value.to_string())),
        otel.endpoint.as_ref().map(|n| (n.variable, "trace.otlp_endpoint", n.value.address.clone())),
        otel.sample_fraction.as_ref().map(|n| (n.variable, "trace.sample_fraction", n.value.to_string())),
        otel.service_name.as_ref().map(|n| (n.variable, "trace.service_name", n.value.clone())),
    ];
    said.into_iter().flatten().map(|(name, key, value)| Override::environment(name, key, value)).collect()
}
