//! A real Milvus with nothing installed but Python's pip: the standalone server out of PyPI's `milvus` 2.3.5 wheel.
//!
//! ```text
//! wheel -> install -> ports, template, config -> supervised -> supervisor -> server
//!                                                    ready -> Embedded
//! ```
//!
//! **Belongs here:** fetching, unpacking, configuring, starting, watching, keeping and ending that server.
//! **Does not:** talking to it beyond "are you there" (that is the control session's), and drawing progress
//! (`commands`).
//!
//! **Invariants.** A server never outlives its supervisor's wish, nor the supervisor the tool, unless it is kept: see
//! [`supervise`]. What is installed is complete or absent. Servers share nothing but the unpacked programs, so any
//! number can run at once and beside a user's own Milvus, whose default ports are left alone. The one exception is
//! Milvus's own: started by root, every standalone server writes its process id to `/run/milvus/standalone.pid`.
//!
//! The server shares this machine's cores with the load generator, and all of it but etcd listens on all interfaces without
//! authentication: it is for trying out and for tests. 2.3.5 cannot be told otherwise (measured): each part's `ip` is what it
//! tells the others, and it listens on `:port` whatever that says; of a `port` or METRICS_PORT with an address it makes a port of
//! its own choice.
//!
//! Start reading at [`Embedded::start`]. Facts about the server were measured on the wheel's 2.3.5.

mod cache;
mod config;
mod endpoint;
mod error;
mod install;
mod kept;
mod listening;
mod logs;
mod pip;
mod ports;
mod progress;
mod ready;
mod server_dir;
mod stand_in;
mod supervised;
mod supervisor;
mod sweep;
mod template;
mod wheel;

use std::hash::{BuildHasher, Hasher};
use std::path::PathBuf;
use std::time::Duration;

use crate::units::Fraction;

pub use cache::{CACHE_ENV, Cache};
pub use endpoint::{Exports, OtlpEndpoint};
pub use error::EmbeddedError;
pub use install::{WHEEL_ENV, WHEEL_VERSION};
pub use kept::{ServerInfo, kept, stop_kept};
pub use progress::{Progress, Quiet, Step};
pub use stand_in::{ExportPlace, StandIn};
pub use supervisor::{SUPERVISE, supervise};

use cache::Lock;
use config::{ServerConfig, environment};
use install::Install;
use ports::Ports;
use ready::Failure;
use server_dir::ServerDir;
use supervised::{STOP_LIMIT, Supervised};
use supervisor::Launch;

/// What is to be known of a server before it is left running where others can reach this machine.
pub const EXPOSED: &str = "the embedded Milvus listens on all network interfaces without a password, and cannot be told \
                           otherwise: while it runs, whoever reaches this machine's ports can read and change what it holds; \
                           a firewall or a network namespace keeps others out (README, \"The embedded Milvus\")";

/// How often fresh ports are tried where others took them in between.
const PORT_ATTEMPTS: u32 = 3;

/// How an embedded server is to be started.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// Where the server exports its spans to.
    pub exports: Exports,
    /// The share of requests that the server traces where no client has decided. With 0 the client alone decides.
    pub sample_fraction: Fraction,
    /// How long the server may take to answer (3 to 7 s on an idle machine).
    pub ready_timeout: Duration,
    /// Where to unpack it and where it runs; `None`: as [`Cache::locate`] says.
    pub cache_dir: Option<PathBuf>,
    /// A wheel already downloaded; `None`: pip downloads it.
    pub wheel: Option<PathBuf>,
    /// The program whose [`SUPERVISE`] subcommand calls [`supervise`]. Only a program other than `milvus-load`, such
    /// as a test, has to set it.
    pub supervisor_exe: PathBuf,
}

impl Default for EmbeddedOptions {
    /// No spans exported, fraction 0, two minutes to get ready, the user's cache, the wheel of [`WHEEL_ENV`] if that
    /// is set.
    fn default() -> Self {
        Self {
            exports: Exports::Nowhere,
            sample_fraction: Fraction::ZERO,
            ready_timeout: Duration::from_secs(120),
            cache_dir: None,
            wheel: std::env::var_os(WHEEL_ENV).filter(|path| !path.is_empty()).map(PathBuf::from),
            // Not by its path: that may name another program by now, as after a rebuild.
            supervisor_exe: PathBuf::from("/proc/self/exe"),
        }
    }
}

/// A running server of our own. Dropping it ends the server and removes all that it wrote.
#[derive(Debug)]
pub struct Embedded {
    cache: Cache,
    info: ServerInfo,
    supervised: Supervised,
}

