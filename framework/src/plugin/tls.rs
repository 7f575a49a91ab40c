//! Mutual TLS between host and provider: each makes a certificate for the one run and pins the other's. No other user of the machine can
//! drive the provider, which holds the clusters' credentials.

use std::sync::Arc;

use base64::Engine as _;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject as _},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};

use super::Failure;

/// Our certificate, and the configuration that takes only the host's.
pub(super) struct Identity {
    certificate: String,
    config: ServerConfig,
}

/// Reads the host's certificate (PEM). What is in it shows only when it is compared with that of a connection.
pub fn client_certificate(pem: &str) -> Result<CertificateDer<'static>, Failure> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| format!("PLUGIN_CLIENT_CERT is no certificate: {error}").into())
}

impl Identity {
    /// Makes a certificate of our own, to serve the host with this one (PEM).
    pub(super) fn for_client(client: &str) -> Result<Self, Failure> {
        let client = client_certificate(client)?;
        // Named outright: tf-provider brings in rustls with another provider of cryptography, which can't verify the host's P-521.
        let crypto = Arc::new(aws_lc_rs::default_provider());
        let verifier = Pinned { client, algorithms: crypto.signature_verification_algorithms };

        let mut parameters = rcgen::CertificateParams::new(["localhost".to_owned()])?;
        // The host puts it to its roots, so it must be one.
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        parameters.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature, rcgen::KeyUsagePurpose::KeyCertSign];
        parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        parameters.not_before = time::OffsetDateTime::now_utc() - time::Duration::seconds(30);
        parameters.not_after = parameters.not_before + time::Duration::days(365);
        let key = rcgen::KeyPair::generate()?;
        let own = parameters.self_signed(&key)?;

        let mut config = ServerConfig::builder_with_provider(crypto)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_single_cert(vec![own.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self { certificate: base64::engine::general_purpose::STANDARD_NO_PAD.encode(own.der()), config })
    }

    /// Our certificate as the handshake line has it: the DER in base64 without padding.
    pub(super) fn certificate(&self) -> &str {
        &self.certificate
    }

    pub(super) fn into_config(self) -> ServerConfig {
        self.config
    }
}

/// Takes one client certificate: go-plugin's is a CA used as end entity, which rustls's own verifier refuses.
#[derive(Debug)]
struct Pinned {
    client: CertificateDer<'static>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if *end_entity == self.client {
            Ok(ClientCertVerified::assertion())
        } else {
            Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
