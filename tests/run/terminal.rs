//! What a terminal shows while a load goes on, and that it can do nothing to it.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, FromRawFd as _, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use milvus_load::truth::{Delay, Rpc, Script, TruthServer};
use milvus_load::units::Nanos;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::Signal;
use rustix::termios::{Action, Winsize, tcflow, tcsetwinsize};

use crate::support::{Sandbox, signal, wait_until};

fn milvus() -> TruthServer {
    TruthServer::start(Script { search: Delay::Constant(Nanos::from_millis(2)), ..Script::default() })
        .unwrap()
}

/// The tool on a terminal that is read all the time; standard output goes to a file.
struct OnTerminal {
    child: Child,
    terminal: OwnedFd,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl OnTerminal {
    fn start(sandbox: &Sandbox, command: &mut Command) -> Self {
        let (mut main, mut other) = (-1, -1);
        let none = std::ptr::null_mut();
        // SAFETY: two places to write to, and nothing else is asked for.
        let opened = unsafe { libc::openpty(&raw mut main, &raw mut other, none, none.cast(), none.cast()) };
        assert_eq!(opened, 0);
        // SAFETY: both are open, and nobody else's.
        let (main, terminal) = unsafe { (File::from_raw_fd(main), OwnedFd::from_raw_fd(other)) };
        // A process of another test that held it open would keep it from hanging up.
        for end in [main.as_fd(), terminal.as_fd()] {
            fcntl_setfd(end, FdFlags::CLOEXEC).unwrap();
        }
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        std::thread::spawn(move || read_all(main, &sink));
        let child = command
            .env("TERM", "xterm")
            .stderr(terminal.try_clone().unwrap())
            .stdout(File::create(sandbox.path().join("out")).unwrap())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let on = Self { child, terminal, seen };
        on.resize(100, 30);
        on
    }

    fn resize(&self, columns: u16, rows: u16) {
        let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(self.terminal.as_fd(), size).unwrap();
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    /// Whole drawings, each a list of lines.
    fn frames(&self) -> Vec<Vec<String>> {
        let text = self.text();
        let frames = text.split("\u{1b}[?7l\r").skip(1).filter_map(|rest| rest.split_once("\u{1b}[?7h"));
        frames
            .map(|(frame, _)| frame.split('\n').map(|line| bare(line.trim_end_matches('\r'))).collect())
            .collect()
    }

    /// Its exit code, when all that it wrote was read.
    fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        // Nothing more comes once the last of what was written has been read: a mark shows it.
        rustix::io::write(&self.terminal, b"\n[read]").unwrap();
        wait_until("all is read", || self.text().contains("[read]"));
        (code, self.text())
    }
}

/// A test that failed leaves no load behind.
impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_all(mut terminal: File, sink: &Mutex<Vec<u8>>) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = terminal.read(&mut bytes) {
        sink.lock().unwrap().extend(&bytes[..count]);
    }
}

/// A line without what steers the terminal.
fn bare(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').get(1..).unwrap_or("")
    })
}

fn run<'a>(milvus: &'a str, duration: &'a str) -> Vec<&'a str> {
    let more = ["--set", "collection.rows=0", "--set", "trace.enabled=false"];
    [&["run", "small.toml", "--uri", milvus, "--duration", duration][..], &more].concat()
}

/// Nothing that was switched on stays on.
#[track_caller]
fn is_restored(text: &str) {
    for (on, off) in [("\u{1b}[?7l", "\u{1b}[?7h"), ("\u{1b}[?25l", "\u{1b}[?25h")] {
        assert!(text.rfind(on) <= text.rfind(off), "{on:?} is the last: {text:?}");
    }
    // What was drawn is erased before anything that follows it.
    let last = text.rfind("\u{1b}[?7h").expect("something was drawn");
    assert!(text[last..].starts_with("\u{1b}[?7h\r\u{1b}[J"), "{:?}", &text[last..]);
}

#[test]
fn the_view_keeps_to_the_terminals_size_and_is_gone_after_ctrl_c() {
    let (sandbox, milvus) = (Sandbox::new(), milvus());
    let uri = milvus.uri();
    let on = OnTerminal::start(&sandbox, &mut sandbox.tool(&run(&uri, "600s")));
    let shows = |words: &'static str| {
        on.frames().last().is_some_and(|lines| lines.iter().any(|line| line.contains(words)))
    };
    wait_until("it measures", || shows("measuring") && shows("in last"));
    let before = on.frames();
    assert!(before.iter().flatten().all(|line| line.chars().count() < 100));
    for (columns, rows) in [(40, 30), (20, 5), (132, 50)] {
        on.resize(columns, rows);
        let fits = |lines: &[String]| {
            lines.len() < usize::from(rows)
                && lines.iter().all(|line| line.chars().count() < usize::from(columns))
        };
        let count = on.frames().len();
        wait_until("it is drawn anew", || on.frames().len() > count + 2);
        let frames = on.frames();
        assert!(fits(&frames[frames.len() - 1]), "{:?}", frames.last());
    }
    wait_until("all is shown again", || shows("slowest 1%") && shows("offered/s") && shows("search"));
    signal(on.child.id(), Signal::INT);
    let (code, text) = on.end();
    assert_eq!(code, Some(130));
    assert!(text.contains("\u{1b}[Jstopping") || text.contains("stopping: waiting"), "{text:?}");
    is_restored(&text);
    let out = std::fs::read_to_string(sandbox.path().join("out")).unwrap();
    assert!(out.contains("interrupted") && !out.contains('\u{1b}'), "{out}");
}

