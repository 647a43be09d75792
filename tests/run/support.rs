//! What all tests here need: a place of their own to run the tool in, a Milvus, and patience with a limit.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use milvus_load::milvus::embedded::{Embedded, EmbeddedOptions, Quiet, ServerInfo, install};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::books;
use crate::tool::tool;
use crate::verdict::{is_exit, is_trusted_but_for_the_machine};

/// The tool.
pub const TOOL: &str = env!("CARGO_BIN_EXE_milvus-load");

/// Whatever has to happen at some time has happened by then, or never will. Generous: machines are shared.
pub const LIMIT: Duration = Duration::from_secs(150);

/// A search that is ready within seconds: 50 requests per second, for 3 s after half a second of warm-up. Its bounds are none that
/// a server on a busy machine reaches.
pub const SMALL: &str = r#"
description = "A small search"
target.timeout = "60s"

[collection]
name = "run_small"
rows = 2_000
vector = { name = "vector", type = "float", dim = 16, metric = "l2" }
index = { type = "HNSW", params = { M = 8, efConstruction = 64 } }

[load]
rate = 50
arrival = "constant"
connections = 2
max_in_flight = 10_000
warmup = "500ms"
duration = "3s"
drain = "60s"

[[operations]]
kind = "search"
top_k = 5
params = { ef = 16 }
"#;

/// For requests that a server on a busy machine answers in its own time.
pub const PATIENTLY: [&str; 4] = ["--set", "target.timeout=60s", "--set", "load.drain=60s"];

/// For an open loop that nothing is to be left out of meanwhile.
pub const UNBOUNDED: [&str; 2] = ["--set", "load.max_in_flight=100000"];

/// A directory to run the tool in, with a cache of servers of its own.
///
/// Tests run beside each other: they spend their time waiting for a Milvus to flush, index and load. No result of theirs may
/// depend on how fast it was.
pub struct Sandbox {
    dir: TempDir,
    /// The collections that no other sandbox uses meanwhile, that of small.toml first.
    collections: Vec<String>,
}

static IN_USE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
static NO_LONGER_IN_USE: Condvar = Condvar::new();

/// A test that failed leaves nothing behind that could disturb the next.
fn in_use() -> MutexGuard<'static, BTreeSet<String>> {
    IN_USE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sandbox {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        link_install(&dir.path().join("cache"));
        let mut in_use = in_use();
        // The first that is free: it mostly is there and as the next test wants it.
        let small = (0..).map(|n| format!("run_small_{n}")).find(|name| in_use.insert(name.clone())).unwrap();
        drop(in_use);
        let sandbox = Self { dir, collections: vec![small] };
        sandbox.write("small.toml", &sandbox.small());
        sandbox
    }

    /// For a test on a collection that others use too; waits until none of them does.
    pub fn on(collection: &str) -> Self {
        let mut sandbox = Self::new();
        let mut in_use = in_use();
        while !in_use.insert(collection.to_owned()) {
            in_use = NO_LONGER_IN_USE.wait(in_use).unwrap_or_else(PoisonError::into_inner);
        }
        sandbox.collections.push(collection.to_owned());
        sandbox
    }

    /// [`SMALL`] with this sandbox's own collection.
    pub fn small(&self) -> String {
        SMALL.replace("run_small", &self.collections[0])
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    /// The tool in this directory.
    pub fn tool(&self, args: &[&str]) -> Command {
        let mut tool = tool();
        let cache = self.path().join("cache");
        tool.args(args).current_dir(self.path()).env("MILVUS_LOAD_CACHE", cache).stdin(Stdio::null());
        tool
    }

    /// The tool in this directory, after the shell has carried out `before`.
    pub fn tool_after(&self, before: &str, args: &[&str]) -> Command {
        let tool = self.tool(args);
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("{before} && exec \"$0\" \"$@\"")])
            .arg(tool.get_program())
            .args(tool.get_args());
        shell.current_dir(self.path()).stdin(Stdio::null());
        for (name, value) in tool.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell
    }

    /// `run` against the shared server, to its end; it may take its time to answer.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Ended {
        self.end(&mut self.tool(&[&["run"], args, &PATIENTLY, &["--uri", &server().uri]].concat()))
    }

    /// Carries the command out to its end, and checks the books of the report that it wrote.
    #[track_caller]
    pub fn end(&self, command: &mut Command) -> Ended {
        self.start(command).wait(self)
    }

    /// The same of what may take its time.
    #[track_caller]
    pub fn end_within(&self, command: &mut Command, limit: Duration) -> Ended {
        self.start(command).wait_within(limit, self)
    }

    /// Starts the command; what it says goes to files, so that it never waits for a reader.
    pub fn start(&self, command: &mut Command) -> Running {
        let before = self.reports();
        let (out, err) = (self.path().join("stdout"), self.path().join("stderr"));
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        Running { child: command.spawn().unwrap(), out, err, before }
    }

    /// Directories of runs, with a report in them or not.
    pub fn runs(&self) -> Vec<PathBuf> {
        entries(&self.path().join("reports")).iter().flat_map(|name| entries(name)).collect()
    }

    fn reports(&self) -> Vec<PathBuf> {
        let reports = self.runs().into_iter().map(|run| run.join("report.json"));
        reports.filter(|report| report.exists()).collect()
    }

    /// Directories of the servers that the tool started itself.
    pub fn servers(&self) -> Vec<PathBuf> {
        entries(&self.path().join("cache/servers")).into_iter().filter(|path| path.is_dir()).collect()
    }

    /// The process of the one server that the tool has started itself.
    #[track_caller]
    pub fn own_server(&self) -> u32 {
        let servers = self.servers();
        assert_eq!(servers.len(), 1, "{servers:?}");
        fs::read_to_string(servers[0].join("server.pid")).unwrap().trim().parse().unwrap()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let mut in_use = in_use();
        in_use.retain(|name| !self.collections.contains(name));
        NO_LONGER_IN_USE.notify_all();
    }
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// A process of the tool.
pub struct Running {
    pub child: Child,
    out: PathBuf,
    err: PathBuf,
    before: Vec<PathBuf>,
}

