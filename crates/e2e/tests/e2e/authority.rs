//! Who vouches for the receivers and the brokers of the tests, and for this server?

use std::path::{Path, PathBuf};
use std::sync::Arc;

use photinus_e2e::DataDirectory;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// A private authority, with a directory for its files.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    files: DataDirectory,
}

/// A certificate and its key.
pub(crate) struct Issued {
    der: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let authority = Self {
            der: certificate.der().clone(),
            issuer: Issuer::new(params, key),
            files: DataDirectory::new(),
        };
        authority.write("ca.pem", &certificate.pem());
        authority
    }

    /// A certificate for these names and addresses.
    pub(crate) fn issue(&self, names: &[&str]) -> Issued {
        self.issued(names, |_| {})
    }

    /// The same, which nobody can use any more.
    pub(crate) fn issue_expired(&self, names: &[&str]) -> Issued {
        self.issued(names, |params| params.not_after = date_time_ymd(2001, 1, 1))
    }

    fn issued(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued {
            der: certificate.der().clone(),
            pem: certificate.pem(),
            key,
        }
    }

    /// The file with its certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.files.path().join("ca.pem")
    }

    /// The files with a certificate and its key.
    pub(crate) fn write_pair(&self, issued: &Issued) -> [PathBuf; 2] {
        self.write_named_pair("own", issued)
    }

    /// The files of this name with a certificate and its key.
    pub(crate) fn write_named_pair(&self, name: &str, issued: &Issued) -> [PathBuf; 2] {
        [
            self.write(&format!("{name}-cert.pem"), &issued.pem),
            self.write(&format!("{name}-key.pem"), &issued.key.serialize_pem()),
        ]
    }

    fn write(&self, name: &str, pem: &str) -> PathBuf {
        let file = self.files.path().join(name);
        std::fs::write(&file, pem).unwrap();
        file
    }

    /// Whoever wants to connect has to show a certificate of this authority.
    pub(crate) fn server_for_its_own(&self, issued: &Issued) -> ServerConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap());
        builder
            .with_single_cert(vec![issued.der.clone()], issued.private_key())
            .unwrap()
    }
}

impl Issued {
    /// Everybody may connect.
    pub(crate) fn server(&self) -> ServerConfig {
        ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.der.clone()], self.private_key())
            .unwrap()
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }
}

/// The lines that name an authority.
pub(crate) fn with_ca(name: &str, file: &Path) -> String {
    format!("tls.{name}.ca = '{}'\n", file.display())
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
