//! Waiting until the server really answers: its health check says so, the ports are its own, and a gRPC call works.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::milvus::proto::milvus::GetVersionRequest;
use crate::milvus::proto::milvus::milvus_service_client::MilvusServiceClient;

use super::error::EmbeddedError;
use super::listening::listens;
use super::logs;
use super::ports::Ports;
use super::progress::Progress;
use super::server_dir::RUNTIME_DIR;
use super::supervised::Supervised;

/// How often the server is asked.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// Why a start came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// Fresh ports may help; the end of the log.
    PortsTaken(String),
    /// Nothing will help.
    Final(EmbeddedError),
}

impl From<EmbeddedError> for Failure {
    fn from(error: EmbeddedError) -> Self {
        Self::Final(error)
    }
}

/// Waits at most `limit` for the server to answer, and returns the version that it says.
pub(super) fn wait(
    supervised: &mut Supervised,
    ports: &Ports,
    limit: Duration,
    progress: &dyn Progress,
) -> Result<String, Failure> {
    let start = Instant::now();
    loop {
        let ended = supervised.exit_status();
        let log_dir = supervised.dir().logs();
        let log = || logs::tail(&logs::current(&log_dir));
        if logs::tells_of_a_taken_port(&log_dir) {
            return Err(Failure::PortsTaken(log()));
        }
        if let Some(status) = ended {
            if logs::tells_of_a_foreign_runtime_dir(&log_dir) {
                return Err(EmbeddedError::RuntimeDir { path: Path::new(RUNTIME_DIR), log: log() }.into());
            }
            return Err(EmbeddedError::Exited { status, after: start.elapsed(), log: log() }.into());
        }
        supervised.check_alive()?;
        if progress.is_stopped() {
            return Err(EmbeddedError::Stopped.into());
        }
        let missing = match ask(supervised.pid(), ports) {
            Answer::Ready(version) => return Ok(version),
            Answer::NotOurs => return Err(Failure::PortsTaken(log())),
            Answer::NotYet(missing) => missing,
        };
        if start.elapsed() > limit {
            return Err(EmbeddedError::NotReady { limit, missing, log: log() }.into());
        }
        std::thread::sleep(ASK_EVERY);
    }
}

enum Answer {
    Ready(String),
    /// What is missing.
    NotYet(String),
    /// Something answers, and it is not our server.
    NotOurs,
}

fn ask(pid: u32, ports: &Ports) -> Answer {
    if let Err(missing) = healthy(ports.metrics) {
        return Answer::NotYet(missing);
    }
    if !listens(pid, ports.metrics) || !listens(pid, ports.proxy) {
        return Answer::NotOurs;
    }
    match version(ports.proxy) {
        Ok(version) => Answer::Ready(version),
        Err(missing) => Answer::NotYet(format!("its gRPC port does not answer yet: {missing}")),
    }
}

/// Milvus's own health check.
fn healthy(port: u16) -> Result<(), String> {
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(ANSWER_LIMIT))
        .http_status_as_error(false)
        // It is on this machine: a proxy from the environment would ask another one.
        .proxy(None)
        .build()
        .new_agent();
    let url = format!("http://127.0.0.1:{port}/healthz");
    let answer = agent.get(&url).call().and_then(|mut response| response.body_mut().read_to_string());
    match answer {
        Ok(text) if text.trim() == "OK" => Ok(()),
        Ok(text) => Err(format!("its health check says {:?}", logs::last_lines(&text, 1))),
        Err(error) => Err(format!("its health check does not answer: {error}")),
    }
}

/// The server's version, by a gRPC call of its own.
fn version(port: u16) -> Result<String, String> {
    // On a thread of its own: a caller may be inside a runtime already, and a second one cannot run there.
    let call = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        runtime.block_on(async {
            tokio::time::timeout(ANSWER_LIMIT, get_version(port)).await.map_err(|_| "no answer".to_owned())?
        })
    });
    call.join().unwrap_or_else(|_| Err("the call failed".into()))
}

async fn get_version(port: u16) -> Result<String, String> {
    let channel = tonic::transport::Endpoint::from_shared(format!("http://127.0.0.1:{port}"))
        .map_err(|error| error.to_string())?
        .connect()
        .await
        .map_err(|error| error.to_string())?;
    let answer = MilvusServiceClient::new(channel).get_version(GetVersionRequest {}).await;
    let answer = answer.map_err(|status| format!("{:?}: {}", status.code(), status.message()))?.into_inner();
    match answer.status {
        Some(status) if status.code != 0 || status.error_code != 0 => {
            Err(format!("code {}: {}", status.code, status.reason))
        }
        Some(_) | None => Ok(answer.version),
    }
}
