//! `[target]`: address, credentials, TLS.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use crate::workload::kind::Value;
use crate::workload::layers::Layers;
use crate::workload::overrides::rank;
use crate::workload::problem::Problems;
use crate::workload::section::{Entry, Section};
use crate::workload::{MilvusUri, Origin, Secret, Target};

const URI: &str = "target.uri";
const DATABASE: &str = "target.database";

pub(super) fn build(layers: &mut Layers, base: &Path, problems: &mut Problems<'_>) -> Option<Target> {
    settle_database(&mut layers.root, problems);
    let uri = match layers.root.any(URI) {
        Some(Value::Uri(named, _)) => Some(named.uri),
        _ => None,
    };
    tls_needs_https(&mut layers.root, uri.as_ref(), problems);
    let root = &layers.root;
    let (cert_file, key_file) = client_certificate(root, base, problems);
    Some(Target {
        database: root.text(DATABASE).unwrap_or_default(),
        uri,
        token: token(layers, base, problems),
        ca_file: root.path("target.ca_file", base),
        cert_file,
        key_file,
        server_name: root.text("target.server_name"),
        timeout: root.duration("target.timeout")?,
        metrics: root.texts("target.metrics").unwrap_or_default(),
    })
}

/// Of `target.database` and the path of `target.uri`, whichever was said with the higher precedence becomes
/// `target.database`, with its origin; the path is taken off the URI, so that the settings in force name one database.
fn settle_database(root: &mut Section, problems: &mut Problems<'_>) {
    let Some(entry) = root.entries.get_mut(URI) else { return };
    let Some(Value::Uri(uri, text)) = &mut entry.value else { return };
    let Some(of_path) = uri.database.take() else { return };
    // It was read from this text, so it stands at its end.
    let address = text.trim_end_matches('/').strip_suffix(of_path.as_str()).unwrap_or(text);
    *text = address.trim_end_matches('/').to_owned();
    let of_path = Entry { shown: DATABASE.to_owned(), value: Some(Value::Text(of_path)), ..entry.clone() };
    let Some(of_key) = root.entry(DATABASE) else {
        root.entries.insert(DATABASE, Entry { over_file: None, ..of_path });
        return;
    };
    match root.rank(URI).cmp(&root.rank(DATABASE)) {
        Ordering::Greater => {
            let over_file = of_key.over_file.clone().or_else(|| match of_key.at.origin {
                Origin::File { .. } => Some(of_key.at.clone()),
                _ => None,
            });
            root.entries.insert(DATABASE, Entry { over_file, ..of_path });
        }
        Ordering::Less => {}
        Ordering::Equal if of_key.value == of_path.value => {}
        Ordering::Equal => {
            let name = of_path.value.as_ref().map(Value::json).unwrap_or_default();
            let message = format!("contradicts target.uri, whose path names the database {name}");
            problems.add(DATABASE, root.place(DATABASE), message, "keep one of them");
        }
    }
}

/// MILVUS_TOKEN, unless a flag names a file.
fn token(layers: &Layers, base: &Path, problems: &mut Problems<'_>) -> Option<Secret> {
    if let Some((token, at)) = &layers.token
        && rank(&at.origin) >= layers.root.rank("target.token_file")
    {
        return Some(token.clone());
    }
    let path = layers.root.path("target.token_file", base)?;
    match std::fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => return Some(Secret::new(text.trim().to_owned())),
        Ok(_) => token_file_problem(layers, "the file is empty", problems),
        Err(error) => token_file_problem(layers, &format!("cannot read the file: {error}"), problems),
    }
    None
}

/// Does not repeat the path: it may be the token itself, written where its file's name should be.
fn token_file_problem(layers: &Layers, message: &str, problems: &mut Problems<'_>) {
    const KEY: &str = "target.token_file";
    let fix = "name a file with user:password or an API key in it; a relative path starts from the workload's directory";
    problems.add(KEY, layers.root.place(KEY), message, fix);
}

fn client_certificate(
    root: &Section,
    base: &Path,
    problems: &mut Problems<'_>,
) -> (Option<PathBuf>, Option<PathBuf>) {
    for (one, other) in [("target.cert_file", "target.key_file"), ("target.key_file", "target.cert_file")] {
        if root.said(one) && !root.said(other) {
            let message = format!("a client certificate needs its key: {other} is missing");
            problems.add(one, root.place(one), message, format!("add {other}, or remove {one}"));
        }
    }
    (root.path("target.cert_file", base), root.path("target.key_file", base))
}

/// Certificates over a plain connection would be silently unused; those of the file go where `--uri` replaces its URI.
fn tls_needs_https(root: &mut Section, uri: Option<&MilvusUri>, problems: &mut Problems<'_>) {
    if uri.is_some_and(|uri| uri.tls) || (root.said(URI) && uri.is_none()) {
        return;
    }
    for key in ["target.ca_file", "target.cert_file", "target.key_file", "target.server_name"] {
        if root.rank(key) < root.rank(URI) {
            root.entries.remove(key);
        } else if root.said(key) {
            problems.add(
                key,
                root.place(key),
                "it is for TLS, and the connection is a plain one",
                "write target.uri = \"https://...\", or remove it",
            );
        }
    }
}
