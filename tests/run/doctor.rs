//! `doctor`, with each fault planted that can be planted on one machine: its cause, its fix, its exit code.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use milvus_load::milvus::embedded::{Embedded, EmbeddedOptions, Exports, Quiet};
use milvus_load::units::Fraction;
use serde_json::Value;

use crate::closed_port::ClosedPort;
use crate::support::{Ended, Sandbox, TOOL, server};

/// What `doctor --json` printed.
struct Diagnosis(Value);

impl Diagnosis {
    #[track_caller]
    fn of(ended: &Ended) -> Self {
        let read = serde_json::from_str(&ended.stdout);
        Self(read.unwrap_or_else(|error| panic!("{error}:\n{}\n{}", ended.stdout, ended.stderr)))
    }

    #[track_caller]
    fn check(&self, name: &str) -> &Value {
        let checks = self.0["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name} in {}", self.0))
    }

    #[track_caller]
    fn is(&self, name: &str, state: &str, code: Option<&str>) {
        let check = self.check(name);
        assert_eq!((&check["state"], check["cause"]["code"].as_str()), (&state.into(), code), "{check}");
    }

    #[track_caller]
    fn fix(&self, name: &str) -> &str {
        self.check(name)["cause"]["fix"].as_str().unwrap()
    }
}

/// `doctor --json` against the Milvus at `uri`, with a collector of its own there.
fn doctor(sandbox: &Sandbox, uri: &str, listen: &str, more: &[&str]) -> Command {
    sandbox.tool(&[&["doctor", "--json", "--uri", uri, "--collector-listen", listen], more].concat())
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// An embedded Milvus that exports there.
fn milvus(sandbox: &Sandbox, endpoint: &str, fraction: f64) -> Embedded {
    let options = EmbeddedOptions {
        exports: Exports::To(endpoint.parse().unwrap()),
        sample_fraction: Fraction::new(fraction).unwrap(),
        cache_dir: Some(sandbox.path().join("cache")),
        supervisor_exe: TOOL.into(),
        ..EmbeddedOptions::default()
    };
    Embedded::start(&options, &mut Quiet).unwrap()
}

/// An HTTP/1 server that answers everything alike; its address.
fn answers(status: &'static str, kind: &'static str, body: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = answer(stream, status, kind, &body);
        }
    });
    format!("http://{address}")
}

fn answer(stream: TcpStream, status: &str, kind: &str, body: &str) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line)? > 2 {
        line.clear();
    }
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.get_mut().write_all(format!("{head}{body}").as_bytes())?;
    // Until the other side has hung up.
    stream.read_to_end(&mut Vec::new()).map(drop)
}

#[test]
fn with_nothing_installed_traces_work_and_segcores_spans_are_seen() {
    let sandbox = Sandbox::new();
    if ["localhost:4317", "localhost:16686"].iter().any(|port| TcpStream::connect(port).is_ok()) {
        eprintln!("not tested: a collector or a Jaeger listens on this machine");
        return;
    }
    let ended = sandbox.end(&mut sandbox.tool(&["doctor", "--json", "--workload", "small.toml"]));
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    let diagnosis = Diagnosis::of(&ended);
    let schema = sandbox.end(&mut sandbox.tool(&["schema", "diagnosis"])).stdout;
    let schema = serde_json::from_str(&schema).unwrap();
    jsonschema::validate(&schema, &diagnosis.0).unwrap();
    assert_eq!((&diagnosis.0["healthy"], &diagnosis.0["broken"]), (&true.into(), &Value::Null));
    for name in ["milvus.connection", "milvus.version", "milvus.configuration", "milvus.log"] {
        diagnosis.is(name, "ok", None);
    }
    diagnosis.is("collector.connection", "unknown", Some("collector_refused"));
    diagnosis.is("jaeger.api", "unknown", Some("jaeger_refused"));
    for name in ["traces.sampled", "traces.unsampled", "traces.request_id", "traces.search", "traces.clocks"]
    {
        diagnosis.is(name, "ok", None);
    }
    diagnosis.is("traces.own_fraction", "ok", Some("own_fraction_zero"));
    assert!(diagnosis.fix("traces.own_fraction").contains("trace.sampleFraction"));
    assert_eq!(sandbox.servers(), [""; 0].map(std::path::PathBuf::from), "its own server is gone");
}

