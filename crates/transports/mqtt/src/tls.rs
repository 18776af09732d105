//! Whom is trusted, and how does one show who one is?

use std::path::Path;
use std::sync::Arc;

use photinus_contract::target::TlsFiles;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// Reads the certificates. Blocks. The error names the file.
pub(crate) fn config(files: &TlsFiles) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match files.ca.as_deref() {
        Some(file) => {
            for certificate in certificates(file)? {
                let added = roots.add(certificate);
                added.map_err(|error| format!("{}: {error}", file.display()))?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
    }
    if roots.is_empty() {
        return Err("this system has no certificates of authorities: install ca-certificates, or name a `tls.ca` of the target".into());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    let Some((cert, key)) = files.cert.as_deref().zip(files.key.as_deref()) else {
        return Ok(config.with_no_client_auth());
    };
    let of_key = |error: &dyn std::fmt::Display| format!("{}: {error}", key.display());
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| of_key(&error))?;
    let config = config.with_client_auth_cert(certificates(cert)?, private);
    config.map_err(|error| of_key(&error))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let of_file = |error| format!("{}: {error}", file.display());
    let certificates = CertificateDer::pem_file_iter(file).map_err(of_file)?;
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(of_file)?;
    match certificates.is_empty() {
        true => Err(format!("{}: there is no certificate in it", file.display())),
        false => Ok(certificates),
    }
}
