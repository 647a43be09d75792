//! What is known of a running server, and the one server that is kept for use by hand.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::cache::{Cache, Lock, write_whole};
use super::error::EmbeddedError;
use super::server_dir::ServerDir;
use super::supervised::{POLL, REMOVE_LIMIT, STOP_LIMIT, read_number};
use super::sweep::remove_leftover;

/// A running embedded server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerInfo {
    /// Where clients reach it: `http://127.0.0.1:PORT`.
    pub uri: String,
    /// Its metrics, as Prometheus text: `http://127.0.0.1:PORT/metrics`.
    pub metrics_url: String,
    /// The version that the server itself says.
    pub version: String,
    pub pid: u32,
    /// The process that ends it.
    pub supervisor_pid: u32,
    /// Where its spans go, as a URL; `None`: nowhere.
    pub otlp_endpoint: Option<String>,
    /// The port of that, where it is the server's own place for the collector of the run that uses it.
    #[serde(default)]
    pub export_port: Option<u16>,
    /// The share of requests without a client's decision that it traces, 0 to 1.
    pub sample_fraction: f64,
    /// All that it writes is below this directory, which is removed when it ends.
    pub data_dir: PathBuf,
    pub log_path: PathBuf,
}

impl ServerInfo {
    /// Which server this is, in half a sentence, with what one must know to read its numbers.
    pub fn sentence(&self) -> String {
        let cores = match std::thread::available_parallelism().map_or(1, usize::from) {
            1 => "this machine's one core".to_owned(),
            n => format!("this machine's {n} cores"),
        };
        format!(
            "embedded Milvus {} at {}, which shares {cores} with the load generator",
            self.version, self.uri
        )
    }
}

/// Names the kept server; the rest is in its own directory.
#[derive(Serialize, Deserialize)]
struct Pointer {
    dir: PathBuf,
}

/// The kept server, where one is alive.
pub fn kept(cache: &Cache) -> Option<ServerInfo> {
    let dir = pointed_to(cache)?;
    let info = read_info(&dir)?;
    // Only its supervisor holds the lock, and it reports the server's end before it lets go.
    let supervised = matches!(Lock::attempt_existing(&dir.lock()), Ok(None));
    (supervised && !dir.exit().exists()).then_some(info)
}

/// Ends the kept server, and returns once its directory is gone. `None` where none was alive.
///
/// # Errors
/// Where it does not end within 20 s.
pub fn stop_kept(cache: &Cache) -> Result<Option<ServerInfo>, EmbeddedError> {
    let info = kept(cache);
    if let (Some(dir), Some(_)) = (pointed_to(cache), &info) {
        end(&dir)?;
        remove_leftover(&dir)?;
    }
    match fs::remove_file(cache.kept_file()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(EmbeddedError::io("remove", &cache.kept_file())(error))
        }
        Ok(()) | Err(_) => Ok(info),
    }
}

