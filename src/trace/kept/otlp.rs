//! Kept traces as OTLP JSON: one object, `TracesData`, that any tool for OTLP reads.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use serde::Deserialize;

use super::KeptTrace;
use super::tellable::tellable;
use crate::trace::spans;

/// The largest file that is read, unpacked.
pub const MOST_BYTES: u64 = 256 << 20;

/// What a packed file begins with (RFC 1952, section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Why kept traces could not be read.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    #[error("kept traces cannot be read: {0}")]
    Read(io::Error),
    #[error("{MOST_BYTES} bytes and more are no traces that a run has kept; is it the right file?")]
    TooLarge,
    #[error("it is damaged, or no OTLP JSON: {0}")]
    Shape(serde_json::Error),
    /// A file of OTLP that this tool has not written.
    #[error(
        "a resource of {service:?} has spans of several traces, or one without a trace ID: that is no file of milvus-load's"
    )]
    Mixed {
        /// Its `service.name`.
        service: String,
    },
}

/// `TracesData`, and a field of ours, which readers of OTLP pass over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    resource_spans: Vec<ResourceSpans>,
    /// IDs of traces of which spans are known to be missing.
    #[serde(default)]
    cut_traces: Vec<String>,
}

/// Writes traces as one OTLP JSON object, a resource a line.
///
/// # Errors
/// Where the writer fails.
pub fn write_otlp(traces: &[KeptTrace], mut out: impl Write) -> io::Result<()> {
    out.write_all(b"{\"resourceSpans\":[")?;
    let resources = traces.iter().flat_map(|trace| &trace.resources);
    for (index, resource) in resources.enumerate() {
        out.write_all(if index == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut out, &tellable(resource))?;
    }
    out.write_all(b"\n]")?;
    let cut: Vec<String> =
        traces.iter().filter(|trace| trace.is_cut).map(|trace| format!("{:032x}", trace.trace_id)).collect();
    if !cut.is_empty() {
        out.write_all(b",\n\"cutTraces\":")?;
        serde_json::to_writer(&mut out, &cut)?;
    }
    out.write_all(b"}\n")
}

/// The same packed by gzip, to some fifteenth of it.
///
/// # Errors
/// Where the writer fails.
pub fn write_packed(traces: &[KeptTrace], out: impl Write) -> io::Result<()> {
    let mut packed = BufWriter::with_capacity(1 << 16, GzEncoder::new(out, Compression::fast()));
    write_otlp(traces, &mut packed)?;
    packed.into_inner().map_err(io::IntoInnerError::into_error)?.finish().map(drop)
}

/// Reads what either of these wrote: traces in the order in which they first come. A resource without spans is no part of any.
///
/// # Errors
/// Where it cannot be read, is larger than [`MOST_BYTES`], or is something else.
pub fn read_otlp(from: impl Read) -> Result<Vec<KeptTrace>, KeptError> {
    let (mut from, mut bytes) = (BufReader::new(from), Vec::new());
    let is_packed = from.fill_buf().map_err(KeptError::Read)?.starts_with(&GZIP);
    let unpacked: &mut dyn Read = if is_packed { &mut GzDecoder::new(from) } else { &mut from };
    unpacked.take(MOST_BYTES).read_to_end(&mut bytes).map_err(KeptError::Read)?;
    if bytes.len() as u64 == MOST_BYTES {
        return Err(KeptError::TooLarge);
    }
    let data: File = serde_json::from_slice(&bytes).map_err(KeptError::Shape)?;
    let cut: HashSet<u128> =
        data.cut_traces.iter().filter_map(|id| u128::from_str_radix(id, 16).ok()).collect();
    let mut traces: Vec<KeptTrace> = Vec::new();
    let mut places = HashMap::new();
    for resource in data.resource_spans {
        let Some(trace_id) = trace_of(&resource)? else { continue };
        let place = *places.entry(trace_id).or_insert_with(|| {
            traces.push(KeptTrace { trace_id, resources: Vec::new(), is_cut: cut.contains(&trace_id) });
            traces.len() - 1
        });
        traces[place].resources.push(resource);
    }
    Ok(traces)
}

/// The trace that all its spans are of; `None` where it has none.
fn trace_of(resource: &ResourceSpans) -> Result<Option<u128>, KeptError> {
    let mixed = || KeptError::Mixed { service: spans::service(resource).unwrap_or_default().to_owned() };
    let mut ids = resource.scope_spans.iter().flat_map(|scope| &scope.spans).map(spans::trace_id);
    let Some(first) = ids.next() else { return Ok(None) };
    match first {
        Some(id) if ids.all(|other| other == first) => Ok(Some(id)),
        Some(_) | None => Err(mixed()),
    }
}
