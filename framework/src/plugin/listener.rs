//! Where the host connects to: a Unix socket, or a port of this machine on Windows, as go-plugin does.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::{
    Failure,
    connection::{Connection, Io},
    host::Start,
};
use crate::deadline::Deadline;

/// How soon to accept again after a failure.
const RETRY: Duration = Duration::from_millis(50);

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A listening socket; what it leaves on disk is removed when this is dropped.
pub(super) struct Listener {
    socket: Arc<Socket>,
    address: Address,
    #[cfg(unix)]
    folder: Option<super::folder::Folder>,
}

enum Socket {
    /// In a folder that only this user can enter.
    #[cfg(unix)]
    Unix(tokio::net::UnixListener),
    /// On 127.0.0.1. Other users can connect too: only TLS keeps them out.
    Tcp(TcpListener),
}

/// Where a listener is found, in go-plugin's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// `unix` or `tcp`.
    pub(super) network: &'static str,
    /// A path, or `HOST:PORT`.
    pub(super) address: String,
}

impl Listener {
    /// Listens in a folder of our own inside of `folder`.
    #[cfg(unix)]
    pub(super) fn bind(start: &Start) -> Result<Self, Failure> {
        let parent = start.socket_folder.clone().unwrap_or_else(std::env::temp_dir);
        let folder = super::folder::Folder::make(&parent)
            .map_err(|error| format!("no folder for the socket can be made in {}: {error}", parent.display()))?;
        let socket = Socket::Unix(tokio::net::UnixListener::bind(folder.socket())?);
        // A path that isn't UTF-8 can't be announced as it is.
        let address = Address { network: "unix", address: folder.socket().to_string_lossy().into_owned() };
        Ok(Self { socket: Arc::new(socket), address, folder: Some(folder) })
    }

    /// Listens on a port of the host's range.
    #[cfg(windows)]
    pub(super) fn bind(start: &Start) -> Result<Self, Failure> {
        Self::tcp(&start.ports)
    }

    /// Listens on the first free port of the range.
    #[cfg_attr(not(windows), allow(dead_code))] // for Windows, and compiled and tested everywhere
    fn tcp(ports: &super::host::Ports) -> Result<Self, Failure> {
        let mut last = None;
        for port in ports.range()? {
            let bound = std::net::TcpListener::bind(("127.0.0.1", port))
                .and_then(|listener| listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener)));
            match bound {
                Ok(listener) => {
                    let address = Address { network: "tcp", address: listener.local_addr()?.to_string() };
                    return Ok(Self {
                        socket: Arc::new(Socket::Tcp(listener)),
                        address,
                        #[cfg(unix)]
                        folder: None,
                    });
                }
                Err(error) => last = Some(format!("127.0.0.1:{port}: {error}")),
            }
        }
        Err(format!("no port can be listened on: {}", last.unwrap_or_default()).into())
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Returns what removes from disk what killed providers left there.
    pub(super) fn sweep(&self) -> impl FnOnce() + Send + use<> {
        #[cfg(unix)]
        let sweep = self.folder.as_ref().map(super::folder::Folder::sweep);
        move || {
            #[cfg(unix)]
            if let Some(sweep) = sweep {
                sweep();
            }
        }
    }

    /// Returns the connections, each after its TLS handshake, which takes place apart so that none can hold up the others. `open` counts them.
    pub(super) fn accept(
        &self,
        tls: Option<rustls::ServerConfig>,
        open: watch::Sender<usize>,
        done: CancellationToken,
    ) -> impl futures::Stream<Item = io::Result<Connection>> + use<> {
        let (sender, receiver) = mpsc::channel(8);
        let (acceptor, socket) = (tls.map(|tls| TlsAcceptor::from(Arc::new(tls))), Arc::clone(&self.socket));
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    () = done.cancelled() => break,
                    accepted = socket.connection() => accepted,
                };
                let stream = match accepted {
                    Ok(stream) => stream,
                    Err(error) => {
                        // Out of file descriptors, for example: calls in flight may free some.
                        tracing::warn!(%error, "no connection can be accepted");
                        let _ = Deadline::after(RETRY, done.clone()).pause(RETRY).await;
                        continue;
                    }
                };
                let (acceptor, sender, open) = (acceptor.clone(), sender.clone(), open.clone());
                let deadline = Deadline::after(HANDSHAKE, done.clone());
                tokio::spawn(async move {
                    let stream: Box<dyn Io> = match acceptor {
                        None => stream,
                        Some(acceptor) => match deadline.bound(acceptor.accept(stream)).await {
                            Ok(Ok(stream)) => Box::new(stream),
                            Ok(Err(error)) => return tracing::warn!(%error, "a connection was refused"),
                            Err(cut) => return tracing::warn!(?cut, "a connection was closed before its TLS handshake was complete"),
                        },
                    };
                    // Fails only once the server is gone.
                    let _ = sender.send(Ok(Connection::new(stream, open))).await;
                });
            }
        });
        ReceiverStream::new(receiver)
    }
}

impl Socket {
    async fn connection(&self) -> io::Result<Box<dyn Io>> {
        Ok(match self {
            #[cfg(unix)]
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
            Self::Tcp(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_port_of_the_range_is_listened_on_and_its_connections_are_counted() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let ports = |min: u16, max: u16| super::super::Ports::new(Some(min.to_string()), Some(max.to_string()));
        assert!(Listener::tcp(&ports(port, port)).is_err());
        assert!(Listener::tcp(&ports(2, 1)).err().unwrap().to_string().contains("PLUGIN_MIN_PORT"));
        let listener = Listener::tcp(&ports(port, port.saturating_add(100))).unwrap();
        let address = listener.address().clone();
        assert!(address.network == "tcp" && address.address.starts_with("127.0.0.1:"), "{address:?}");

        let (open, mut count) = watch::channel(0);
        let mut connections = Box::pin(listener.accept(None, open, CancellationToken::new()));
        let mut client = tokio::net::TcpStream::connect(&address.address).await.unwrap();
        client.write_all(b"hello").await.unwrap();
        let mut connection = connections.next().await.unwrap().unwrap();
        let mut read = [0; 5];
        connection.read_exact(&mut read).await.unwrap();
        assert_eq!((&read, *count.borrow_and_update()), (b"hello", 1));
        drop(connection);
        assert_eq!(*count.borrow_and_update(), 0);
    }
}
