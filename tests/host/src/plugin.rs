//! A host of the plugin, as Terraform's core is one: starts the built program, shakes hands, and speaks mutual TLS over its socket.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use base64::Engine as _;
use framework::{
    plugin::wire::{Empty, grpc_controller_client::GrpcControllerClient},
    protocol::wire::provider_client::ProviderClient,
};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};

use crate::MESSAGE_LIMIT;

const COOKIE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";

/// The certificate that a host shows: go-plugin's are of P-521, and CAs used as end entities.
pub struct Certificate {
    key: Arc<SingleCertAndKey>,
    /// In PEM, as the plugin is given it.
    pub pem: String,
}

impl Certificate {
    /// A new one.
    pub fn new() -> Self {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).expect("a key");
        let mut parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("parameters");
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).expect("a certificate");
        // Read once, before any plugin starts, as go-plugin does.
        let signing = aws_lc_rs::sign::any_ecdsa_type(&PrivateKeyDer::Pkcs8(key.serialize_der().into())).expect("a key");
        let key = Arc::new(SingleCertAndKey::from(CertifiedKey::new(vec![certificate.der().clone()], signing)));
        Self { key, pem: certificate.pem() }
    }
}

/// Takes the certificate of the handshake line and no other; rustls's own verifier refuses a CA as end entity, which Go's takes.
#[derive(Debug)]
struct Pinned(CertificateDer<'static>);

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *end_entity == self.0 { Ok(ServerCertVerified::assertion()) } else { Err(rustls::Error::General("another certificate".into())) }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &aws_lc_rs::default_provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &aws_lc_rs::default_provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A running plugin.
pub struct Plugin {
    child: Child,
    /// The version of the provider's protocol, as it says.
    pub version: String,
    socket: PathBuf,
    server: CertificateDer<'static>,
    certificate: Certificate,
    _folder: tempfile::TempDir,
}

/// The command by which a host starts a program.
pub fn command(program: &Path, client_certificate: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env("TF_PLUGIN_MAGIC_COOKIE", COOKIE)
        .env("PLUGIN_CLIENT_CERT", client_certificate)
        .env("PLUGIN_UNIX_SOCKET_DIR", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

impl Plugin {
    /// Starts a provider's program.
    pub fn start(program: &str) -> Self {
        Self::start_with(program, |command| command)
    }

    /// Starts it with a change of the command.
    pub fn start_with(program: &str, change: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let certificate = Certificate::new();
        let mut command = command(Path::new(program), &certificate.pem, folder.path());
        change(&mut command);
        let plugin = Self::launch(&mut command, certificate, folder);
        assert_eq!(plugin.version, "6");
        plugin
    }

    /// Runs the command for the host of this certificate and folder, and waits for the line by which the plugin says where it is.
    pub fn launch(command: &mut Command, certificate: Certificate, folder: tempfile::TempDir) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        let fields: Vec<_> = line.trim_end().split('|').collect();
        assert_eq!((fields[0], fields[2], fields[4]), ("1", "unix", "grpc"), "{line}");
        let server = base64::engine::general_purpose::STANDARD_NO_PAD.decode(fields[5]).expect("base64 without padding");
        let (version, socket) = (fields[1].to_owned(), PathBuf::from(fields[3]));
        Self { child, version, socket, server: server.into(), certificate, _folder: folder }
    }

    /// A channel of the host.
    pub async fn channel(&self) -> Result<Channel, tonic::transport::Error> {
        self.connect(Some(&self.certificate)).await
    }

    /// A channel of whoever shows this certificate.
    pub async fn connect(&self, certificate: Option<&Certificate>) -> Result<Channel, tonic::transport::Error> {
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned(self.server.clone())));
        let mut config = match certificate {
            Some(certificate) => builder.with_client_cert_resolver(Arc::clone(&certificate.key) as _),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let socket = self.socket.clone();
        let service = tower::service_fn(move |_| {
            let (connector, socket) = (connector.clone(), socket.clone());
            async move {
                let stream = UnixStream::connect(socket).await?;
                let name = ServerName::try_from("localhost").expect("a name");
                Ok::<_, std::io::Error>(TokioIo::new(connector.connect(name, stream).await?))
            }
        });
        Endpoint::from_static("http://localhost").connect_with_connector(service).await
    }

    /// A client of the provider, with the limits that the CLIs have.
    pub async fn provider(&self) -> ProviderClient<Channel> {
        let channel = self.channel().await.expect("a channel");
        ProviderClient::new(channel).max_decoding_message_size(MESSAGE_LIMIT).max_encoding_message_size(MESSAGE_LIMIT)
    }

    /// Asks it to end, and waits; how long that took.
    pub async fn shut_down(mut self) -> Duration {
        let mut controller = GrpcControllerClient::new(self.channel().await.expect("a channel"));
        let begin = Instant::now();
        // The answer may be cut off by the end itself.
        let _ = controller.shutdown(Empty {}).await;
        self.end().await;
        assert!(!self.socket.exists(), "the socket is left");
        begin.elapsed()
    }

    /// All that it has written to its standard error, once it has ended.
    pub fn log(mut self) -> String {
        self.signal("-TERM");
        let mut log = String::new();
        self.child.stderr.take().expect("its log").read_to_string(&mut log).expect("text");
        log
    }

    /// The path of its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its process ID.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, such as `-TERM`.
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.id().to_string()]).status().expect("kill");
        assert!(status.success());
    }

    /// Whether its process has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_some()
    }

    /// Waits for its end; how long that took.
    pub async fn end(&mut self) -> Duration {
        let begin = Instant::now();
        while !self.has_ended() {
            assert!(begin.elapsed() < Duration::from_secs(2), "it doesn't end");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        begin.elapsed()
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
