//! An API server on a port of this machine, which answers by a script: over real connections, so that it can be away, silent or cut off.

use std::{fmt::Write as _, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use framework::Deadline;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// A request, and by whom it is made.
pub(super) struct Asked {
    /// `GET /api/v1/…`.
    pub(super) line: String,
    pub(super) bearer: Option<String>,
    /// The client's certificate, DER.
    pub(super) certificate: Option<Vec<u8>>,
}

/// What comes of a request.
pub(super) enum Answer {
    Whole((u16, String)),
    /// The connection ends in the middle of the answer.
    Half((u16, String)),
    Late(Duration, (u16, String)),
}

type Script = dyn Fn(&Asked) -> Answer + Send + Sync;

/// The server. It is away, with all of its connections, from when it is dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Server {
    /// Ends it, and returns when its port is free.
    pub(super) async fn stop(mut self) {
        self.serving.abort();
        // It has been aborted.
        _ = (&mut self.serving).await;
    }

    /// Serves in plain text, on a port that is free.
    pub(super) async fn start(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::on("127.0.0.1:0".parse().unwrap(), None, Arc::new(script)).await
    }

    /// Serves on the address where another one was.
    pub(super) async fn again(address: SocketAddr, script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::on(address, None, Arc::new(script)).await
    }

    /// Serves by TLS those who have one of these certificates.
    pub(super) async fn to(clients: &[Identity], script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let mut roots = RootCertStore::empty();
        for client in clients {
            roots.add(client.certificate.clone()).unwrap();
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
        let own = Identity::new();
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_client_cert_verifier(verifier).with_single_cert(vec![own.certificate], own.key).unwrap();
        Self::on("127.0.0.1:0".parse().unwrap(), Some(TlsAcceptor::from(Arc::new(config))), Arc::new(script)).await
    }

    async fn on(address: SocketAddr, tls: Option<TlsAcceptor>, script: Arc<Script>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, script) = (tls.clone(), Arc::clone(&script));
                connections.spawn(async move {
                    let Some(tls) = tls else { return serve(stream, None, &*script).await };
                    let stream = tls.accept(stream).await?;
                    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| Some(chain.first()?.to_vec()));
                    serve(stream, certificate, &*script).await
                });
            }
        });
        Self { address, serving }
    }
}

/// Answers the requests of a connection, one after the other.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, certificate: Option<Vec<u8>>, script: &Script) -> std::io::Result<()> {
    let mut read = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&read[..end]).into_owned();
        let header = |name: &str| {
            let mut pairs = head.lines().filter_map(|line| line.split_once(": "));
            pairs.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
        };
        let length: usize = header("content-length").and_then(|length| length.parse().ok()).unwrap_or_default();
        while read.len() < end + length {
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        }
        read.drain(..end + length);
        let line = head.lines().next().and_then(|line| line.strip_suffix(" HTTP/1.1")).unwrap_or_default().to_owned();
        let bearer = header("authorization").and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned));
        let ((status, body), is_whole) = match script(&Asked { line, bearer, certificate: certificate.clone() }) {
            Answer::Whole(answer) => (answer, true),
            Answer::Half(answer) => (answer, false),
            Answer::Late(time, answer) => {
                let deadline = Deadline::after(time * 2, CancellationToken::new());
                deadline.pause(time).await.expect("time is left");
                (answer, true)
            }
        };
        let mut answer = format!("HTTP/1.1 {status} As Scripted\r\ncontent-type: application/json\r\n");
        _ = write!(answer, "content-length: {}\r\n\r\n", body.len());
        answer.push_str(if is_whole { &body } else { &body[..body.len() / 2] });
        stream.write_all(answer.as_bytes()).await?;
        stream.flush().await?;
        if !is_whole {
            return stream.shutdown().await;
        }
    }
}

/// A certificate with its key.
pub(super) struct Identity {
    pub(super) certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    pem: [String; 2],
}

impl Identity {
    pub(super) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let pem = [made.cert.pem(), made.signing_key.serialize_pem()];
        Self { certificate: made.cert.der().clone(), key, pem }
    }

    /// What a credential plugin says of it.
    pub(super) fn printed(&self) -> serde_json::Value {
        serde_json::json!({"clientCertificateData": self.pem[0], "clientKeyData": self.pem[1]})
    }
}

/// Writes a kubeconfig for a server: with a plugin that prints one of `credentials` after the other, and the last one from then on.
pub(super) fn kubeconfig(folder: &Path, server: &str, credentials: &[serde_json::Value]) -> std::path::PathBuf {
    for (number, status) in credentials.iter().enumerate() {
        let printed = serde_json::json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status});
        std::fs::write(folder.join(format!("credentials-{number}")), printed.to_string()).unwrap();
    }
    let script = format!(
        "cd '{}'; echo run >> runs; number=$(($(wc -l < runs) - 1)); [ -e credentials-$number ] || number={}; cat credentials-$number",
        folder.display(),
        credentials.len() - 1
    );
    let exec = serde_json::json!({"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", script]});
    let file = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "eu",
        "clusters": [{"name": "eu", "cluster": {"server": server, "insecure-skip-tls-verify": true}}],
        "contexts": [{"name": "eu", "context": {"cluster": "eu", "user": "me"}}],
        "users": [{"name": "me", "user": {"exec": exec}}],
    });
    let path = folder.join("config");
    std::fs::write(&path, file.to_string()).unwrap();
    path
}

/// How often the plugin has run.
pub(super) fn runs(folder: &Path) -> usize {
    std::fs::read_to_string(folder.join("runs")).unwrap_or_default().lines().count()
}
