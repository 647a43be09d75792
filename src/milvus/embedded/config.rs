//! The files that a server is started with, in a directory of its own.

use std::path::{Path, PathBuf};

use crate::units::Fraction;

use super::endpoint::OtlpEndpoint;
use super::error::EmbeddedError;
use super::install::Install;
use super::ports::Ports;
use super::server_dir::ServerDir;
use super::template::{fill, set_key};

/// The parts of a standalone server that advertise an address of their own.
const PARTS: [&str; 7] =
    ["rootCoord", "proxy", "queryCoord", "queryNode", "indexNode", "dataCoord", "dataNode"];

/// What one server is configured with.
#[derive(Clone, Debug)]
pub(super) struct ServerConfig<'a> {
    pub(super) ports: Ports,
    /// `None`: no spans leave the server.
    pub(super) otlp: Option<&'a OtlpEndpoint>,
    /// The share of requests that come without a client's decision and are traced.
    pub(super) sample_fraction: Fraction,
}

impl ServerConfig<'_> {
    /// Writes all that the server reads.
    pub(super) fn write(&self, dir: &ServerDir, install: &Install) -> Result<(), EmbeddedError> {
        for dir in [dir.configs(), dir.logs(), dir.data(), dir.run()] {
            std::fs::create_dir_all(&dir).map_err(EmbeddedError::io("create", &dir))?;
        }
        let write = |path: PathBuf, text: String| {
            std::fs::write(&path, text).map_err(EmbeddedError::io("write", &path))
        };
        write(dir.configs().join("milvus.yaml"), self.milvus_yaml(&install.template()?, dir)?)?;
        write(dir.etcd_config(), self.etcd_yaml())?;
        let glog = dir.configs().join("glog.conf");
        std::fs::copy(install.glog(), &glog).map_err(EmbeddedError::io("write", &glog))?;
        Ok(())
    }

    /// Milvus's own configuration: the template with our values in its places, then the keys that it has no place
    /// for.
    fn milvus_yaml(&self, template: &str, dir: &ServerDir) -> Result<String, EmbeddedError> {
        let (data, logs) = (dir.data(), dir.logs());
        let places = [
            ("etcd_data_dir", yaml_path(&data.join("etcd"))?),
            ("local_storage_dir", yaml_path(&data.join("local"))?),
            ("rocksmq_data_dir", yaml_path(&data.join("rocksmq"))?),
            ("etcd_log_path", yaml_path(&logs.join("etcd.log"))?),
            ("system_log_path", yaml_path(&logs)?),
        ];
        let mut text = fill(template, |name| {
            let port = self.ports.by_template_name(name).map(|port| port.to_string());
            port.or_else(|| places.iter().find(|(place, _)| *place == name).map(|(_, value)| value.clone()))
        })?;
        for (path, value) in self.keys(dir)? {
            let path: Vec<&str> = path.split('.').collect();
            text = set_key(&text, &path, &value)?;
        }
        Ok(text)
    }

    fn keys(&self, dir: &ServerDir) -> Result<Vec<(String, String)>, EmbeddedError> {
        let mut keys: Vec<(String, String)> = [
            ("etcd.endpoints", format!("127.0.0.1:{}", self.ports.etcd_client)),
            // Named here and in the server's environment, or a second server uses the first one's etcd ports.
            ("etcd.config.path", yaml_path(&dir.etcd_config())?),
            ("trace.sampleFraction", self.sample_fraction.get().to_string()),
            // After its first lines Milvus logs to files only, which it rotates: at most 60 MB.
            ("log.stdout", "false".into()),
            ("log.file.maxSize", "20".into()),
            ("log.file.maxBackups", "2".into()),
            // Seconds. The data is removed with the server, so there is nothing to save.
            ("common.gracefulStopTimeout", "3".into()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        // Else the parts talk to each other over the address of a network interface, which may come and go.
        keys.extend(PARTS.map(|part| (format!("{part}.ip"), "127.0.0.1".to_owned())));
        keys.extend(self.exporter().map(|(key, value)| (key.to_owned(), value)));
        Ok(keys)
    }

    fn exporter(&self) -> [(&'static str, String); 3] {
        match self.otlp {
            Some(to) => [
                ("trace.exporter", "otlp".into()),
                ("trace.otlp.endpoint", format!("{:?}", to.authority())),
                ("trace.otlp.secure", to.tls().to_string()),
            ],
            None => [
                ("trace.exporter", "noop".into()),
                ("trace.otlp.endpoint", "\"\"".into()),
                ("trace.otlp.secure", "true".into()),
            ],
        }
    }

    /// etcd's configuration. Milvus has no keys for etcd's ports: they only move through a file like this.
    fn etcd_yaml(&self) -> String {
        let client = format!("http://127.0.0.1:{}", self.ports.etcd_client);
        let peer = format!("http://127.0.0.1:{}", self.ports.etcd_peer);
        format!(
            "listen-client-urls: {client}\n\
             advertise-client-urls: {client}\n\
             listen-peer-urls: {peer}\n\
             initial-advertise-peer-urls: {peer}\n\
             initial-cluster: default={peer}\n\
             quota-backend-bytes: 4294967296\n\
             auto-compaction-mode: revision\n\
             auto-compaction-retention: '1000'\n"
        )
    }
}

/// A path as a quoted YAML scalar: what JSON quotes, YAML reads alike.
fn yaml_path(path: &Path) -> Result<String, EmbeddedError> {
    let text = path.to_str().ok_or_else(|| EmbeddedError::PathNotUtf8 { path: path.to_owned() })?;
    Ok(serde_json::Value::from(text).to_string())
}

/// The environment variables that a server may have from the user's environment. All others stay outside: a token
/// has no business there, and Milvus reads any of its settings, and the tracer's `OTEL_*`, from the environment.
const PASSED_ON: [&str; 6] = ["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ"];

/// The whole environment of a server, from what the tool's own holds.
pub(super) fn environment(
    dir: &ServerDir,
    install: &Install,
    ports: &Ports,
    own: impl Fn(&str) -> Option<String>,
) -> Result<Vec<(String, String)>, EmbeddedError> {
    let text = |path: PathBuf| path.to_str().map(str::to_owned).ok_or(EmbeddedError::PathNotUtf8 { path });
    let mut environment: Vec<(String, String)> =
        PASSED_ON.iter().filter_map(|name| Some(((*name).to_owned(), own(name)?))).collect();
    let ours = [
        ("DEPLOY_MODE", "STANDALONE".to_owned()),
        ("ETCD_CONFIG_PATH", text(dir.etcd_config())?),
        ("LD_LIBRARY_PATH", text(install.bin())?),
        ("METRICS_PORT", ports.metrics.to_string()),
        ("MILVUS_RUN_DIR", text(dir.run())?),
        // Spans leave the server within 0.3 s instead of 5, and up to 65536 of them wait instead of 2048.
        ("OTEL_BSP_SCHEDULE_DELAY", "300".to_owned()),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "65536".to_owned()),
    ];
    environment.extend(ours.map(|(name, value)| (name.to_owned(), value)));
    Ok(environment)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_yaml_ng::Value;

    use super::*;

    /// The lines of the wheel's template that matter here, in its shape.
    const TEMPLATE: &str = "\
etcd:
  endpoints: localhost:{{ etcd_port(int): 2379 }}
  log:
    path: {{ etcd_log_path: stdout }}
  data:
    dir: {{ etcd_data_dir }}
localStorage:
  path: {{ local_storage_dir }} # please adjust
rocksmq:
  path: {{ rocksmq_data_dir }}
rootCoord:
  ip: # if not specify address
  port: {{ root_coord_port(int): 53100 }}
proxy:
  ip:
  port: {{ proxy_port(int): 19530 }}
  internalPort: {{ proxy_internal_port(int): 19529 }}
queryCoord:
  port: {{ query_coord_port(int): 19531 }}
queryNode:
  port: {{ query_node_port(int): 21123 }}
indexCoord:
  bindIndexNodeMode:
    address: localhost:{{ index_coord_port(int): 22930 }}
indexNode:
  port: {{ index_node_port(int): 21121 }}
dataCoord:
  port: {{ data_coord_port(int): 13333 }}
dataNode:
  port: {{ data_node_port(int): 21124 }}
log:
  level: info
  file:
    rootPath: {{ system_log_path }} # root dir
    maxSize: 300 # MB
  stdout: true
common:
  gracefulStopTimeout: 1800 # seconds
trace:
  exporter: stdout
  sampleFraction: 0
  otlp:
    endpoint: # \"127.0.0.1:4318\"
    secure: true
";

    fn ports() -> Ports {
        Ports::from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])
    }

    fn rendered(otlp: Option<&OtlpEndpoint>) -> Value {
        let dir = ServerDir::new(PathBuf::from("/a dir/#1"));
        let config = ServerConfig { ports: ports(), otlp, sample_fraction: Fraction::ZERO };
        serde_yaml_ng::from_str(&config.milvus_yaml(TEMPLATE, &dir).unwrap()).unwrap()
    }

    #[test]
    fn every_part_gets_its_own_port_and_the_loopback_address() {
        let yaml = rendered(None);
        let parts = [
            ("proxy", 1),
            ("rootCoord", 3),
            ("queryCoord", 4),
            ("queryNode", 5),
            ("indexNode", 7),
            ("dataCoord", 8),
            ("dataNode", 9),
        ];
        for (part, port) in parts {
            assert_eq!(yaml[part]["port"], Value::from(port), "{part}");
            assert_eq!(yaml[part]["ip"], Value::from("127.0.0.1"), "{part}");
        }
        assert_eq!(yaml["proxy"]["internalPort"], Value::from(2));
        assert_eq!(yaml["indexCoord"]["bindIndexNodeMode"]["address"], Value::from("localhost:6"));
        assert_eq!(yaml["etcd"]["endpoints"], Value::from("127.0.0.1:11"));
    }

    #[test]
    fn all_directories_lie_in_the_servers_own_whatever_its_name() {
        let yaml = rendered(None);
        assert_eq!(yaml["etcd"]["data"]["dir"], Value::from("/a dir/#1/data/etcd"));
        assert_eq!(yaml["etcd"]["config"]["path"], Value::from("/a dir/#1/configs/embedEtcd.yaml"));
        assert_eq!(yaml["localStorage"]["path"], Value::from("/a dir/#1/data/local"));
        assert_eq!(yaml["rocksmq"]["path"], Value::from("/a dir/#1/data/rocksmq"));
        assert_eq!(yaml["log"]["file"]["rootPath"], Value::from("/a dir/#1/logs"));
    }

    #[test]
    fn spans_go_where_the_tool_says_and_without_a_collector_nowhere() {
        let none = rendered(None);
        assert_eq!(none["trace"]["exporter"], Value::from("noop"));
        let some = rendered(Some(&"http://[::1]:4317".parse().unwrap()));
        assert_eq!(some["trace"]["exporter"], Value::from("otlp"));
        assert_eq!(some["trace"]["sampleFraction"], Value::from(0));
        assert_eq!(some["trace"]["otlp"]["endpoint"], Value::from("[::1]:4317"));
        assert_eq!(some["trace"]["otlp"]["secure"], Value::from(false), "2.3.5's default is TLS");
        let tls = rendered(Some(&"https://otel.example:443".parse().unwrap()));
        assert_eq!(tls["trace"]["otlp"]["secure"], Value::from(true));
    }

    #[test]
    fn etcd_listens_on_ports_of_its_own() {
        let config = ServerConfig { ports: ports(), otlp: None, sample_fraction: Fraction::ZERO };
        let yaml: BTreeMap<String, Value> = serde_yaml_ng::from_str(&config.etcd_yaml()).unwrap();
        assert_eq!(yaml["listen-client-urls"], Value::from("http://127.0.0.1:11"));
        assert_eq!(yaml["advertise-client-urls"], Value::from("http://127.0.0.1:11"));
        assert_eq!(yaml["listen-peer-urls"], Value::from("http://127.0.0.1:12"));
        assert_eq!(yaml["initial-cluster"], Value::from("default=http://127.0.0.1:12"));
    }
}