/// Asks the supervisor to end, and waits until it has.
fn end(dir: &ServerDir) -> Result<(), EmbeddedError> {
    // The lock's holder wrote its own number into it, and still holds it: the number is not somebody else's by now.
    let Some(pid) = read_number(&dir.lock()) else { return Ok(()) };
    if let Some(process) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It can only have ended in between, which the loop finds out.
        let _ = kill_process(process, Signal::TERM);
    }
    let limit = STOP_LIMIT + REMOVE_LIMIT;
    let start = Instant::now();
    // Gone, or left behind by a supervisor that has let go of the lock.
    while dir.path().exists() && !matches!(Lock::attempt_existing(&dir.lock()), Ok(Some(_))) {
        if start.elapsed() > limit {
            return Err(EmbeddedError::WillNotStop { pid, limit });
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// Makes the server in `dir` the kept one. Needs the servers' lock held.
///
/// # Errors
/// Where another one is kept already.
pub(super) fn point_to(cache: &Cache, dir: &Path) -> Result<(), EmbeddedError> {
    if let Some(other) = kept(cache) {
        return Err(EmbeddedError::AlreadyKept(Box::new(other)));
    }
    // A path that is UTF-8, as every server's is, cannot fail to be JSON.
    let text = serde_json::to_string(&Pointer { dir: dir.to_owned() }).unwrap_or_default();
    write_whole(&cache.kept_file(), &text).map_err(EmbeddedError::io("write", &cache.kept_file()))
}

/// Writes down what is known of the server, in its directory.
pub(super) fn write_info(dir: &ServerDir, info: &ServerInfo) -> Result<(), EmbeddedError> {
    let failed = || EmbeddedError::io("write", &dir.info());
    let text = serde_json::to_string_pretty(info).map_err(|error| failed()(error.into()))?;
    write_whole(&dir.info(), &text).map_err(failed())
}

fn read_info(dir: &ServerDir) -> Option<ServerInfo> {
    serde_json::from_slice(&fs::read(dir.info()).ok()?).ok()
}

fn pointed_to(cache: &Cache) -> Option<ServerDir> {
    let pointer: Pointer = serde_json::from_slice(&fs::read(cache.kept_file()).ok()?).ok()?;
    Some(ServerDir::new(pointer.dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(dir: &ServerDir) -> ServerInfo {
        ServerInfo {
            uri: "http://127.0.0.1:1".into(),
            metrics_url: "http://127.0.0.1:2/metrics".into(),
            version: "v2.3.5-lite".into(),
            pid: 3,
            supervisor_pid: 4,
            otlp_endpoint: Some("http://localhost:4317".into()),
            export_port: None,
            sample_fraction: 0.1,
            data_dir: dir.path().to_owned(),
            log_path: dir.logs(),
        }
    }

    /// A server's directory whose supervisor "lives" as long as the returned lock does.
    fn server(cache: &Cache, name: &str) -> (ServerDir, Lock) {
        let dir = ServerDir::new(cache.servers_dir().join(name));
        fs::create_dir_all(dir.path()).unwrap();
        write_info(&dir, &info(&dir)).unwrap();
        let lock = Lock::attempt(&dir.lock()).unwrap().unwrap();
        (dir, lock)
    }

    fn cache() -> (tempfile::TempDir, Cache) {
        let temp = tempfile::tempdir().unwrap();
        let cache = Cache::locate(Some(temp.path())).unwrap();
        cache.create().unwrap();
        (temp, cache)
    }

    #[test]
    fn a_kept_server_is_known_as_long_as_its_supervisor_lives() {
        let (_temp, cache) = cache();
        assert_eq!(kept(&cache), None);
        let (dir, lock) = server(&cache, "one");
        point_to(&cache, dir.path()).unwrap();
        assert_eq!(kept(&cache), Some(info(&dir)));
        drop(lock);
        assert_eq!(kept(&cache), None);
    }

    #[test]
    fn a_server_that_has_ended_is_not_kept_although_its_supervisor_lives() {
        let (_temp, cache) = cache();
        let (dir, _lock) = server(&cache, "one");
        point_to(&cache, dir.path()).unwrap();
        fs::write(dir.exit(), "exit status: 1").unwrap();
        assert_eq!(kept(&cache), None);
    }

    #[test]
    fn only_one_server_is_kept() {
        let (_temp, cache) = cache();
        let (one, lock) = server(&cache, "one");
        let (two, _lock) = server(&cache, "two");
        point_to(&cache, one.path()).unwrap();
        assert!(matches!(point_to(&cache, two.path()), Err(EmbeddedError::AlreadyKept(_))));
        drop(lock);
        point_to(&cache, two.path()).unwrap();
        assert_eq!(kept(&cache), Some(info(&two)));
    }

    #[test]
    fn a_damaged_state_file_means_no_server_and_is_replaced() {
        let (_temp, cache) = cache();
        fs::write(cache.kept_file(), "{").unwrap();
        assert_eq!(kept(&cache), None);
        assert_eq!(stop_kept(&cache).unwrap(), None);
        assert!(!cache.kept_file().exists());
    }

    #[test]
    fn the_sentence_says_version_place_and_shared_cores() {
        let text = info(&ServerDir::new("/x".into())).sentence();
        for part in ["embedded", "v2.3.5-lite", "http://127.0.0.1:1", "this machine's"] {
            assert!(text.contains(part), "{part:?} is missing in {text:?}");
        }
    }
}
