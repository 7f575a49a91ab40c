//! TLS handshakes with servers in pods.

use std::{io, sync::Arc};

use async_trait::async_trait;
use framework::Deadline;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio_rustls::TlsConnector;

use super::{
    Kubernetes,
    port_forward::{Forwarded, Stream},
    refusal::{Attempt, Verb},
};
use crate::{
    data::ObjectRef,
    ports::{Failure, FailureKind, Handshakes, Hello},
};

#[async_trait]
impl Handshakes for Kubernetes {
    async fn presented(&self, cluster: &str, pod: &ObjectRef, hello: &Hello, deadline: &Deadline) -> Result<String, Failure> {
        let attempt = Attempt::new(cluster, Verb::Connect, pod);
        let Forwarded { stream, trouble } = self.forward(&attempt, pod, hello.port, deadline).await?;
        let cut = |cut| Failure::cut(cut, attempt.title(), &attempt.doing());
        match deadline.bound(presented_on(stream, hello)).await.map_err(cut)? {
            Ok(presented) => Ok(presented),
            Err(error) => {
                let why = trouble.why(deadline).await.unwrap_or_else(|| error.to_string());
                Err(Failure::new(FailureKind::NotReady, attempt.title(), format!("Its port {} begins no TLS connection.", hello.port))
                    .raw(why))
            }
        }
    }
}

/// Returns what the server on a connection presents, PEM.
async fn presented_on(stream: impl Stream, hello: &Hello) -> Result<String, io::Error> {
    let crypto = Arc::new(aws_lc_rs::default_provider());
    let config =
        ClientConfig::builder_with_provider(Arc::clone(&crypto)).with_safe_default_protocol_versions().map_err(io::Error::other)?;
    let mut config = config.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(crypto))).with_no_client_auth();
    config.alpn_protocols = hello.protocol.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(hello.server_name.clone()).map_err(io::Error::other)?;
    let session = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let chain = session.get_ref().1.peer_certificates().unwrap_or_default();
    Ok(pem::encode_many(&chain.iter().map(|der| pem::Pem::new("CERTIFICATE", der.to_vec())).collect::<Vec<_>>()))
}

/// Accepts any certificate whose key the server has: it is what is asked for, and nothing secret is sent.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rustls::{ServerConfig, pki_types::PrivateKeyDer};
    use tokio_rustls::LazyConfigAcceptor;

    use super::*;

    /// As a sidecar begins a connection to a host of another network.
    fn hello() -> Hello {
        Hello { port: 15443, server_name: "outbound_.80_._.echo.eu.mesh.local".to_owned(), protocol: Some("istio") }
    }

    #[tokio::test]
    async fn a_server_shows_its_certificate_without_being_trusted() {
        let made = rcgen::generate_simple_self_signed(["istiod.istio-system.svc".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider())).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone(), made.cert.der().clone()], key).unwrap();
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let server = tokio::spawn(async move {
            let begun = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), theirs).await.unwrap();
            let asked = begun.client_hello();
            let protocols: Vec<_> = asked.alpn().into_iter().flatten().map(<[u8]>::to_vec).collect();
            let asked = (asked.server_name().map(str::to_owned), protocols);
            // The client is gone after the server's part.
            _ = begun.into_stream(Arc::new(config)).await;
            asked
        });
        let presented = presented_on(ours, &hello()).await.unwrap();
        assert_eq!(
            pem::parse_many(&presented).unwrap().iter().map(|one| one.contents().to_vec()).collect::<Vec<_>>(),
            [made.cert.der().to_vec(), made.cert.der().to_vec()]
        );
        assert_eq!(server.await.unwrap(), (Some(hello().server_name), vec![b"istio".to_vec()]));
    }

    #[tokio::test]
    async fn a_port_without_tls_is_an_error() {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        drop(theirs);
        assert!(presented_on(ours, &hello()).await.is_err());
    }
}
