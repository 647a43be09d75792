//! `[target]`: address, credentials, TLS.

use std::path::{Path, PathBuf};

use crate::workload::kind::Value;
use crate::workload::layers::Layers;
use crate::workload::overrides::rank;
use crate::workload::problem::Problems;
use crate::workload::section::Section;
use crate::workload::{MilvusUri, Secret, Target};

pub(super) fn build(layers: &mut Layers, base: &Path, problems: &mut Problems<'_>) -> Option<Target> {
    let uri = match layers.root.any("target.uri") {
        Some(Value::Uri(uri, _)) => Some(uri),
        _ => None,
    };
    tls_needs_https(&mut layers.root, uri.as_ref(), problems);
    let root = &layers.root;
    let (cert_file, key_file) = client_certificate(root, base, problems);
    Some(Target {
        database: database(root, uri.as_ref(), problems),
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

/// The database of the key or of the URI's path, whichever was said with the higher precedence.
fn database(root: &Section, uri: Option<&MilvusUri>, problems: &mut Problems<'_>) -> String {
    let of_uri = uri.and_then(|uri| uri.database.clone());
    let of_key = root.text("target.database");
    match (of_uri, of_key) {
        (None, None) => String::new(),
        (Some(one), None) | (None, Some(one)) => one,
        (Some(of_uri), Some(of_key)) => {
            let rank_of = |key| root.entry(key).map_or(0, |entry| rank(&entry.at.origin));
            match rank_of("target.uri").cmp(&rank_of("target.database")) {
                std::cmp::Ordering::Greater => of_uri,
                std::cmp::Ordering::Less => of_key,
                std::cmp::Ordering::Equal => {
                    if of_uri != of_key {
                        let message =
                            format!("contradicts target.uri, whose path names the database {of_uri:?}");
                        problems.add(
                            "target.database",
                            root.place("target.database"),
                            message,
                            "keep one of them",
                        );
                    }
                    of_key
                }
            }
        }
    }
}

/// MILVUS_TOKEN, unless a flag names a file.
fn token(layers: &Layers, base: &Path, problems: &mut Problems<'_>) -> Option<Secret> {
    let file = layers.root.entry("target.token_file");
    let file_rank = file.map_or(0, |entry| rank(&entry.at.origin));
    if let Some((token, at)) = &layers.token
        && rank(&at.origin) >= file_rank
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
    if uri.is_some_and(|uri| uri.tls) || (root.said("target.uri") && uri.is_none()) {
        return;
    }
    let rank_of = |root: &Section, key| root.entry(key).map_or(0, |entry| rank(&entry.at.origin));
    for key in ["target.ca_file", "target.cert_file", "target.key_file", "target.server_name"] {
        if rank_of(root, key) < rank_of(root, "target.uri") {
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
