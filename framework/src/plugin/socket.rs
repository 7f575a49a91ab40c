//! The Unix socket that the host connects to: ours alone, and gone with us.

use std::{
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{UnixListener, UnixStream},
    sync::mpsc,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use crate::deadline::Deadline;

/// A listening socket; its file is removed when it is dropped.
pub(super) struct Socket {
    listener: Arc<UnixListener>,
    path: PathBuf,
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

const PREFIX: &str = "terraform-provider-";
const SUFFIX: &str = ".sock";

/// How soon to accept again after a failure.
const RETRY: Duration = Duration::from_millis(50);

impl Socket {
    /// Listens in the folder.
    pub(super) fn bind(folder: &Path) -> io::Result<Self> {
        let path = folder.join(format!("{PREFIX}{}{SUFFIX}", std::process::id()));
        // One left by a process of the same number.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener: Arc::new(listener), path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The connections, each after its TLS handshake, which takes place apart so that none can hold up the others.
    pub(super) fn accept(
        &self,
        tls: Option<Arc<rustls::ServerConfig>>,
        done: CancellationToken,
    ) -> impl futures::Stream<Item = io::Result<Connection>> + use<> {
        let (sender, receiver) = mpsc::channel(8);
        let (acceptor, listener) = (tls.map(TlsAcceptor::from), Arc::clone(&self.listener));
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    () = done.cancelled() => break,
                    accepted = listener.accept() => accepted,
                };
                let stream = match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        // Out of file descriptors, say: calls in flight may free some.
                        tracing::warn!(%error, "no connection can be accepted");
                        let _ = Deadline::after(RETRY, done.clone()).pause(RETRY).await;
                        continue;
                    }
                };
                let (acceptor, sender) = (acceptor.clone(), sender.clone());
                tokio::spawn(async move {
                    let connection = match acceptor {
                        None => Connection::Plain(stream),
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => Connection::Tls(Box::new(stream)),
                            Err(error) => {
                                tracing::warn!(%error, "a connection was refused");
                                return;
                            }
                        },
                    };
                    // The server is gone: so is the wish to connect.
                    let _ = sender.send(Ok(connection)).await;
                });
            }
        });
        ReceiverStream::new(receiver)
    }
}

/// A folder that nobody else can enter; removed when it is dropped.
pub(super) fn private_folder() -> io::Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix(PREFIX).permissions(std::fs::Permissions::from_mode(0o700)).tempdir()
}

/// Removes the sockets of providers that were killed and couldn't do so themselves: those where nobody listens any more.
pub(super) fn remove_stale(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        if is_ours
            && std::os::unix::net::UnixStream::connect(entry.path()).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// A connection of the host.
pub(super) enum Connection {
    /// In debug mode.
    Plain(UnixStream),
    /// With both sides' certificates verified.
    Tls(Box<TlsStream<UnixStream>>),
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buffer),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
