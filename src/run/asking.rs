//! Calls that ask how a server traces, before there is any load on it.

use std::time::Duration;

use anyhow::Context as _;

use crate::milvus::{CallHeaders, Dialer, Session};
use crate::trace::ids::RunEntropy;
use crate::trace::traceparent;

use super::server::Server;
use super::settings::Settings;

/// How long a server may take to say that it is there.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// How long all calls may take together.
const CALLS_LIMIT: Duration = Duration::from_secs(60);

impl Server {
    /// Whether it answers a call.
    pub fn answers(&self, settings: &Settings) -> bool {
        self.with_session(settings, ANSWER_LIMIT, async |session| {
            // Not to be traced, whatever the server would do by itself.
            session.set_traceparent(Some(traceparent::header(1, 1, false)));
            session.version().await?;
            Ok(())
        })
        .is_ok()
    }

    /// Calls GetVersion so many times without a header, so that the server alone decides whether it traces, and then so many times with one
    /// that asks for it.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub fn ask_for_traces(&self, settings: &Settings, without: u64, with: u64) -> anyhow::Result<()> {
        let mut names = RunEntropy::from_os()?.generator(0);
        self.with_session(settings, CALLS_LIMIT, async |session| {
            session.set_traceparent(None);
            for _ in 0..without {
                session.version().await?;
            }
            for _ in 0..with {
                let (trace, span) = (names.trace_id(), names.span_id());
                session.set_traceparent(Some(traceparent::header(trace, span, true)));
                session.version().await?;
            }
            Ok(())
        })
    }

    fn with_session(
        &self,
        settings: &Settings,
        limit: Duration,
        work: impl AsyncFnOnce(&Session) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let target = &settings.workload.target;
        let dialer = Dialer::new(&self.uri, target)?;
        let headers = CallHeaders::new(target.token.as_ref(), &target.database)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let local = tokio::task::LocalSet::new();
        let all = async {
            let session = Session::connect(&dialer, headers).await?;
            work(&session).await
        };
        let limited = local.block_on(&runtime, async { tokio::time::timeout(limit, all).await });
        limited.with_context(|| format!("{} does not answer within {limit:?}", self.uri))?
    }
}
