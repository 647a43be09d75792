//! Getting the wheel and making sure that it is the right one. What is in it is `install`'s business.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use super::error::EmbeddedError;
use super::install::WHEEL_VERSION;
use super::logs::last_lines;
use super::progress::{Progress, Step};

/// The sha256 of `milvus-2.3.5-py3-none-manylinux2014_x86_64.whl`, as PyPI lists it.
pub(super) const WHEEL_SHA256: &str = "69515a0630ce29fd10e101fa442afea8ca1387b93a456cd9bd41fdf3deb93d04";

/// How much of what pip says is quoted, lines.
const PIP_LINES: usize = 15;

/// Downloads the wheel into `dir`, which must be empty, with the user's own pip and its settings.
pub(super) fn download(dir: &Path, progress: &mut dyn Progress) -> Result<PathBuf, EmbeddedError> {
    progress.begin(Step::Download, None);
    let requirement = format!("milvus=={WHEEL_VERSION}");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check"])
        .args(["--progress-bar", "off", "--quiet", "--dest"])
        .arg(dir)
        .arg(&requirement)
        .stdin(Stdio::null());
    let failed = |reason: String, stderr: &[u8]| EmbeddedError::Pip {
        command: format!("python3 -m pip download --no-deps {requirement}"),
        reason,
        stderr: last_lines(&String::from_utf8_lossy(stderr), PIP_LINES),
    };
    let output = pip.output().map_err(|error| failed(error.to_string(), b""))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string(), &output.stderr));
    }
    let wheel = only_wheel_in(dir).map_err(EmbeddedError::io("read", dir))?;
    let wheel = wheel.ok_or_else(|| failed("it downloaded no wheel".into(), &output.stderr))?;
    progress.end();
    Ok(wheel)
}

fn only_wheel_in(dir: &Path) -> io::Result<Option<PathBuf>> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ext| ext == "whl") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// # Errors
/// Where the file cannot be read or its sha256 is not `wanted` (lower-case hex).
pub(super) fn verify(
    path: &Path,
    wanted: &'static str,
    progress: &mut dyn Progress,
) -> Result<(), EmbeddedError> {
    let mut file = File::open(path).map_err(EmbeddedError::io("open", path))?;
    let total = file.metadata().map_err(EmbeddedError::io("read", path))?.len();
    progress.begin(Step::Verify, Some(total));
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0;
    loop {
        match file.read(&mut buffer).map_err(EmbeddedError::io("read", path))? {
            0 => break,
            n => {
                hasher.update(&buffer[..n]);
                done += n as u64;
                progress.advance(done);
            }
        }
    }
    let found: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if found != wanted {
        return Err(EmbeddedError::WheelHash { path: path.to_owned(), found, wanted });
    }
    progress.end();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::progress::Quiet;
    use super::*;

    /// FIPS 180-2, appendix B.1: the hash of "abc".
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn the_published_hash_of_abc_is_accepted_and_any_other_file_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.whl");
        std::fs::write(&path, "abc").unwrap();
        verify(&path, ABC, &mut Quiet).unwrap();
        std::fs::write(&path, "abd").unwrap();
        let error = verify(&path, ABC, &mut Quiet).unwrap_err();
        assert!(matches!(&error, EmbeddedError::WheelHash { found, .. } if found != ABC), "{error}");
    }

    #[test]
    fn only_a_wheel_counts_as_downloaded() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("milvus-2.3.5.tar.gz"), "").unwrap();
        assert_eq!(only_wheel_in(dir.path()).unwrap(), None);
        let wheel = dir.path().join("milvus-2.3.5-py3-none-manylinux2014_x86_64.whl");
        std::fs::write(&wheel, "").unwrap();
        assert_eq!(only_wheel_in(dir.path()).unwrap(), Some(wheel));
    }
}
