//! The collector that keeps the traces of runs on a server: where it listens, and what of it goes on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Instant;

use anyhow::Context as _;

use crate::milvus::embedded::{EmbeddedError, ExportPlace, OtlpEndpoint, ServerInfo};
use crate::trace::collector::Collector;
use crate::trace::exporter::{ExportSettings, Exporter};
use crate::workload::{Keep, Trace};

use super::progress::RunProgress;
use super::server::{Server, ServerKind};
use super::settings::Settings;
use super::tracing::{self, builds_spans};

/// A collector that listens where a server exports to.
#[derive(Debug)]
pub(super) struct Collecting {
    pub collector: Collector,
    /// Of the embedded server, held for as long as it listens.
    _place: Option<ExportPlace>,
}

impl Server {
    /// Lets a collector of this process listen where the server exports its spans to, so that the traces of runs on it are kept. Says
    /// what is to be known of that. Without a place of which it is known that the server exports there, there is none.
    ///
    /// # Errors
    /// Where an address that was asked for cannot be listened on, or only kept traces are to go on and none can be kept.
    pub fn collect(&mut self, settings: &Settings, say: &dyn Fn(&str)) -> anyhow::Result<()> {
        let trace = &settings.workload.trace;
        if !builds_spans(&settings.workload) {
            return Ok(());
        }
        // An embedded server has a port of its own for this, where none is named.
        let is_named = |address: &SocketAddr| address.port() != 0 || !self.kind.is_embedded();
        let found = match trace.collector_listen.filter(is_named) {
            Some(address) => Some((listen(address, say)?, None)),
            None => self.export_place(say)?.map(|(listener, place)| (listener, Some(place))),
        };
        if let Some((listener, place)) = found {
            let onward = onward(settings, listener.local_addr()?)?;
            let collector = Collector::start(listener, onward)?;
            self.collecting = Some(Collecting { collector, _place: place });
        }
        Ok(())
    }

    /// Where its collector listens.
    pub(super) fn collects_at(&self) -> Option<SocketAddr> {
        self.collecting.as_ref().map(|collecting| collecting.collector.address())
    }

    /// Sends on what the collector still has to pass on, until `end` at the latest, and says what was lost of it.
    pub(super) fn pass_on_the_last(&self, end: Instant, progress: &dyn RunProgress) {
        let Some(Collecting { collector, .. }) = &self.collecting else { return };
        collector.drain(end.saturating_duration_since(Instant::now()));
        let lost = collector.passed_on().map_or(0, |counts| counts.recorded - counts.exported);
        if lost > 0 {
            progress.say(&format!(
                "warning: of the spans that Milvus exported, {lost} were not passed on; the traces beside the report have them"
            ));
        }
    }

    /// The place that an embedded server has for this, where no other run has it.
    fn export_place(&self, say: &dyn Fn(&str)) -> Result<Option<(TcpListener, ExportPlace)>, EmbeddedError> {
        let Some(info) = self.kind.info().filter(|info| info.export_port.is_some()) else { return Ok(None) };
        let place = info.take_export_place();
        match (&self.kind, place) {
            (ServerKind::Kept(_), Err(error)) => {
                say(&format!("warning: {error}; this run keeps no traces"));
                Ok(None)
            }
            (_, Ok(None)) => {
                say(
                    "note: the server's spans go to another run that uses this Milvus now, so this run keeps no traces",
                );
                Ok(None)
            }
            (_, place) => place,
        }
    }
}

impl ServerKind {
    /// What is known of an embedded one.
    pub fn info(&self) -> Option<&ServerInfo> {
        match self {
            Self::Named => None,
            Self::Kept(info) => Some(info),
            Self::Own(own) => Some(own.info()),
        }
    }
}

/// That spans arrive from elsewhere has to be asked for, and nobody who sends any is asked who he is.
fn listen(address: SocketAddr, say: &dyn Fn(&str)) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).with_context(|| {
        format!("the built-in collector cannot listen on {address} (trace.collector_listen)")
    })?;
    if !address.ip().is_loopback() {
        say(&format!(
            "warning: the built-in collector listens on {} without TLS or a password: whoever reaches it can send spans to this run",
            listener.local_addr()?
        ));
    }
    Ok(listener)
}

/// How a server on this machine reaches a collector that listens there.
pub(super) fn reached_at(address: SocketAddr) -> Result<OtlpEndpoint, EmbeddedError> {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port()).to_string().parse()
}

/// Where what servers export goes on to, as it comes.
fn onward(settings: &Settings, listens: SocketAddr) -> anyhow::Result<Option<Exporter>> {
    let trace = &settings.workload.trace;
    let goes_on = trace.keep == Keep::All && tracing::look(settings, Some(listens))?.0.is_sent_to();
    let export = || anyhow::Ok(Exporter::start(&export_settings(settings)?, &[], "")?);
    goes_on.then(export).transpose()
}

/// How spans are exported.
pub fn export_settings(settings: &Settings) -> anyhow::Result<ExportSettings> {
    let Trace { otlp_endpoint, service_name, resource, .. } = &settings.workload.trace;
    Ok(ExportSettings::new(otlp_endpoint, service_name, resource, &settings.otel)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_reaches_a_collector_on_all_addresses_by_loopback() {
        for (listens, reached) in [
            ("0.0.0.0:4316", "127.0.0.1:4316"),
            ("[::]:4316", "[::1]:4316"),
            ("127.0.0.1:4316", "127.0.0.1:4316"),
            ("192.0.2.7:4316", "192.0.2.7:4316"),
        ] {
            assert_eq!(reached_at(listens.parse().unwrap()).unwrap().authority(), reached);
        }
        assert!(reached_at("127.0.0.1:0".parse().unwrap()).is_err(), "a port has to be said");
    }

    #[test]
    fn an_address_beyond_this_machine_is_warned_about() {
        let said = std::cell::RefCell::new(Vec::new());
        let say = |line: &str| said.borrow_mut().push(line.to_owned());
        listen("127.0.0.1:0".parse().unwrap(), &say).unwrap();
        assert!(said.borrow().is_empty());
        let listener = listen("0.0.0.0:0".parse().unwrap(), &say).unwrap();
        assert!(said.borrow()[0].contains("without TLS or a password"), "{said:?}");
        let taken = listener.local_addr().unwrap();
        let error = listen(taken, &say).unwrap_err();
        assert!(format!("{error:#}").contains("trace.collector_listen"), "{error:#}");
    }
}
