//! What is run as pip, where, and with what in its environment.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::{TOOL, assert_contains, stderr, write_script};

/// A user's directory and cache, and a place first in PATH.
struct Place {
    _temp: tempfile::TempDir,
    pub work: PathBuf,
    pub cache: PathBuf,
    pub bin: PathBuf,
}

impl Place {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let [work, cache, bin] = ["work", "cache", "bin"].map(|name| temp.path().join(name));
        fs::create_dir(&work).unwrap();
        fs::create_dir(&bin).unwrap();
        Self { _temp: temp, work, cache, bin }
    }

    /// `embedded start` in the user's directory, with no server in the cache.
    fn start(&self) -> Command {
        let mut tool = Command::new(TOOL);
        tool.args(["embedded", "start"]).current_dir(&self.work);
        tool.env("MILVUS_LOAD_CACHE", &self.cache).env_remove("MILVUS_LOAD_WHEEL");
        tool.env("PATH", format!("{}:{}", self.bin.display(), std::env::var("PATH").unwrap()));
        tool
    }

    /// Things that Python would run in pip's place if it found them, each of which leaves a mark.
    fn plant(&self) -> PathBuf {
        let mark = self.work.join("was-run");
        let code = format!("open({mark:?}, 'w').close()\n");
        fs::create_dir(self.work.join("pip")).unwrap();
        for file in ["pip/__init__.py", "pip/__main__.py", "pip.py", "sitecustomize.py"] {
            fs::write(self.work.join(file), &code).unwrap();
        }
        mark
    }
}

#[track_caller]
fn is_left_out(cache: &Path) {
    assert!(!cache.join("milvus-2.3.5").exists());
    let parts = fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().file_name());
    let parts: Vec<_> = parts.filter(|name| name.to_string_lossy().starts_with(".part-")).collect();
    assert!(parts.is_empty(), "{parts:?}");
}

#[track_caller]
fn failed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", stderr(output));
    stderr(output)
}

#[test]
fn a_failed_download_quotes_pip_and_leaves_no_half_server() {
    let place = Place::new();
    write_script(&place.bin.join("python3"), "echo \"ERROR: asked for $*\" >&2; exit 1");
    let said = failed(&place.start().output().unwrap());
    let parts = ["| ERROR: asked for -m pip", "milvus==2.3.5", "MILVUS_LOAD_WHEEL", "docker-compose.yaml"];
    assert_contains(&said, &parts);
    is_left_out(&place.cache);
}

#[test]
fn what_lies_in_the_users_directory_is_not_run_in_pips_place() {
    let place = Place::new();
    let mark = place.plant();
    // That it would be, if pip were run there: else the check below proves nothing.
    let python = || Command::new("python3");
    python().args(["-m", "pip", "--version"]).current_dir(&place.work).output().unwrap();
    assert!(mark.exists());
    fs::remove_file(&mark).unwrap();
    python().args(["-c", ""]).env("PYTHONPATH", &place.work).output().unwrap();
    assert!(mark.exists());
    fs::remove_file(&mark).unwrap();

    // No index: pip itself runs, and ends without having asked anybody.
    let mut start = place.start();
    start.env("PIP_NO_INDEX", "1").env_remove("PIP_FIND_LINKS").env("PYTHONPATH", &place.work);
    let said = failed(&start.output().unwrap());
    assert_contains(
        &said,
        &["could not download Milvus", "No matching distribution found for milvus==2.3.5"],
    );
    assert!(!mark.exists(), "{said}");
}

#[test]
fn pip_is_given_its_own_settings_and_none_of_our_secrets() {
    let place = Place::new();
    let dump = "{ pwd; env; } > \"$(dirname \"$0\")/dump\"; exit 1";
    write_script(&place.bin.join("python3"), dump);
    let secrets = [
        ("MILVUS_URI", "http://secret"),
        ("MILVUS_TOKEN", "root:secret"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=secret"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "authorization=secret"),
        ("PYTHONPATH", "secret"),
    ];
    let mut start = place.start();
    start
        .envs(secrets)
        .env("PIP_INDEX_URL", "http://index.example")
        .env("HTTPS_PROXY", "http://proxy.example");
    failed(&start.output().unwrap());
    let dump = fs::read_to_string(place.bin.join("dump")).unwrap();
    assert!(dump.starts_with(place.cache.to_str().unwrap()), "it runs in a directory of ours: {dump}");
    assert_contains(&dump, &["PIP_INDEX_URL=http://index.example\n", "HTTPS_PROXY=http://proxy.example\n"]);
    for foreign in ["secret", "MILVUS_", "OTEL_", "PYTHONPATH"] {
        assert!(!dump.contains(foreign), "{foreign} in {dump}");
    }
}
