//! Making sure that the wheel is the right one. What is in it is `install`'s business.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::error::EmbeddedError;
use super::progress::{Progress, Step};

/// The sha256 of `milvus-2.3.5-py3-none-manylinux2014_x86_64.whl`, as PyPI lists it.
pub(super) const WHEEL_SHA256: &str = "69515a0630ce29fd10e101fa442afea8ca1387b93a456cd9bd41fdf3deb93d04";

/// # Errors
/// Where the file cannot be read, its sha256 is not `wanted` (lower-case hex), or the user wants no more of it.
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
            _ if progress.is_stopped() => return Err(EmbeddedError::Stopped),
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
}
