//! Every `OTEL_*` variable that counts does what OpenTelemetry's specification says, and what it cannot mean is a warning.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use milvus_load::trace::TraceRef;
use milvus_load::trace::endpoint::{EndpointForm, Protocol};
use milvus_load::trace::env::{Named, OtelEnv};
use milvus_load::trace::exporter::{BatchLimits, ExportSettings, Exporter};
use milvus_load::trace::span::{ClientSpan, OperationAttributes, SpanOutcome};
use milvus_load::units::Fraction;

/// Reads an environment that holds these variables and no others.
fn read(variables: &[(&str, &str)]) -> OtelEnv {
    let map: HashMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    OtelEnv::read(&|name| map.get(name).cloned())
}

/// As [`read`], for variables that are all well formed.
#[track_caller]
fn clean(variables: &[(&str, &str)]) -> OtelEnv {
    let env = read(variables);
    assert_eq!(env.warnings, [], "{variables:?}");
    env
}

fn fraction(share: f64) -> Fraction {
    Fraction::new(share).unwrap()
}

#[test]
fn an_empty_environment_overrides_nothing() {
    // Empty and blank are as good as not set.
    for env in [clean(&[]), clean(&[("OTEL_SERVICE_NAME", ""), ("OTEL_EXPORTER_OTLP_ENDPOINT", "  ")])] {
        assert!(env.enabled.is_none() && env.endpoint.is_none());
        assert!(env.sample_fraction.is_none() && env.service_name.is_none());
        assert!(env.resource.is_empty() && env.transport.headers.is_empty());
        assert_eq!(env.transport.protocol, Protocol::Grpc);
        assert_eq!(env.transport.timeout, Duration::from_secs(10));
        assert!(!env.transport.gzip);
        assert_eq!(env.limits, BatchLimits::default());
    }
}

