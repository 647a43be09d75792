//! Why no trace shows up: every cause that can be told apart, with its code, what is wrong in a few words, and what to do.

/// A cause. What it holds is what its fix has to name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    // Milvus cannot be asked.
    MilvusName,
    MilvusRefused,
    MilvusSpeaksTls,
    MilvusWithoutTls,
    MilvusCertificate,
    /// HTTP/1 or something else answers.
    MilvusOtherService,
    MilvusSilent,
    MilvusLogin,
    MilvusFails,
    // Milvus does not export, or not to where it should.
    ExporterOff {
        /// `noop`, `stdout`, `jaeger`.
        exporter: String,
    },
    /// All of `trace` is as it is by default.
    ConfigurationNotRead,
    EndpointEmpty,
    EndpointWithScheme {
        /// What it should be.
        host_and_port: String,
    },
    EndpointIsLoopback,
    EndpointPort {
        /// Where it is known.
        port: Option<u16>,
    },
    /// OTLP over HTTP to a port for gRPC.
    MethodHttp,
    SecureOn,
    SecureOff,
    EmbeddedExportsNothing {
        endpoint: String,
    },
    EmbeddedExportsElsewhere {
        endpoint: String,
    },
    /// As [`Self::SecureOn`], of an embedded server that was started so.
    EmbeddedSecureOn {
        endpoint: String,
    },
    ExporterFailedToStart,
    ExportFails,
    ConfigurationWithoutEffect,
    VersionHangs,
    SegcoreIgnoresSecure,
    NoSegcore,
    NothingArrives,
    HeaderDropped,
    FlagIgnored,
    CameLater,
    ClocksApart,
    // Nothing is broken, and yet some traces are missing.
    OwnFractionZero,
    RequestIdBlocksSampling,
    // The collector.
    CollectorName,
    CollectorRefused,
    OtlpNotEnabled,
    CollectorOnLocalhostOnly,
    UiPort,
    HttpPort,
    GrpcPort,
    CollectorOtherService,
    CollectorSpeaksTls,
    CollectorWithoutTls,
    CollectorCertificate,
    CollectorSilent,
    ExportRefused,
    ExportSwitchedOff,
    // Jaeger.
    JaegerName,
    JaegerRefused,
    JaegerLogin,
    JaegerBasePath {
        /// The address with its path, where it was found out.
        address: Option<String>,
    },
    JaegerOtherService,
    JaegerUnwell,
    AnotherJaeger,
    MilvusExportsElsewhere,
}