impl Embedded {
    /// Gets the server into the cache where it is not there yet, starts one and waits until it answers. Blocks; may
    /// be called inside a runtime only where blocking is allowed.
    ///
    /// # Errors
    /// Where the platform is another one, the wheel cannot be had or is not the right one, the server ends or does
    /// not answer in time, or a file operation fails. Nothing is left running.
    pub fn start(options: &EmbeddedOptions, progress: &mut dyn Progress) -> Result<Self, EmbeddedError> {
        let cache = Cache::locate(options.cache_dir.as_deref())?;
        let install = ensure_installed(&cache, options, progress)?;
        cache.create()?;
        progress.begin(Step::Start, None);
        let mut attempts = 1;
        let embedded = loop {
            match Self::attempt(&cache, &install, options, progress) {
                Ok(embedded) => break embedded,
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::PortsTaken(_)) if attempts < PORT_ATTEMPTS => attempts += 1,
                Err(Failure::PortsTaken(log)) => return Err(EmbeddedError::PortsTaken { attempts, log }),
            }
        };
        progress.end();
        Ok(embedded)
    }

    /// One attempt, with ports of its own. What fails is ended and removed by dropping it.
    fn attempt(
        cache: &Cache,
        install: &Install,
        options: &EmbeddedOptions,
        progress: &dyn Progress,
    ) -> Result<Self, Failure> {
        let ports = Ports::find(unpredictable())?;
        let (otlp, export_port) = match &options.exports {
            Exports::Nowhere => (None, None),
            Exports::To(endpoint) => (Some(endpoint.clone()), None),
            Exports::ToTheRun => (Some(OtlpEndpoint::here(ports.collector)), Some(ports.collector)),
        };
        let config = ServerConfig { ports, otlp: otlp.as_ref(), sample_fraction: options.sample_fraction };
        let mut supervised = spawn(cache, install, options, (&config, export_port), progress)?;
        let version = ready::wait(&mut supervised, &ports, options.ready_timeout, progress)?;
        let info = ServerInfo {
            uri: format!("http://127.0.0.1:{}", ports.proxy),
            metrics_url: format!("http://127.0.0.1:{}/metrics", ports.metrics),
            version,
            pid: supervised.pid(),
            supervisor_pid: supervised.supervisor_pid(),
            otlp_endpoint: otlp.as_ref().map(ToString::to_string),
            export_port,
            sample_fraction: options.sample_fraction.get(),
            data_dir: supervised.dir().path().to_owned(),
            log_path: logs::current(&supervised.dir().logs()),
        };
        kept::write_info(supervised.dir(), &info)?;
        Ok(Self { cache: cache.clone(), info, supervised })
    }

    /// All that is known of the server.
    pub fn info(&self) -> &ServerInfo {
        &self.info
    }

    /// Lets the server live on after this process, as the kept one.
    ///
    /// # Errors
    /// Where another one is kept already, or this one has ended. It is ended then.
    pub fn keep(mut self) -> Result<ServerInfo, EmbeddedError> {
        let _lock = Lock::wait(&self.cache.servers_lock(), || false)?;
        kept::point_to(&self.cache, self.supervised.dir().path())?;
        if self.supervised.release() {
            Ok(self.info.clone())
        } else {
            Err(EmbeddedError::Gone { uri: self.info.uri.clone() })
        }
    }

    /// Ends the server and removes all that it wrote. Dropping does the same and swallows the error.
    ///
    /// # Errors
    /// Where something could not be removed.
    pub fn stop(mut self) -> Result<(), EmbeddedError> {
        self.supervised.stop()
    }
}

/// Gets the server into the cache where it is not there yet, and starts nothing. Returns where it is.
///
/// # Errors
/// As [`Embedded::start`], but for the server itself.
pub fn install(options: &EmbeddedOptions, progress: &mut dyn Progress) -> Result<PathBuf, EmbeddedError> {
    let cache = Cache::locate(options.cache_dir.as_deref())?;
    Ok(ensure_installed(&cache, options, progress)?.dir().to_owned())
}

fn ensure_installed(
    cache: &Cache,
    options: &EmbeddedOptions,
    progress: &mut dyn Progress,
) -> Result<Install, EmbeddedError> {
    check_platform(std::env::consts::OS, std::env::consts::ARCH)?;
    Install::ensure(cache, options.wheel.as_deref(), progress)
}

/// Makes a directory for a server and starts it there, after sweeping what crashed supervisors left.
fn spawn(
    cache: &Cache,
    install: &Install,
    options: &EmbeddedOptions,
    (config, export_port): (&ServerConfig<'_>, Option<u16>),
    progress: &dyn Progress,
) -> Result<Supervised, EmbeddedError> {
    let _lock = Lock::wait(&cache.servers_lock(), || progress.is_stopped())?;
    sweep::sweep(cache)?;
    let dir = ServerDir::new(cache.servers_dir().join(format!("{:016x}", unpredictable())));
    let started = config.write(&dir, install).and_then(|()| {
        let launch = Launch {
            program: install.program(),
            args: ["run", "standalone"].map(str::to_owned).into(),
            environment: environment(&dir, install, &config.ports, |name| std::env::var(name).ok())?,
            stop_limit_ms: STOP_LIMIT.as_millis() as u64,
            export_port,
        };
        Supervised::spawn(&options.supervisor_exe, dir.clone(), &launch, progress)
    });
    if started.is_err() {
        // The first error is the one to tell; what stays is swept by the next start.
        let _ = sweep::remove_leftover(&dir);
    }
    started
}

/// Another number each time and in each process: the standard library seeds its hashers from the system's entropy.
fn unpredictable() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

/// The wheel exists for one platform.
fn check_platform(os: &'static str, arch: &'static str) -> Result<(), EmbeddedError> {
    match (os, arch) {
        ("linux", "x86_64") => Ok(()),
        _ => Err(EmbeddedError::Platform { os, arch }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_wheels_platform_is_served() {
        check_platform("linux", "x86_64").unwrap();
        for (os, arch) in [("macos", "x86_64"), ("linux", "aarch64"), ("windows", "x86_64")] {
            assert!(matches!(check_platform(os, arch), Err(EmbeddedError::Platform { .. })), "{os} {arch}");
        }
    }
}
