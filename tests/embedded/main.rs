//! The embedded Milvus: the real server for what a server does, and a stand-in script for what a real one cannot be
//! made to do at will. Needs the wheel once: from the user's cache, MILVUS_LOAD_WHEEL or pip.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod pip;
mod stopping;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use milvus_load::milvus::embedded::{
    Cache, Embedded, EmbeddedError, EmbeddedOptions, Quiet, ServerInfo, install, kept,
};
use milvus_load::milvus::proto::milvus::GetVersionRequest;
use milvus_load::milvus::proto::milvus::milvus_service_client::MilvusServiceClient;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const TOOL: &str = env!("CARGO_BIN_EXE_milvus-load");

/// A process's end, or a directory's, is waited for at most so long.
const LIMIT: Duration = Duration::from_secs(150);

/// Tells the ignored test below that it is to play the tool, and in which cache.
const PLAY_TOOL: &str = "MILVUS_LOAD_TEST_CACHE";

/// The installed server, downloaded and unpacked at most once for all tests.
fn installed() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| install(&EmbeddedOptions::default(), &mut Quiet).expect("the wheel is needed"))
}

/// A cache of the test's own, so that a server that the user keeps is neither found nor touched.
struct TestCache(TempDir);

impl TestCache {
    fn with_real_server() -> Self {
        let cache = Self(tempfile::tempdir().unwrap());
        symlink(installed(), cache.0.path().join("milvus-2.3.5")).unwrap();
        cache
    }

    /// A shell script in the server's place.
    fn with_script(script: &str) -> Self {
        let cache = Self(tempfile::tempdir().unwrap());
        let dir = cache.0.path().join("milvus-2.3.5");
        fs::create_dir_all(dir.join("bin")).unwrap();
        for file in ["config.yaml.template", "glog.conf"] {
            fs::copy(installed().join(file), dir.join(file)).unwrap();
        }
        write_script(&dir.join("bin/milvus"), script);
        let size = |file: &str| fs::metadata(dir.join(file)).unwrap().len();
        let sizes = ["config.yaml.template", "glog.conf", "bin/milvus"].map(|file| (file, size(file)));
        let manifest = serde_json::json!(std::collections::BTreeMap::from(sizes));
        fs::write(dir.join("manifest.json"), manifest.to_string()).unwrap();
        cache
    }

    fn options(&self) -> EmbeddedOptions {
        EmbeddedOptions {
            cache_dir: Some(self.0.path().to_owned()),
            supervisor_exe: TOOL.into(),
            ..EmbeddedOptions::default()
        }
    }

    fn tool(&self, args: &[&str]) -> Command {
        let mut tool = Command::new(TOOL);
        tool.arg("embedded").args(args).env("MILVUS_LOAD_CACHE", self.0.path()).stdin(Stdio::null());
        tool
    }

    fn kept(&self) -> Option<ServerInfo> {
        kept(&Cache::locate(Some(self.0.path())).unwrap())
    }

    /// The directories of servers, with anything in them or not.
    fn servers(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.0.path().join("servers")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

fn write_script(path: &Path, script: &str) {
    fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[track_caller]
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Running, and no zombie.
fn alive(pid: u32) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok()
}

#[track_caller]
fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in {text}");
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn stray_of(pid: u32) -> PathBuf {
    Path::new("/tmp/milvus").join(format!("server_id_{pid}"))
}

fn environment_of(pid: u32) -> String {
    String::from_utf8(fs::read(format!("/proc/{pid}/environ")).unwrap()).unwrap().replace('\0', "\n")
}

/// How many TCP sockets the process listens on: on loopback, and on all interfaces (proc_net_tcp in the kernel's documentation).
fn listeners(pid: u32) -> (usize, usize) {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let links = descriptors.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    let sockets: Vec<String> = links.map(|link| link.to_string_lossy().into_owned()).collect();
    let tables = ["tcp", "tcp6"]
        .map(|table| fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default());
    let addresses = tables.iter().flat_map(|table| table.lines().skip(1)).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_its = fields[3] == "0A" && sockets.contains(&format!("socket:[{}]", fields[9]));
        is_its.then(|| fields[1].split(':').next().unwrap().to_owned())
    });
    let (all, some): (Vec<_>, Vec<_>) =
        addresses.partition(|address| address.chars().all(|digit| digit == '0'));
    assert!(some.iter().all(|address| address == "0100007F"), "neither 127.0.0.1 nor all: {some:?}");
    (some.len(), all.len())
}