impl Running {
    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.err).unwrap()
    }

    /// Waits until it has said these words on stderr.
    #[track_caller]
    pub fn until_said(&mut self, words: &str) {
        let start = Instant::now();
        while !self.stderr().contains(words) {
            let ended = self.child.try_wait().unwrap();
            assert_eq!(ended, None, "ended before it said {words:?}:\n{}", self.stderr());
            assert!(start.elapsed() < LIMIT, "never said {words:?}:\n{}", self.stderr());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn signal(&self, signal: Signal) {
        self::signal(self.child.id(), signal);
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(self, sandbox: &Sandbox) -> Ended {
        self.wait_within(LIMIT, sandbox)
    }

    #[track_caller]
    fn wait_within(mut self, limit: Duration, sandbox: &Sandbox) -> Ended {
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if start.elapsed() > limit => {
                    let _ = self.child.kill();
                    panic!("it does not end:\n{}", self.stderr());
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let mut new = sandbox.reports();
        new.retain(|report| !self.before.contains(report));
        assert!(new.len() <= 1, "{new:?}");
        let report = new.pop().map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap());
        let ended = Ended {
            code: status.code(),
            stdout: fs::read_to_string(&self.out).unwrap(),
            stderr: self.stderr(),
            report,
        };
        if let Some(report) = &ended.report {
            books::check(report);
        }
        ended
    }
}

/// What a process of the tool left.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    /// The report that it wrote, its books checked.
    pub report: Option<Value>,
}

impl Ended {
    /// The report, where the tool ended with this code.
    #[track_caller]
    pub fn report(&self, code: i32) -> &Value {
        self.ended_with(code);
        self.report.as_ref().expect("a report")
    }

    /// That the tool ended with this code, as far as that is up to anything but the machine.
    #[track_caller]
    pub fn ended_with(&self, code: i32) {
        let fits = is_exit(code, self.code, self.report.as_ref());
        assert!(fits, "{:?}, not {code}; stderr:\n{}\nstdout:\n{}", self.code, self.stderr, self.stdout);
    }

    #[track_caller]
    pub fn said(&self, parts: &[&str]) {
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is missing in stderr:\n{}", self.stderr);
        }
    }
}

/// That the verdict finds nothing wrong with the numbers, as far as that is up to anything but the machine.
#[track_caller]
pub fn trusted(report: &Value) {
    assert!(is_trusted_but_for_the_machine(report), "{}", report["verdict"]);
}

/// The codes of the findings for which the numbers are not trusted. The machine may have added some of its own, before or after.
pub fn errors(report: &Value) -> Vec<&str> {
    let findings = report["verdict"]["findings"].as_array().unwrap();
    let errors = findings.iter().filter(|finding| finding["severity"] == "error");
    errors.map(|finding| finding["code"].as_str().unwrap()).collect()
}

/// The codes of the verdict's findings.
pub fn findings(report: &Value) -> Vec<&str> {
    let findings = report["verdict"]["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

/// The names of the steps of set-up.
pub fn steps(report: &Value) -> Vec<&str> {
    report["setup"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect()
}

pub fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Running, and no zombie.
pub fn alive(pid: u32) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok()
}

#[track_caller]
pub fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A cache whose Milvus is the user's, unpacked at most once; its servers are its own.
fn link_install(cache: &Path) {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    let installed = INSTALLED.get_or_init(|| {
        install(&EmbeddedOptions::default(), &mut Quiet).expect("the wheel is needed: see the README")
    });
    fs::create_dir_all(cache).unwrap();
    let link = cache.join("milvus-2.3.5");
    if !link.exists() {
        symlink(installed, link).unwrap();
    }
}

/// The Milvus that all tests share; it ends with this process.
pub fn server() -> &'static ServerInfo {
    static SERVER: OnceLock<Embedded> = OnceLock::new();
    SERVER
        .get_or_init(|| {
            let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("run-tests-cache");
            link_install(&cache);
            let options = EmbeddedOptions {
                cache_dir: Some(cache),
                supervisor_exe: TOOL.into(),
                ..EmbeddedOptions::default()
            };
            Embedded::start(&options, &mut Quiet).unwrap()
        })
        .info()
}
