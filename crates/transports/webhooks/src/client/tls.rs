//! Whom does a client trust, and how does it show who it is?

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use photinus_contract::target::TlsFiles;

/// Reads the certificates. Blocks. The error names the file.
pub(super) fn config(files: Option<&TlsFiles>, http1_only: bool) -> Result<ClientConfig, String> {
    let roots = match files.and_then(|files| files.ca.as_deref()) {
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(file)? {
                let added = roots.add(certificate);
                added.map_err(|error| format!("{}: {error}", file.display()))?;
            }
            roots
        }
        None => of_the_system()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    let own = files.and_then(|files| files.cert.as_deref().zip(files.key.as_deref()));
    let mut config = match own {
        None => config.with_no_client_auth(),
        Some((cert, key)) => {
            let chain = certificates(cert)?;
            let private = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| format!("{}: {error}", key.display()))?;
            config
                .with_client_auth_cert(chain, private)
                .map_err(|error| format!("{}: {error}", key.display()))?
        }
    };
    config.alpn_protocols = match http1_only {
        true => vec![b"http/1.1".to_vec()],
        false => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
    };
    Ok(config)
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

fn of_the_system() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    match roots.is_empty() {
        true => Err(
            "this system has no certificates of authorities: install ca-certificates, or name a `ca` in [transports.webhooks.tls.NAME] and that NAME in tlsConfigName"
                .into(),
        ),
        false => Ok(roots),
    }
}