impl Cause {
    /// Its name for scripts. Never changes.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MilvusName => "milvus_name",
            Self::MilvusRefused => "milvus_refused",
            Self::MilvusSpeaksTls => "milvus_speaks_tls",
            Self::MilvusWithoutTls => "milvus_without_tls",
            Self::MilvusCertificate => "milvus_certificate",
            Self::MilvusOtherService => "milvus_other_service",
            Self::MilvusSilent => "milvus_silent",
            Self::MilvusLogin => "milvus_login",
            Self::MilvusFails => "milvus_fails",
            Self::ExporterOff { .. } => "exporter_off",
            Self::ConfigurationNotRead => "configuration_not_read",
            Self::EndpointEmpty => "endpoint_empty",
            Self::EndpointWithScheme { .. } => "endpoint_with_scheme",
            Self::EndpointIsLoopback => "endpoint_is_loopback",
            Self::EndpointPort { .. } => "endpoint_port",
            Self::MethodHttp => "method_http",
            Self::SecureOn | Self::EmbeddedSecureOn { .. } => "secure_on",
            Self::SecureOff => "secure_off",
            Self::EmbeddedExportsNothing { .. } => "embedded_exports_nothing",
            Self::EmbeddedExportsElsewhere { .. } => "embedded_exports_elsewhere",
            Self::ExporterFailedToStart => "exporter_failed_to_start",
            Self::ExportFails => "export_fails",
            Self::ConfigurationWithoutEffect => "configuration_without_effect",
            Self::VersionHangs => "version_hangs",
            Self::SegcoreIgnoresSecure => "segcore_ignores_secure",
            Self::NoSegcore => "no_segcore",
            Self::NothingArrives => "nothing_arrives",
            Self::HeaderDropped => "header_dropped",
            Self::FlagIgnored => "flag_ignored",
            Self::CameLater => "collector_came_later",
            Self::ClocksApart => "clocks_apart",
            Self::OwnFractionZero => "own_fraction_zero",
            Self::RequestIdBlocksSampling => "client_request_id",
            Self::CollectorName => "collector_name",
            Self::CollectorRefused => "collector_refused",
            Self::OtlpNotEnabled => "otlp_not_enabled",
            Self::CollectorOnLocalhostOnly => "collector_on_localhost_only",
            Self::UiPort => "ui_port",
            Self::HttpPort => "http_port",
            Self::GrpcPort => "grpc_port",
            Self::CollectorOtherService => "collector_other_service",
            Self::CollectorSpeaksTls => "collector_speaks_tls",
            Self::CollectorWithoutTls => "collector_without_tls",
            Self::CollectorCertificate => "collector_certificate",
            Self::CollectorSilent => "collector_silent",
            Self::ExportRefused => "export_refused",
            Self::ExportSwitchedOff => "export_switched_off",
            Self::JaegerName => "jaeger_name",
            Self::JaegerRefused => "jaeger_refused",
            Self::JaegerLogin => "jaeger_login",
            Self::JaegerBasePath { .. } => "jaeger_base_path",
            Self::JaegerOtherService => "jaeger_other_service",
            Self::JaegerUnwell => "jaeger_unwell",
            Self::AnotherJaeger => "another_jaeger",
            Self::MilvusExportsElsewhere => "milvus_exports_elsewhere",
        }
    }

    /// What is wrong, as the beginning of a sentence that a colon may follow.
    pub const fn problem(&self) -> &'static str {
        match self {
            Self::MilvusName => "Milvus's host name has no address",
            Self::MilvusRefused => "Milvus does not listen there",
            Self::MilvusSpeaksTls => "Milvus speaks TLS, and the URI says http",
            Self::MilvusWithoutTls => "Milvus speaks no TLS, and the URI says https",
            Self::MilvusCertificate => "Milvus's certificate is not trusted",
            Self::MilvusOtherService => "what listens there is not Milvus's gRPC port",
            Self::MilvusSilent => "Milvus takes the connection and does not answer",
            Self::MilvusLogin => "Milvus refuses the login",
            Self::MilvusFails => "Milvus answers with an error",
            Self::ExporterOff { .. } | Self::EmbeddedExportsNothing { .. } => "Milvus does not export",
            Self::ConfigurationNotRead => "Milvus has not read your configuration of traces",
            Self::EndpointEmpty => "Milvus does not know where to export",
            Self::EndpointWithScheme { .. } => "Milvus's endpoint has a scheme",
            Self::EndpointIsLoopback => "Milvus exports to itself",
            Self::EndpointPort { .. } => "Milvus exports to the wrong port",
            Self::MethodHttp => "Milvus exports over HTTP to a port for gRPC",
            Self::SecureOn | Self::EmbeddedSecureOn { .. } => {
                "Milvus exports with TLS to a collector without"
            }
            Self::SecureOff => "Milvus exports without TLS to a collector with it",
            Self::EmbeddedExportsElsewhere { .. } | Self::MilvusExportsElsewhere => {
                "Milvus exports somewhere else"
            }
            Self::ExporterFailedToStart => "Milvus's exporter did not start",
            Self::ExportFails => "Milvus cannot deliver its spans",
            Self::ConfigurationWithoutEffect => "Milvus's configuration has no effect",
            Self::VersionHangs => "this version of Milvus hangs without its collector",
            Self::SegcoreIgnoresSecure => {
                "segcore's spans are missing: this version exports them without TLS only"
            }
            Self::NoSegcore => "segcore's spans are missing",
            Self::NothingArrives => "no span of Milvus arrives",
            Self::HeaderDropped => "the traceparent header does not reach Milvus",
            Self::FlagIgnored => "Milvus traces what was not to be sampled",
            Self::CameLater => "the first spans were lost",
            Self::ClocksApart => "the clocks of client and server are apart",
            Self::OwnFractionZero => "requests without a header are not traced",
            Self::RequestIdBlocksSampling => "requests with client_request_id are not traced",
            Self::CollectorName => "the collector's host name has no address",
            Self::CollectorRefused => "no collector listens",
            Self::OtlpNotEnabled => "Jaeger takes no OTLP",
            Self::CollectorOnLocalhostOnly => "the collector listens on its own localhost only",
            Self::UiPort => "the endpoint is Jaeger's page, not its collector",
            Self::HttpPort => "the endpoint takes OTLP over HTTP, and gRPC is spoken",
            Self::GrpcPort => "the endpoint takes gRPC, and HTTP is spoken",
            Self::CollectorOtherService => "what listens at the endpoint is no collector",
            Self::CollectorSpeaksTls => "the collector speaks TLS, and the endpoint says http",
            Self::CollectorWithoutTls => "the collector speaks no TLS, and the endpoint says https",
            Self::CollectorCertificate => "the collector's certificate is not trusted",
            Self::CollectorSilent => "the collector takes the connection and does not answer",
            Self::ExportRefused => "the collector refuses spans",
            Self::ExportSwitchedOff => "tracing is switched off",
            Self::JaegerName => "Jaeger's host name has no address",
            Self::JaegerRefused => "Jaeger does not listen there",
            Self::JaegerLogin => "Jaeger is behind a login",
            Self::JaegerBasePath { .. } => "Jaeger is behind a path",
            Self::JaegerOtherService => "what listens there is not Jaeger's page",
            Self::JaegerUnwell => "Jaeger answers with an error",
            Self::AnotherJaeger => "the collector takes spans, and Jaeger does not have them",
        }
    }

    /// The one thing to do.
    pub fn fix(&self) -> String {
        match self {
            Self::MilvusName => "check the host in --uri or MILVUS_URI".into(),
            Self::MilvusRefused => "start Milvus, or correct host and port in --uri (gRPC is 19530 by custom)".into(),
            Self::MilvusSpeaksTls => "write https:// in --uri".into(),
            Self::MilvusWithoutTls => "write http:// in --uri".into(),
            Self::MilvusCertificate => "name the authority in target.ca_file, or the name in it in target.server_name".into(),
            Self::MilvusOtherService => "name Milvus's gRPC port in --uri, 19530 by custom (9091 is metrics)".into(),
            Self::MilvusSilent => "restart Milvus; look at its log, and at proxies on the way".into(),
            Self::MilvusLogin => "set MILVUS_TOKEN or target.token_file to user:password or an API key".into(),
            Self::MilvusFails => "look at Milvus's log".into(),
            Self::ExporterOff { exporter } => format!(
                "set trace.exporter to otlp in Milvus (it is {exporter}), and restart it"
            ),
            Self::ConfigurationNotRead => {
                "mount your settings as /milvus/configs/user.yaml (a path that is not there becomes a directory), and restart Milvus".into()
            }
            Self::EndpointEmpty => "set trace.otlp.endpoint to the collector's host:port in Milvus, and restart it".into(),
            Self::EndpointWithScheme { host_and_port } => format!(
                "set trace.otlp.endpoint to {host_and_port} in Milvus, and restart it"
            ),
            Self::EndpointIsLoopback => {
                "set trace.otlp.endpoint to the collector's host or service name (in a container localhost is the container), and restart Milvus".into()
            }
            Self::EndpointPort { port } => {
                let is = port.map_or_else(String::new, |port| format!(" (it is {port})"));
                format!("set trace.otlp.endpoint to the collector's OTLP/gRPC port in Milvus, 4317 by custom{is}, and restart it")
            }
            Self::MethodHttp => "set trace.otlp.method to grpc in Milvus, and restart it".into(),
            Self::SecureOn => "set trace.otlp.secure to false in Milvus (true is its default), and restart it".into(),
            Self::SecureOff => "set trace.otlp.secure to true in Milvus, and restart it".into(),
            Self::EmbeddedExportsNothing { endpoint }
            | Self::EmbeddedExportsElsewhere { endpoint }
            | Self::EmbeddedSecureOn { endpoint } => format!(
                "milvus-load embedded stop, then milvus-load embedded start --otlp-endpoint {endpoint}"
            ),
            Self::ExporterFailedToStart => "read that line of the log to its end; about 2.4.7, upgrade Milvus (milvus issue 35298)".into(),
            Self::ExportFails => "let Milvus's host reach the collector, and check trace.otlp.endpoint".into(),
            Self::ConfigurationWithoutEffect => "restart Milvus".into(),
            Self::VersionHangs => "upgrade Milvus to 2.4.6 or newer, or start the collector first (milvus issue 33483)".into(),
            Self::SegcoreIgnoresSecure => "upgrade Milvus to 2.4.6 or newer (milvus issue 34192), or export without TLS".into(),
            Self::NoSegcore => "restart Milvus, so that its C++ part reads its trace settings anew".into(),
            Self::NothingArrives => {
                "set trace.exporter otlp, trace.otlp.endpoint host:port and trace.otlp.secure false in Milvus, restart it, and run doctor with --log FILE".into()
            }
            Self::HeaderDropped => "let the proxy before Milvus pass the traceparent header".into(),
            Self::FlagIgnored => "let the proxy before Milvus pass the traceparent header as it is".into(),
            Self::CameLater => "start the collector before Milvus; later spans do arrive".into(),
            Self::ClocksApart => "keep both clocks in time, with NTP".into(),
            Self::OwnFractionZero => {
                "set trace.sampleFraction in Milvus above 0, or send the header".into()
            }
            Self::RequestIdBlocksSampling => {
                "do not send client_request_id, or upgrade Milvus (milvus issue 51967)".into()
            }
            Self::CollectorName => "check the host in trace.otlp_endpoint or OTEL_EXPORTER_OTLP_ENDPOINT".into(),
            Self::CollectorRefused => {
                "start it (docker compose up -d jaeger), or name yours in OTEL_EXPORTER_OTLP_ENDPOINT".into()
            }
            Self::OtlpNotEnabled => "start Jaeger with COLLECTOR_OTLP_ENABLED=true and publish 4317; before 1.46 it is off".into(),
            Self::CollectorOnLocalhostOnly => "let it listen on 0.0.0.0: JAEGER_LISTEN_HOST=0.0.0.0 for Jaeger 2".into(),
            Self::UiPort => "name its OTLP port in trace.otlp_endpoint, 4317 by custom".into(),
            Self::HttpPort => "name the gRPC port in trace.otlp_endpoint, 4317 by custom, or set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf".into(),
            Self::GrpcPort => "name the HTTP port in trace.otlp_endpoint, 4318 by custom, or set OTEL_EXPORTER_OTLP_PROTOCOL=grpc".into(),
            Self::CollectorOtherService => "name the collector's OTLP port in trace.otlp_endpoint, 4317 by custom".into(),
            Self::CollectorSpeaksTls => "write https:// in trace.otlp_endpoint".into(),
            Self::CollectorWithoutTls => "write http:// in trace.otlp_endpoint".into(),
            Self::CollectorCertificate => "name the authority in OTEL_EXPORTER_OTLP_CERTIFICATE".into(),
            Self::CollectorSilent => "restart the collector; look at its log".into(),
            Self::ExportRefused => "look at the collector's log; where it wants a login, set OTEL_EXPORTER_OTLP_HEADERS".into(),
            Self::ExportSwitchedOff => "leave out trace.enabled = false, OTEL_SDK_DISABLED and OTEL_TRACES_EXPORTER=none".into(),
            Self::JaegerName => "check the host in --jaeger or trace.jaeger_ui".into(),
            Self::JaegerRefused => "start Jaeger, or name its page with --jaeger URL (16686 by custom)".into(),
            Self::JaegerLogin => {
                "set MILVUS_LOAD_JAEGER_HEADERS, such as authorization=Bearer%20TOKEN, or name an address without a login".into()
            }
            Self::JaegerBasePath { address: Some(address) } => format!("name it with its path: --jaeger {address}"),
            Self::JaegerBasePath { address: None } => {
                "name it with its path, such as --jaeger http://host:16686/jaeger (its QUERY_BASE_PATH)".into()
            }
            Self::JaegerOtherService => "name Jaeger's page with --jaeger URL (16686 by custom)".into(),
            Self::JaegerUnwell => "look at Jaeger's log".into(),
            Self::AnotherJaeger => {
                "let trace.otlp_endpoint and --jaeger mean the same Jaeger; a collector between must not sample".into()
            }
            Self::MilvusExportsElsewhere => {
                "set trace.otlp.endpoint in Milvus to the collector that this Jaeger reads from, and restart it".into()
            }
        }
    }
}