/// The shared server exports nothing; what it says of itself is a page of the test's own.
#[test]
fn a_milvus_that_exports_nothing_is_told_by_its_configuration_and_by_its_log() {
    let sandbox = Sandbox::new();
    let listen = || format!("127.0.0.1:{}", free_port());
    let told = |exporter: &str, endpoint: &str, secure: &str| {
        let body = serde_json::json!({
            "trace.exporter": exporter, "trace.otlp.endpoint": endpoint, "trace.otlp.secure": secure,
            "trace.samplefraction": "0", "minio.secretaccesskey": "hidden-key",
        });
        let address = answers("200 OK", "application/json", body.to_string());
        format!("target.metrics=[\"{address}/metrics\"]")
    };
    let log = |name: &str, text: &str| {
        sandbox.write(name, text);
        name.to_owned()
    };
    let failing = "traces export: rpc error: code = Unavailable desc = connection error: desc = ";
    let configured = |exporter: &str, endpoint: &str, secure: &str| {
        vec!["--set".to_owned(), told(exporter, endpoint, secure)]
    };
    let logged =
        |name: &str, words: &str| vec!["--log".to_owned(), log(name, &format!("{failing}\"{words}\"\n"))];
    let secure = listen();
    let cases = [
        (
            "milvus.configuration",
            "configuration_not_read",
            "user.yaml",
            listen(),
            configured("noop", "", "true"),
        ),
        (
            "milvus.configuration",
            "exporter_off",
            "trace.exporter to otlp",
            listen(),
            configured("stdout", "x:4317", "true"),
        ),
        (
            "milvus.configuration",
            "endpoint_with_scheme",
            "to jaeger:4317 in",
            listen(),
            configured("otlp", "http://jaeger:4317", "false"),
        ),
        (
            "milvus.configuration",
            "endpoint_port",
            "4317",
            listen(),
            configured("otlp", "jaeger:16686", "false"),
        ),
        (
            "milvus.configuration",
            "secure_on",
            "trace.otlp.secure to false",
            secure.clone(),
            configured("otlp", &secure, "true"),
        ),
        (
            "traces.sampled",
            "milvus_exports_elsewhere",
            "trace.otlp.endpoint",
            listen(),
            configured("otlp", "jaeger:4317", "false"),
        ),
        (
            "milvus.log",
            "secure_on",
            "trace.otlp.secure to false",
            listen(),
            logged("a", "tls: first record does not look like a TLS handshake"),
        ),
        (
            "milvus.log",
            "endpoint_with_scheme",
            "host:port",
            listen(),
            logged("b", "dial tcp: address http://jaeger:4317: too many colons in address"),
        ),
        (
            "milvus.log",
            "collector_on_localhost_only",
            "0.0.0.0",
            listen(),
            logged("c", "error reading server preface: EOF"),
        ),
        (
            "milvus.log",
            "exporter_failed_to_start",
            "upgrade Milvus",
            listen(),
            logged("d", "Init tracer failed"),
        ),
    ];
    // They spend their time waiting.
    std::thread::scope(|scope| {
        for (name, code, fix, listen, more) in cases {
            let sandbox = &sandbox;
            scope.spawn(move || {
                let more: Vec<&str> = more.iter().map(String::as_str).collect();
                let mut tool = doctor(sandbox, &server().uri, &listen, &more);
                let output = tool.env("MILVUS_TOKEN", "hidden-token").output().unwrap();
                let (out, err) = (text(&output.stdout), text(&output.stderr));
                assert_eq!(output.status.code(), Some(1), "{code}: {err}");
                let diagnosis = Diagnosis(serde_json::from_str(&out).unwrap());
                diagnosis.is(name, "failed", Some(code));
                assert!(diagnosis.fix(name).contains(fix), "{}", diagnosis.fix(name));
                diagnosis.is("traces.sampled", "failed", Some(code));
                diagnosis.is("traces.unsampled", "unknown", None);
                assert!(!format!("{out}{err}").contains("hidden"), "{out}{err}");
            });
        }
    });
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_milvus_that_exports_with_tls_is_told_by_how_it_knocks_and_by_its_log() {
    let sandbox = Sandbox::new();
    let port = free_port();
    let milvus = milvus(&sandbox, &format!("https://127.0.0.1:{port}"), 0.0);
    let listen = format!("127.0.0.1:{port}");
    let ended = sandbox.end(&mut doctor(&sandbox, &milvus.info().uri, &listen, &[]));
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let diagnosis = Diagnosis::of(&ended);
    diagnosis.is("traces.sampled", "failed", Some("secure_on"));
    assert!(diagnosis.check("traces.sampled")["seen"].as_str().unwrap().contains("began with TLS"));
    // Its own words, of what happened meanwhile.
    let log = milvus.info().log_path.with_file_name("milvus.out");
    let log = log.to_str().unwrap();
    let elsewhere = format!("127.0.0.1:{}", free_port());
    let ended = sandbox.end(&mut doctor(&sandbox, &milvus.info().uri, &elsewhere, &["--log", log]));
    Diagnosis::of(&ended).is("milvus.log", "failed", Some("secure_on"));
    milvus.stop().unwrap();
}

#[test]
fn the_servers_own_fraction_is_estimated_and_spans_that_go_elsewhere_are_missed() {
    let sandbox = Sandbox::new();
    let port = free_port();
    let milvus = milvus(&sandbox, &format!("http://127.0.0.1:{port}"), 1.0);
    let uri = &milvus.info().uri;
    let here = Diagnosis::of(&sandbox.end(&mut doctor(&sandbox, uri, &format!("127.0.0.1:{port}"), &[])));
    // Its exporter had nobody to export to until now, and may have given the first ones up.
    assert_eq!(here.check("traces.sampled")["state"], "ok", "{}", here.0);
    here.is("traces.own_fraction", "ok", None);
    assert!(here.check("traces.own_fraction")["seen"].as_str().unwrap().contains("300 of 300"), "{}", here.0);
    here.is("traces.unsampled", "ok", None);

    // A configuration that says otherwise has no effect.
    let body = serde_json::json!({"trace.exporter": "otlp", "trace.samplefraction": "0.01",
        "trace.otlp.endpoint": format!("127.0.0.1:{port}"), "trace.otlp.secure": "false"});
    let metrics = format!("target.metrics=[\"{}\"]", answers("200 OK", "application/json", body.to_string()));
    let listen = format!("127.0.0.1:{port}");
    let other = Diagnosis::of(&sandbox.end(&mut doctor(&sandbox, uri, &listen, &["--set", &metrics])));
    other.is("traces.own_fraction", "failed", Some("configuration_without_effect"));
    assert_eq!(other.fix("traces.own_fraction"), "restart Milvus");

    let elsewhere = format!("127.0.0.1:{}", free_port());
    let ended = sandbox.end(&mut doctor(&sandbox, uri, &elsewhere, &[]));
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    Diagnosis::of(&ended).is("traces.sampled", "failed", Some("nothing_arrives"));
    milvus.stop().unwrap();
}

#[test]
fn a_kept_server_exports_to_doctor_or_is_told_how_to_be_started_again() {
    let sandbox = Sandbox::new();
    let embedded = |args: &[&str]| {
        let ended = sandbox.end(&mut sandbox.tool(&[&["embedded"], args].concat()));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    };
    embedded(&["start"]);
    let ended = sandbox.end(&mut sandbox.tool(&["doctor", "--json"]));
    let diagnosis = Diagnosis::of(&ended);
    assert_eq!(diagnosis.check("traces.sampled")["state"], "ok", "{}", diagnosis.0);
    embedded(&["stop"]);
    let closed = ClosedPort::new();
    embedded(&["start", "--otlp-endpoint", &format!("http://{}", closed.address())]);
    let listen = format!("127.0.0.1:{}", free_port());
    let ended = sandbox.end(&mut sandbox.tool(&["doctor", "--collector-listen", &listen]));
    embedded(&["stop"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let fix =
        format!("milvus-load embedded stop, then milvus-load embedded start --otlp-endpoint http://{listen}");
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert!(lines[0].starts_with("Milvus exports somewhere else: "), "{}", ended.stdout);
    assert_eq!(lines[1], format!("Fix: {fix}"));
    assert!(lines.last().unwrap().contains("doctor --collector-listen"), "{}", ended.stdout);
}

#[test]
fn a_milvus_that_is_not_there_is_said_first_and_headers_for_jaeger_never() {
    let sandbox = Sandbox::new();
    let closed = ClosedPort::new();
    let uri = format!("http://{}", closed.address());
    let jaeger = answers("401 Unauthorized", "text/plain", String::new());
    let mut tool = sandbox.tool(&["doctor", "--json", "--uri", &uri, "--jaeger", &jaeger]);
    let ended = sandbox.end(
        tool.env("MILVUS_TOKEN", "hidden:token")
            .env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hidden")
            .env("MILVUS_LOAD_JAEGER_HEADERS", "authorization=hidden"),
    );
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let diagnosis = Diagnosis::of(&ended);
    assert_eq!(diagnosis.0["broken"], "milvus.connection");
    diagnosis.is("milvus.connection", "failed", Some("milvus_refused"));
    diagnosis.is("jaeger.api", "failed", Some("jaeger_login"));
    diagnosis.is("traces.sampled", "unknown", None);
    assert!(
        !format!("{}{}", ended.stdout, ended.stderr).contains("hidden"),
        "{}{}",
        ended.stdout,
        ended.stderr
    );
}

#[test]
fn what_cannot_be_examined_is_an_error_and_no_diagnosis() {
    let sandbox = Sandbox::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let ended = sandbox.end(&mut doctor(&sandbox, "http://127.0.0.1:9", &listen, &[]));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    ended.said(&["cannot listen at", "--collector-listen"]);
    let ended = sandbox.end(&mut sandbox.tool(&["doctor", "--workload", "nowhere.toml"]));
    assert_eq!(ended.code, Some(2));
    assert!(!Path::new("nowhere.toml").exists());
}
