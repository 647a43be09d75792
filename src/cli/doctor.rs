//! `doctor`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Where Milvus is.
    #[arg(
        long,
        value_name = "URI",
        help = "Where Milvus is; with none named, the one that `embedded start` keeps, or an embedded one of doctor's own"
    )]
    pub uri: Option<String>,
    /// Probe with a real search of this workload too: the spans of segcore need one
    #[arg(long, value_name = "WORKLOAD.toml")]
    pub workload: Option<PathBuf>,
    /// Set any key of the workload file, such as --set trace.otlp_endpoint=http://otel:4317; can be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Jaeger's address, short for --set trace.jaeger_ui=URL
    #[arg(long, value_name = "URL")]
    pub jaeger: Option<String>,
    /// Milvus's log: the lines that tell why it does not export
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Listen here as the collector that Milvus exports to, in place of looking into Jaeger; short for --set
    /// trace.collector_listen=IP:PORT
    #[arg(long, value_name = "IP:PORT")]
    pub collector_listen: Option<SocketAddr>,
    /// Print what was found as JSON on standard output
    #[arg(long)]
    pub json: bool,
}
