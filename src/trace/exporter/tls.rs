//! PEM files of the exporter, read once at its start.

use std::path::{Path, PathBuf};

use tonic::transport::{Certificate, ClientTlsConfig, Identity};
use ureq::tls::{Certificate as UreqCertificate, PemItem, parse_pem};

use super::ExportError;
use super::settings::TlsFiles;

/// What the files hold.
pub(super) struct TlsPem {
    /// Authorities in place of the system's.
    pub(super) authorities: Option<Vec<u8>>,
    /// The client's certificates and their key.
    pub(super) client: Option<(Vec<u8>, Vec<u8>)>,
}

impl TlsPem {
    pub(super) fn read(files: &TlsFiles) -> Result<Self, ExportError> {
        let client = match &files.client {
            Some((certificate, key)) => Some((read(certificate)?, read(key)?)),
            None => None,
        };
        let authorities = files.certificate.as_deref().map(read).transpose()?;
        if let (Some(pem), Some(path)) = (&authorities, &files.certificate) {
            // An empty list of authorities would be taken, and every collector refused as unknown.
            certificates(pem).map_err(|error| ExportError::Tls(format!("{}: {error}", path.display())))?;
        }
        Ok(Self { authorities, client })
    }

    /// For gRPC.
    pub(super) fn tonic(&self) -> ClientTlsConfig {
        let config = match &self.authorities {
            Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        match &self.client {
            Some((certificate, key)) => config.identity(Identity::from_pem(certificate, key)),
            None => config,
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ExportError> {
    std::fs::read(path).map_err(|source| ExportError::File { path: PathBuf::from(path), source })
}

/// The certificates of a PEM file, at least one.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<UreqCertificate<'static>>, ureq::Error> {
    let items = parse_pem(pem).collect::<Result<Vec<_>, _>>()?;
    let certificates: Vec<_> = items
        .into_iter()
        .filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        Err(ureq::Error::Tls("no certificate in the file"))
    } else {
        Ok(certificates)
    }
}
