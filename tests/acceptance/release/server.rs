//! Servers that a release is installed from: a web server for the network mirror, and a registry.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::aws_lc_rs, pki_types::PrivateKeyDer};

/// A certificate authority whose certificate is in a file, as `SSL_CERT_FILE` names it.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
    file: PathBuf,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(parameters, KeyPair::generate().expect("a key")).expect("a root");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("root.pem");
        fs::write(&file, issuer.pem()).expect("written");
        Self { issuer, folder, file }
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Issues a certificate for this machine.
    fn issue(&self) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let parameters = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).expect("names");
        (parameters.signed_by(&key, &self.issuer).expect("a certificate"), key)
    }
}

/// A web server with the files of a folder.
pub(super) struct Server {
    address: SocketAddr,
}

impl Server {
    /// Serves until the test's process ends.
    pub(super) fn start(authority: &Authority, folder: PathBuf) -> Self {
        let (certificate, key) = authority.issue();
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let configuration = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key))
            .map(Arc::new)
            .expect("a configuration");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (configuration, folder) = (Arc::clone(&configuration), folder.clone());
                // A client that breaks off is no failure of the server.
                std::thread::spawn(move || drop(answer(configuration, stream, &folder)));
            }
        });
        Self { address }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

fn answer(configuration: Arc<ServerConfig>, stream: TcpStream, folder: &Path) -> std::io::Result<()> {
    let connection = ServerConnection::new(configuration).map_err(std::io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    let mut request = String::new();
    stream.read_line(&mut request)?;
    let mut header = String::new();
    while stream.read_line(&mut header)? > 2 {
        header.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
    let kind = if Path::new(path).extension().is_some_and(|ending| ending == "zip") { "application/zip" } else { "application/json" };
    let (status, body) = fs::read(folder.join(path)).map_or(("404 Not Found", vec![]), |body| ("200 OK", body));
    let stream = stream.get_mut();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    stream.write_all(&body)?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// An image registry of its own, with TLS, which ends with the test.
pub(super) struct Registry {
    process: Child,
    address: SocketAddr,
}

impl Registry {
    pub(super) fn start(authority: &Authority) -> Self {
        let folder = authority.folder.path();
        let (certificate, key) = authority.issue();
        fs::write(folder.join("registry.pem"), certificate.pem()).expect("written");
        fs::write(folder.join("registry.key"), key.serialize_pem()).expect("written");
        // The port is free again at once, for the registry.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).expect("a port");
        let configuration = serde_json::json!({
            "version": "0.1",
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": folder.join("images")}},
            "http": {"addr": address.to_string(), "tls": {"certificate": folder.join("registry.pem"), "key": folder.join("registry.key")}},
        });
        let file = folder.join("registry.json");
        fs::write(&file, configuration.to_string()).expect("written");
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the registry starts");
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(20), "the registry doesn't listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { process, address }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