#[test]
fn tracing_is_switched_off_by_either_variable_and_on_by_none() {
    let off = |variable| Some(Named { value: false, variable });
    for (variables, expected) in [
        (&[("OTEL_SDK_DISABLED", "true")][..], off("OTEL_SDK_DISABLED")),
        (&[("OTEL_SDK_DISABLED", "TRUE")], off("OTEL_SDK_DISABLED")),
        (&[("OTEL_SDK_DISABLED", "false")], None),
        (&[("OTEL_TRACES_EXPORTER", "none")], off("OTEL_TRACES_EXPORTER")),
        (&[("OTEL_TRACES_EXPORTER", "otlp")], None),
        (&[("OTEL_SDK_DISABLED", "false"), ("OTEL_TRACES_EXPORTER", "none")], off("OTEL_TRACES_EXPORTER")),
        (&[("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "otlp")], off("OTEL_SDK_DISABLED")),
    ] {
        assert_eq!(clean(variables).enabled, expected, "{variables:?}");
    }
}

#[test]
fn samplers_give_the_fraction() {
    let (sampler, arg) = ("OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG");
    for prefix in ["", "parentbased_"] {
        for (kind, argument, share, variable) in [
            ("always_on", None, 1.0, sampler),
            ("always_off", None, 0.0, sampler),
            // The argument belongs to the ratio alone.
            ("always_off", Some("0.5"), 0.0, sampler),
            ("traceidratio", Some("0.25"), 0.25, arg),
            ("traceidratio", Some("0"), 0.0, arg),
            ("traceidratio", None, 1.0, sampler),
        ] {
            let kind = format!("{prefix}{kind}");
            let mut variables = vec![(sampler, kind.as_str())];
            variables.extend(argument.map(|text| (arg, text)));
            let expected = Some(Named { value: fraction(share), variable });
            assert_eq!(clean(&variables).sample_fraction, expected, "{variables:?}");
        }
    }
}

#[test]
fn a_wrong_sampler_argument_is_as_good_as_none() {
    for wrong in ["1.5", "-0.1", "NaN", "half"] {
        let env = read(&[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", wrong)]);
        assert_eq!(env.sample_fraction.unwrap().value, Fraction::ONE);
        assert_eq!(env.warnings[0].variable, "OTEL_TRACES_SAMPLER_ARG");
    }
    let alone = read(&[("OTEL_TRACES_SAMPLER_ARG", "0.5")]);
    assert_eq!(alone.sample_fraction, None);
    assert!(alone.warnings[0].to_string().contains("OTEL_TRACES_SAMPLER=traceidratio"));
}

#[test]
fn the_service_has_the_name_of_its_own_variable_first() {
    let (name, attributes) = ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES");
    let both = clean(&[(name, "mine"), (attributes, "service.name=theirs,application=shop%2C%20web")]);
    assert_eq!(both.service_name, Some(Named { value: "mine".into(), variable: name }));
    assert_eq!(both.resource, [("application".to_owned(), "shop, web".to_owned())]);
    let one = clean(&[(attributes, "service.name=theirs")]);
    assert_eq!(one.service_name, Some(Named { value: "theirs".into(), variable: attributes }));
    assert!(one.resource.is_empty());
}

#[test]
fn the_last_of_equal_resource_attributes_counts_and_a_broken_list_counts_not_at_all() {
    let env = clean(&[("OTEL_RESOURCE_ATTRIBUTES", "a=1,b=2,a=3")]);
    assert_eq!(env.resource, [("b".to_owned(), "2".to_owned()), ("a".to_owned(), "3".to_owned())]);
    for broken in ["a=1,b", "a=1,=2", "a=%zz"] {
        let env = read(&[("OTEL_RESOURCE_ATTRIBUTES", broken)]);
        assert!(env.resource.is_empty());
        assert_eq!(env.warnings.len(), 1, "{broken}");
    }
}

/// A pair of variables, the traces' own and the general one: which value is in force with neither, either and both.
#[track_caller]
fn check_pair<T: PartialEq + std::fmt::Debug>(
    name: &str,
    own: (&str, T),
    general: (&str, T),
    get: impl Fn(OtelEnv) -> T,
) {
    let (traces, plain) = (format!("OTEL_EXPORTER_OTLP_TRACES_{name}"), format!("OTEL_EXPORTER_OTLP_{name}"));
    assert_eq!(get(clean(&[(&traces, own.0)])), own.1);
    assert_eq!(get(clean(&[(&plain, general.0)])), general.1);
    assert_eq!(get(clean(&[(&plain, general.0), (&traces, own.0)])), own.1, "{traces} beats {plain}");
}

#[test]
fn the_traces_own_variable_beats_the_general_one() {
    check_pair("PROTOCOL", ("grpc", Protocol::Grpc), ("http/protobuf", Protocol::HttpProtobuf), |env| {
        env.transport.protocol
    });
    let seconds = Duration::from_secs;
    check_pair("TIMEOUT", ("2000", seconds(2)), ("5000", seconds(5)), |env| env.transport.timeout);
    check_pair("COMPRESSION", ("none", false), ("gzip", true), |env| env.transport.gzip);
    let file = |name: &str| Some(name.into());
    check_pair("CERTIFICATE", ("/a.pem", file("/a.pem")), ("/b.pem", file("/b.pem")), |env| {
        env.transport.tls.certificate
    });
    let headers = |env: OtelEnv| {
        let pairs = env.transport.headers.iter();
        pairs.map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect::<Vec<_>>()
    };
    check_pair("HEADERS", ("a=1", vec!["a=1".into()]), ("b=2", vec!["b=2".into()]), headers);
    check_pair(
        "ENDPOINT",
        ("http://own:1/x", Some(("http://own:1/x".to_owned(), EndpointForm::Exact))),
        ("http://all:2", Some(("http://all:2".to_owned(), EndpointForm::Base))),
        |env| env.endpoint.map(|named| (named.value.address, named.value.form)),
    );
}

#[test]
fn a_wrong_value_of_its_own_variable_leaves_the_general_one_in_force() {
    let env = read(&[("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "5s"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "7000")]);
    assert_eq!(env.transport.timeout, Duration::from_secs(7));
    assert_eq!(env.warnings[0].variable, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT");
}

#[test]
fn a_client_certificate_needs_its_key() {
    let certificate = ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/c.pem");
    let key = ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "/k.pem");
    assert_eq!(clean(&[certificate, key]).transport.tls.client, Some(("/c.pem".into(), "/k.pem".into())));
    for alone in [certificate, key] {
        let env = read(&[alone]);
        assert_eq!((env.transport.tls.client, env.warnings[0].variable), (None, alone.0));
    }
}

#[test]
fn headers_are_decoded_and_never_shown() {
    let env = clean(&[(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "Authorization=Basic%20aHVudGVyMg%3D%3D, x-team = a ,x-team=b",
    )]);
    let pairs: Vec<_> =
        env.transport.headers.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
    assert_eq!(pairs, [("authorization", "Basic aHVudGVyMg=="), ("x-team", "b")]);
    assert!(!format!("{env:?}").contains("aHVudGVyMg"));

    let broken =
        read(&[("OTEL_EXPORTER_OTLP_HEADERS", "hunter2,ok=1,bad name=hunter2,x=hunter2%0A,y-bin=hunter2")]);
    assert_eq!(broken.transport.headers.len(), 1);
    assert_eq!(broken.warnings.len(), 4);
    assert!(!format!("{broken:?}").contains("hunter2"));
    assert!(broken.warnings[1].to_string().contains("entry 3"), "{}", broken.warnings[1]);
}

#[test]
fn an_endpoint_without_a_scheme_is_secure_unless_it_is_said_not_to_be() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "otel.example:4317");
    let address = |env: OtelEnv| env.endpoint.unwrap().value.address;
    assert_eq!(address(clean(&[endpoint])), "https://otel.example:4317");
    for insecure in ["OTEL_EXPORTER_OTLP_INSECURE", "OTEL_EXPORTER_OTLP_TRACES_INSECURE"] {
        assert_eq!(address(clean(&[endpoint, (insecure, "true")])), "http://otel.example:4317");
        assert_eq!(address(clean(&[endpoint, (insecure, "false")])), "https://otel.example:4317");
    }
    // A scheme that is there decides by itself.
    let plain = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:1");
    assert_eq!(address(clean(&[plain, ("OTEL_EXPORTER_OTLP_INSECURE", "false")])), "http://h:1");
    // HTTP knows no addresses without one.
    let env = read(&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")]);
    assert_eq!((env.endpoint, env.warnings.len()), (None, 1));
}

#[test]
fn a_password_in_an_endpoint_is_refused_and_not_repeated() {
    let env = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:hunter2@host:4317")]);
    assert!(env.endpoint.is_none());
    let words = format!("{} {env:?}", env.warnings[0]);
    assert!(!words.contains("hunter2") && words.contains("OTEL_EXPORTER_OTLP_HEADERS"), "{words}");
}

#[test]
fn the_batch_variables_set_queue_and_portions() {
    let env = clean(&[
        ("OTEL_BSP_MAX_QUEUE_SIZE", "4096"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "512"),
        ("OTEL_BSP_SCHEDULE_DELAY", "250"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "1500"),
    ]);
    let expected = BatchLimits {
        queue: 4_096,
        batch: 512,
        delay: Duration::from_millis(250),
        export_timeout: Duration::from_millis(1_500),
        ..BatchLimits::default()
    };
    assert_eq!(env.limits, expected);
    // A batch is never larger than the queue, nor than what a collector takes.
    assert_eq!(clean(&[("OTEL_BSP_MAX_QUEUE_SIZE", "100")]).limits.batch, 100);
    let env = read(&[("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "100000"), ("OTEL_BSP_MAX_QUEUE_SIZE", "99999999")]);
    assert_eq!((env.limits.queue, env.limits.batch), (262_144, 2_048));
    assert_eq!(env.warnings.len(), 2);
}

#[test]
fn every_value_that_is_not_understood_is_named_with_what_is_accepted() {
    for (variable, value, accepted) in [
        ("OTEL_SDK_DISABLED", "1", "true or false"),
        ("OTEL_TRACES_EXPORTER", "jaeger", "otlp or none"),
        ("OTEL_TRACES_SAMPLER", "xray", "traceidratio"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "grpc or http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "GRPC", "grpc or http/protobuf"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "gzip or none"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "brotli", "gzip or none"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "milliseconds"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0", "milliseconds"),
        ("OTEL_EXPORTER_OTLP_INSECURE", "yes", "true or false"),
        ("OTEL_EXPORTER_OTLP_TRACES_INSECURE", "1", "true or false"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "unix:///run/x", "http(s)://host:port"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://", "http(s)://host:port"),
        ("OTEL_RESOURCE_ATTRIBUTES", "shop", "key=value"),
        ("OTEL_BSP_SCHEDULE_DELAY", "-1", "milliseconds"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "1.5", "milliseconds"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "from 1 to"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "many", "from 1 to"),
    ] {
        let env = read(&[(variable, value)]);
        assert_eq!(env.warnings.len(), 1, "{variable}={value}");
        let words = env.warnings[0].to_string();
        for part in [variable, value, accepted] {
            assert!(words.contains(part), "{words:?} does not say {part:?}");
        }
        // And nothing else has changed.
        let untouched = OtelEnv { warnings: Vec::new(), ..env };
        assert_eq!(format!("{untouched:?}"), format!("{:?}", OtelEnv::default()), "{variable}={value}");
    }
}

#[test]
fn settings_take_the_environments_form_and_attributes_where_its_endpoint_is_in_force() {
    let env = clean(&[
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://h:4318/in"),
        ("OTEL_RESOURCE_ATTRIBUTES", "application=env,team=a"),
    ]);
    let file = [("application".to_owned(), "file".to_owned()), ("zone".to_owned(), "z".to_owned())];
    let settings = ExportSettings::new("http://h:4318/in", "s", &file, &env).unwrap();
    assert_eq!(settings.form, EndpointForm::Exact);
    let keys: Vec<_> = settings.resource.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(keys, ["zone=z", "application=env", "team=a"]);
    // A flag has named another one.
    assert_eq!(ExportSettings::new("http://other:1", "s", &file, &env).unwrap().form, EndpointForm::Base);
}

/// What a real process sends when the variables are really set: run again as a child, since the exporter's crate looks
/// into the environment behind our back.
#[test]
fn the_real_environment_reaches_the_wire_as_resolved() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_exports_one_span", "--ignored"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
        .env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("{base}/custom"))
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-general=1")
        .env("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-own=a%20b")
        .env("OTEL_EXPORTER_OTLP_TIMEOUT", "120000")
        .env("OTEL_BSP_EXPORT_TIMEOUT", "120000")
        .env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        .env("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none")
        .env("OTEL_SERVICE_NAME", "from-env")
        .env("OTEL_RESOURCE_ATTRIBUTES", "application=shop")
        .spawn()
        .unwrap();
    let (stream, _) = listener.accept().unwrap();
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).unwrap() > 0, "{head}");
    }
    let head = head.to_lowercase();
    let length =
        head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    assert!(child.wait().unwrap().success());

    assert!(head.starts_with("post /custom http/1.1"), "{head}");
    assert_eq!(head.matches("x-own: a b\r\n").count(), 1, "{head}");
    assert!(!head.contains("x-general") && !head.contains("content-encoding"), "{head}");
    let has = |text: &str| body.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("from-env") && has("application") && has("shop") && has("Search books"));
}

/// Only a part of the test above.
#[test]
#[ignore = "run as a child by the_real_environment_reaches_the_wire_as_resolved"]
fn child_that_exports_one_span() {
    let env = OtelEnv::read(&|name| std::env::var(name).ok());
    // Run by hand, with nothing set, there is nothing to do.
    let Some(endpoint) = env.endpoint.clone().map(|named| named.value.address) else { return };
    let name = env.service_name.clone().unwrap().value;
    let settings = ExportSettings::new(&endpoint, &name, &[], &env).unwrap();
    let operation = OperationAttributes {
        operation: "search".into(),
        rpc: "Search".into(),
        collection: "books".into(),
        database: String::new(),
        server_address: "localhost".into(),
        server_port: 19530,
    };
    let exporter = Exporter::start(&settings, &[operation], "run").unwrap();
    exporter.sink().offer(ClientSpan {
        trace: TraceRef { trace_id: 1, span_id: 2, sampled: true },
        operation: 0,
        phase: "measure",
        intended: 1,
        sent: 2,
        done: 3,
        outcome: SpanOutcome::Ok,
        peer: None,
        rows: 0,
    });
    assert_eq!(exporter.finish(Duration::from_secs(120)).counts.exported, 1);
}
