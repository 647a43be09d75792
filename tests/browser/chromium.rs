//! A Chromium of this test's own, spoken to in its DevTools protocol through a pipe.
//!
//! A pipe needs no port and no web socket, and a browser ends when its pipe is closed, however the test ends. Messages stay as JSON:
//! an event that this test has no type for is seen all the same.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// Names another Chromium than the one on the path.
const CHROMIUM: &str = "MILVUS_LOAD_CHROMIUM";

/// What is waited for comes within this time, or not at all.
const LIMIT: Duration = Duration::from_secs(120);

/// Commands and messages go through descriptors 3 and 4, which a shell makes of those that a child always has.
const THROUGH_PIPES: &str = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";

/// It shows pages that we made. Its sandbox would want rights that root, and many a container, does not have. Nothing may leave this
/// machine, so no name is known and no proxy asked.
const FLAGS: [&str; 15] = [
    "--headless",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-quic",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND",
];

/// What is told of without being asked for.
pub struct Event {
    pub method: String,
    pub params: Value,
}

pub struct Browser {
    process: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    last: u64,
    /// Of the page that is open.
    events: Vec<Event>,
    _profile: TempDir,
}

impl Browser {
    pub fn start() -> Self {
        let binary = std::env::var(CHROMIUM).unwrap_or_else(|_| "chromium".to_owned());
        let profile = tempfile::tempdir().unwrap();
        let mut process = Command::new("sh")
            .args(["-c", THROUGH_PIPES, &binary])
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = process.stdin.take().unwrap();
        let from = BufReader::new(process.stdout.take().unwrap());
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in from.split(0) {
                let message = serde_json::from_slice(&message.unwrap()).unwrap();
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let mut browser =
            Self { process, commands, messages, last: 0, events: Vec::new(), _profile: profile };
        let version = browser.try_call(None, "Browser.getVersion", json!({}));
        let version = version.unwrap_or_else(|| {
            panic!("{binary} does not start: install Debian's chromium, as .ci/run does, or name one in {CHROMIUM}")
        });
        println!("{}", version["product"].as_str().unwrap());
        browser
    }

    fn send(&mut self, session: Option<&str>, method: &str, params: Value) -> Option<u64> {
        self.last += 1;
        let mut command = json!({ "id": self.last, "method": method, "params": params });
        if let Some(session) = session {
            command["sessionId"] = session.into();
        }
        self.commands.write_all(format!("{command}\0").as_bytes()).ok()?;
        Some(self.last)
    }

    fn call(&mut self, session: Option<&str>, method: &str, params: Value) -> Value {
        self.try_call(session, method, params).unwrap_or_else(|| panic!("chromium has ended before {method}"))
    }

    /// `None`: it has ended.
    fn try_call(&mut self, session: Option<&str>, method: &str, params: Value) -> Option<Value> {
        let id = self.send(session, method, params)?;
        loop {
            let mut message = self.next(method)?;
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return Some(message["result"].take());
            }
        }
    }

    /// The next message; where it is an event, that is kept too.
    fn next(&mut self, wanted: &str) -> Option<Value> {
        let message = match self.messages.recv_timeout(LIMIT) {
            Ok(message) => message,
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return None,
            Err(error) => panic!("{wanted}: {error}"),
        };
        let Some(method) = message["method"].as_str() else { return Some(message) };
        if method == "Page.javascriptDialogOpening" {
            // Nothing goes on while it is open.
            let session = message["sessionId"].as_str().map(str::to_owned);
            self.send(session.as_deref(), "Page.handleJavaScriptDialog", json!({ "accept": true }));
        }
        self.events.push(Event { method: method.to_owned(), params: message["params"].clone() });
        Some(message)
    }

    /// A tab of its own that shows this file, loaded and at rest.
    pub fn open(&mut self, file: &Path, view: View) -> Page<'_> {
        let blank = self.call(None, "Target.createTarget", json!({ "url": "about:blank" }));
        let target = blank["targetId"].as_str().unwrap().to_owned();
        let attached =
            self.call(None, "Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        let session = attached["sessionId"].as_str().unwrap().to_owned();
        let url = format!("file://{}", file.canonicalize().unwrap().display());
        let mut page = Page { browser: self, session, target, url: url.clone() };
        for domain in ["Page", "Runtime", "Log", "Network", "Audits"] {
            page.call(&format!("{domain}.enable"), json!({}));
        }
        page.view(view);
        // What the blank page told is not of this one.
        page.browser.events.clear();
        page.call("Page.navigate", json!({ "url": url }));
        while !page.browser.events.iter().any(|event| event.method == "Page.loadEventFired") {
            page.browser.next("load").expect("chromium has ended");
        }
        if view.has_script {
            page.settle();
        }
        page
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Each fails where it has ended already.
        self.send(None, "Browser.close", json!({}));
        while self.messages.recv_timeout(LIMIT).is_ok() {}
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How a page is looked at.
#[derive(Clone, Copy)]
pub struct View {
    /// In pixels.
    pub width: u32,
    pub is_dark: bool,
    pub has_script: bool,
    /// Whether the page's own policy holds.
    pub has_policy: bool,
}

pub const WIDE: View = View { width: 1280, is_dark: false, has_script: true, has_policy: true };
pub const PHONE: View = View { width: 360, ..WIDE };

/// A page that is open; its tab is closed with it.
pub struct Page<'a> {
    browser: &'a mut Browser,
    session: String,
    target: String,
    url: String,
}

impl Page<'_> {
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.browser.call(Some(&self.session), method, params)
    }

    fn view(&mut self, view: View) {
        let size = json!({ "width": view.width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
        let scheme = if view.is_dark { "dark" } else { "light" };
        self.media("", scheme);
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": !view.has_script }));
        self.call("Page.setBypassCSP", json!({ "enabled": !view.has_policy }));
    }

    /// `print`, or as it is.
    pub fn media(&mut self, media: &str, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "media": media, "features": features }));
    }

    /// Until what was just done has had its effects; for a page with script, as without it no clock of the page runs.
    pub fn settle(&mut self) {
        self.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))");
    }

    /// What it comes to, a promise's end too.
    #[track_caller]
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let mut answer = self.call("Runtime.evaluate", params);
        let exception = &answer["exceptionDetails"];
        let asked = expression.lines().next_back().unwrap_or_default();
        assert!(exception.is_null(), "{asked}: {}", exception["exception"]["description"]);
        answer["result"]["value"].take()
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Since it began to load.
    pub fn events(&self) -> &[Event] {
        &self.browser.events
    }
}

impl Drop for Page<'_> {
    fn drop(&mut self) {
        let close = json!({ "targetId": self.target });
        if !std::thread::panicking() {
            self.browser.call(None, "Target.closeTarget", close);
        }
    }
}