fn get_version(uri: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let channel =
            tonic::transport::Endpoint::from_shared(uri.to_owned()).unwrap().connect().await.unwrap();
        let mut client = MilvusServiceClient::new(channel);
        client.get_version(GetVersionRequest {}).await.unwrap().into_inner().version
    })
}

fn get(url: &str) -> String {
    let agent = ureq::Agent::config_builder().proxy(None).build().new_agent();
    agent.get(url).call().unwrap().body_mut().read_to_string().unwrap()
}

#[test]
fn two_servers_run_side_by_side_answer_and_leave_nothing_when_stopped() {
    let cache = TestCache::with_real_server();
    let options = cache.options();
    let start = || Embedded::start(&options, &mut Quiet).unwrap();
    let (one, two) = std::thread::scope(|scope| {
        let two = scope.spawn(start);
        (start(), two.join().unwrap())
    });
    assert_ne!(one.info().uri, two.info().uri);
    for server in [&one, &two] {
        let info = server.info();
        assert!(info.version.contains("2.3.5"), "{}", info.version);
        assert_eq!(get_version(&info.uri), info.version);
        assert!(get(&info.metrics_url).contains("process_resident_memory_bytes"));
        assert!(alive(info.pid));
        assert!(info.log_path.exists() && info.log_path.starts_with(&info.data_dir));
        assert!(stray_of(info.pid).exists(), "else the check below proves nothing");
        // As is said when it starts and in the README: etcd's two ports are confined, the other nine are not.
        assert_eq!(listeners(info.pid), (2, 9), "on loopback, and on all interfaces");
    }
    assert_eq!(cache.kept(), None, "neither was to be kept");

    let (first, second) = (one.info().clone(), two.info().clone());
    one.stop().unwrap();
    assert!(!alive(first.pid) && !alive(first.supervisor_pid));
    assert!(!first.data_dir.exists() && !stray_of(first.pid).exists());
    assert_eq!(get_version(&second.uri), second.version, "the other one runs on");
    drop(two);
    assert!(!alive(second.pid) && !second.data_dir.exists());
}

#[test]
#[ignore = "started by the test below as a process of its own"]
fn plays_the_tool() {
    let Some(cache) = std::env::var_os(PLAY_TOOL) else { return };
    let options = EmbeddedOptions {
        cache_dir: Some(cache.into()),
        supervisor_exe: TOOL.into(),
        ..EmbeddedOptions::default()
    };
    let server = Embedded::start(&options, &mut Quiet).unwrap();
    println!("\nserver {}", server.info().pid);
    std::thread::sleep(LIMIT * 5);
}

#[test]
fn a_tool_killed_with_9_leaves_neither_server_nor_directory() {
    let cache = TestCache::with_real_server();
    let mut tool = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "plays_the_tool", "--ignored", "--nocapture"])
        .env(PLAY_TOOL, cache.0.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pid: u32 = BufReader::new(tool.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("server ")?.parse().ok())
        .expect("the tool says its server's process");
    assert!(alive(pid));
    assert_eq!(cache.servers().len(), 1);
    tool.kill().unwrap();
    tool.wait().unwrap();
    wait_until("the server is gone", || !alive(pid));
    wait_until("its directory is gone", || cache.servers().is_empty());
    assert!(!stray_of(pid).exists());
}

/// `embedded start` with secrets in its environment.
fn start_kept(cache: &TestCache) -> ServerInfo {
    let output = cache
        .tool(&["start", "--otlp-endpoint", "http://127.0.0.1:9", "--sample-fraction", "0.25"])
        .env("MILVUS_TOKEN", "root:geheim")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=geheim")
        .env("TRACE_EXPORTER", "jaeger")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let info = cache.kept().expect("it is kept");
    assert_contains(&stdout(&output), &[&info.uri]);
    assert_contains(&stderr(&output), &["listens on all network interfaces without a password"]);
    info
}

#[track_caller]
fn assert_environment_is_clean(info: &ServerInfo) {
    for pid in [info.pid, info.supervisor_pid] {
        let environment = environment_of(pid);
        for foreign in ["geheim", "MILVUS_TOKEN", "OTEL_EXPORTER", "TRACE_EXPORTER", "CARGO"] {
            assert!(!environment.contains(foreign), "{foreign} in {environment}");
        }
    }
    let ours = ["OTEL_BSP_SCHEDULE_DELAY=300\n", "OTEL_BSP_MAX_QUEUE_SIZE=65536\n"];
    assert_contains(&environment_of(info.pid), &ours);
}