#[test]
fn a_second_ctrl_c_leaves_nothing_behind_either() {
    let sandbox = Sandbox::new();
    let script = Script { search: Delay::Constant(Nanos::from_secs(600)), ..Script::default() };
    let milvus = TruthServer::start(script).unwrap();
    let uri = milvus.uri();
    let patient = ["--set", "load.drain=10m", "--set", "target.timeout=10m"];
    let on = OnTerminal::start(&sandbox, sandbox.tool(&run(&uri, "600s")).args(patient));
    wait_until("something is drawn", || on.frames().len() > 2);
    signal(on.child.id(), Signal::INT);
    wait_until("it is heard", || on.text().contains("once more to end at once"));
    signal(on.child.id(), Signal::INT);
    let (code, text) = on.end();
    assert_eq!(code, Some(130));
    is_restored(&text);
}

/// As Ctrl-S does it, and as a connection does that takes nothing any more.
#[test]
fn a_terminal_that_is_stopped_stops_neither_the_run_nor_its_report() {
    let (sandbox, milvus) = (Sandbox::new(), milvus());
    let uri = milvus.uri();
    let on = OnTerminal::start(&sandbox, &mut sandbox.tool(&run(&uri, "3s")));
    wait_until("something is drawn", || !on.frames().is_empty());
    tcflow(on.terminal.as_fd(), Action::OOff).unwrap();
    let (sent, frames) = (milvus.log().count(Rpc::Search), on.frames().len());
    let report = || sandbox.runs().iter().any(|run| run.join("report.json").exists());
    wait_until("its report is there", report);
    assert!(milvus.log().count(Rpc::Search) > sent);
    assert!(on.frames().len() <= frames + 1, "it was stopped");
    tcflow(on.terminal.as_fd(), Action::OOn).unwrap();
    let (code, _) = on.end();
    assert!(matches!(code, Some(0 | 4)), "{code:?}");
}

#[test]
fn a_terminal_that_is_stopped_does_not_keep_the_next_run_from_beginning() {
    let (sandbox, milvus) = (Sandbox::new(), milvus());
    let uri = milvus.uri();
    let on = OnTerminal::start(&sandbox, sandbox.tool(&run(&uri, "2s")).args(["--repeat", "2"]));
    wait_until("something is drawn", || !on.frames().is_empty());
    tcflow(on.terminal.as_fd(), Action::OOff).unwrap();
    let reports = || {
        let runs =
            sandbox.runs().into_iter().filter_map(|experiment| experiment.join("runs").read_dir().ok());
        runs.flatten().filter(|run| run.as_ref().unwrap().path().join("report.json").exists()).count()
    };
    wait_until("both reports are there", || reports() == 2);
    tcflow(on.terminal.as_fd(), Action::OOn).unwrap();
    let (code, text) = on.end();
    assert!(matches!(code, Some(0 | 4)), "{code:?}: {text}");
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let (sandbox, milvus) = (Sandbox::new(), milvus());
    let uri = milvus.uri();
    for (refused, has_colours) in [(None, true), (Some("1"), false)] {
        let mut tool = sandbox.tool(&run(&uri, "2s"));
        refused.map(|value| tool.env("NO_COLOR", value));
        let on = OnTerminal::start(&sandbox, &mut tool);
        wait_until("it measures", || on.text().contains("measuring"));
        let (_, text) = on.end();
        is_restored(&text);
        assert_eq!(text.contains("\u{1b}[1m") && text.contains("\u{1b}[32m"), has_colours, "{text:?}");
    }
}

#[test]
fn a_log_gets_a_line_now_and_then_and_nothing_that_steers_a_terminal() {
    let (sandbox, milvus) = (Sandbox::new(), milvus());
    let uri = milvus.uri();
    let ended = sandbox.start(&mut sandbox.tool(&run(&uri, "12s"))).wait(&sandbox);
    ended.report(0);
    let lines: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("progress  ")).collect();
    let [line] = lines.as_slice() else { panic!("{}", ended.stderr) };
    for part in ["measuring, 1", " of 13 s, ", "  offered ", "  in flight ", "  errors 0  ", "  search: p50 "]
    {
        assert!(line.contains(part), "{part:?} is missing in {line}");
    }
    assert!(!ended.stderr.contains('\u{1b}') && !ended.stdout.contains('\u{1b}'));
}

#[test]
fn a_terminal_that_can_do_nothing_gets_lines() {
    let (sandbox, milvus) = (Sandbox::new(), milvus());
    let uri = milvus.uri();
    let args = run(&uri, "2s");
    let tool = sandbox.tool(&args);
    // `env` has the last word over what a terminal is started with.
    let mut dumb = Command::new("env");
    dumb.arg("TERM=dumb").arg(tool.get_program()).args(tool.get_args()).current_dir(sandbox.path());
    for (name, value) in tool.get_envs() {
        match value {
            Some(value) => dumb.env(name, value),
            None => dumb.env_remove(name),
        };
    }
    let on = OnTerminal::start(&sandbox, &mut dumb);
    wait_until("its report is there", || sandbox.runs().iter().any(|run| run.join("report.json").exists()));
    let (_, text) = on.end();
    assert!(!text.contains("\u{1b}[?7l") && !text.contains("measuring"), "{text:?}");
}