/// Caught, that is: and then not acted on.
#[track_caller]
fn assert_does_not_end_on_sigint(pid: u32) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
    assert_ne!(caught & (1 << (Signal::INT.as_raw() - 1)), 0, "{status}");
}

#[test]
fn a_kept_server_outlives_its_tool_and_what_its_killed_supervisor_left_is_swept() {
    let cache = TestCache::with_real_server();
    let info = start_kept(&cache);
    assert_environment_is_clean(&info);
    assert_does_not_end_on_sigint(info.supervisor_pid);

    let status = cache.tool(&["status"]).output().unwrap();
    assert!(status.status.success());
    let (pid, log) = (info.pid.to_string(), info.log_path.to_str().unwrap());
    assert_contains(&stdout(&status), &[&info.uri, "2.3.5", &pid, "http://127.0.0.1:9", "0.25", log]);
    let again = cache.tool(&["start"]).output().unwrap();
    assert!(again.status.success());
    assert_contains(&stdout(&again), &["already", &info.uri]);

    kill_process(Pid::from_raw(info.supervisor_pid as i32).unwrap(), Signal::KILL).unwrap();
    // Its lock goes a little after its memory, by which `alive` tells.
    wait_until("the supervisor is gone", || !alive(info.supervisor_pid) && cache.kept().is_none());
    assert_eq!(cache.tool(&["status"]).output().unwrap().status.code(), Some(1));
    assert!(alive(info.pid), "nobody was left to end the server");
    let next = start_kept(&cache);
    assert!(!alive(info.pid) && !info.data_dir.exists() && !stray_of(info.pid).exists());

    let stopped = cache.tool(&["stop"]).output().unwrap();
    assert!(stopped.status.success(), "{}", stderr(&stopped));
    assert!(!alive(next.pid) && cache.servers().is_empty() && cache.kept().is_none());
}

#[test]
fn a_server_that_ends_at_once_has_the_end_of_its_log_quoted() {
    let cache = TestCache::with_script("echo 'panic: no such luck'; exit 3");
    let output = cache.tool(&["start"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_contains(&stderr(&output), &["exit status: 3", "    | panic: no such luck"]);
    assert!(cache.servers().is_empty());
    assert_eq!(cache.kept(), None);
}

#[test]
fn a_server_that_loses_its_ports_is_tried_three_times_with_others() {
    let taken = "echo 'panic: listen tcp :1: bind: address already in use'";
    let cache = TestCache::with_script(&format!("echo $METRICS_PORT >> ../../attempts; {taken}"));
    let error = Embedded::start(&cache.options(), &mut Quiet).unwrap_err();
    assert!(matches!(error, EmbeddedError::PortsTaken { attempts: 3, .. }), "{error}");
    let attempts = fs::read_to_string(cache.0.path().join("attempts")).unwrap();
    let mut ports: Vec<&str> = attempts.lines().collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 3, "{attempts:?}");
}

#[test]
fn a_server_that_never_answers_and_ignores_sigterm_is_killed_with_its_children() {
    let cache = TestCache::with_script(
        "trap '' TERM; sleep 600 & echo $! > ../../child; echo alive; while :; do wait; done",
    );
    // Time for the script to say something, on however slow a machine.
    let options = EmbeddedOptions { ready_timeout: Duration::from_secs(10), ..cache.options() };
    let error = Embedded::start(&options, &mut Quiet).unwrap_err();
    assert!(matches!(error, EmbeddedError::NotReady { .. }), "{error}");
    assert_contains(&error.to_string(), &["health check does not answer", "    | alive"]);
    let child = fs::read_to_string(cache.0.path().join("child")).unwrap().trim().parse().unwrap();
    wait_until("the server's child is gone", || !alive(child));
    assert!(cache.servers().is_empty());
}

#[test]
fn a_wheel_with_the_wrong_hash_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let wheel = dir.path().join("milvus-2.3.5-py3-none-manylinux2014_x86_64.whl");
    fs::write(&wheel, "not a wheel").unwrap();
    let output = Command::new(TOOL)
        .args(["embedded", "start"])
        .env("MILVUS_LOAD_CACHE", dir.path().join("cache"))
        .env("MILVUS_LOAD_WHEEL", &wheel)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_contains(&stderr(&output), &[wheel.to_str().unwrap(), "sha256", "69515a06", "MILVUS_LOAD_WHEEL"]);
}
