//! Being a plugin process of Terraform or OpenTofu: the cookie, the handshake on standard output, mutual TLS on a Unix socket, signals,
//! logs on standard error, and an end when the host says so.

mod host;
mod logging;
mod services;
mod signals;
mod socket;
mod tls;
pub mod wire;

pub use host::{Start, Text};
pub use tls::client_certificate;

use std::{io::Write as _, path::Path, process::ExitCode, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    deadline::Deadline,
    protocol::{Mask, Server, wire::provider_server::ProviderServer},
    terraform::Provider,
};

/// Messages may be as large as those of providers written in Go; a state can hold much.
const MESSAGE_LIMIT: usize = 256 << 20;

/// What is left for calls in flight once the host wants the process to end. It kills after two seconds.
const LAST_WORDS: Duration = Duration::from_millis(50);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs the provider until the host ends it; the `main` of the program. `package` is the program's own `CARGO_PKG_NAME`, whose events are
/// logged at every level that the host asks for, and `version` its `CARGO_PKG_VERSION`.
pub fn run<P: Provider>(provider: P, package: &str, version: &str) -> ExitCode {
    let start = match Start::read(provider.name(), std::env::args_os().skip(1), |name| std::env::var(name).ok()) {
        Ok(start) => start,
        Err(text) => return host::explain(&text.render(provider.name(), version)),
    };
    let mask = Mask::new();
    logging::install(start.log_level, package, &mask);
    let outcome = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Into::into).and_then(|runtime| {
        let outcome = runtime.block_on(serve(provider, &start, mask));
        // A program that Helm runs for us, say, must not keep the process alive.
        runtime.shutdown_background();
        outcome
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // The host logs it with what it says of a plugin that doesn't start.
        Err(failure) => host::explain(&(false, format!("The provider can't be served: {failure}"))),
    }
}

async fn serve<P: Provider>(provider: P, start: &Start, mask: Mask) -> Result<(), Failure> {
    let name = provider.name();
    let server = Server::new(provider, mask);
    let done = CancellationToken::new();
    // Listening for signals begins before the handshake, after which the host may send one.
    signals::listen(start.debug, &server, &done)?;

    // Without certificates nobody else may even get at the socket.
    let private = start.debug.then(socket::private_folder).transpose()?;
    let folder = private.as_ref().map(tempfile::TempDir::path).or(start.socket_folder.as_deref());
    let folder = folder.map_or_else(std::env::temp_dir, Path::to_path_buf);
    let socket = socket::Socket::bind(&folder)?;
    let identity = start.client_certificate.as_deref().map(tls::Identity::for_client).transpose()?;
    let line = host::handshake(socket.path(), identity.as_ref().map(tls::Identity::certificate));
    announce(&if start.debug { host::reattach(name, socket.path()) } else { line })?;
    tokio::task::spawn_blocking(move || socket::remove_stale(&folder));

    let connections = socket.accept(identity.map(|identity| Arc::new(identity.into_config())), done.clone());
    let provider = ProviderServer::new(server.clone()).max_decoding_message_size(MESSAGE_LIMIT).max_encoding_message_size(MESSAGE_LIMIT);
    let serving = tonic::transport::Server::builder()
        .add_service(provider)
        .add_service(wire::grpc_controller_server::GrpcControllerServer::new(services::Controller { done: done.clone() }))
        .add_service(wire::grpc_stdio_server::GrpcStdioServer::new(services::Silence { done: done.clone() }))
        .add_service(wire::grpc_broker_server::GrpcBrokerServer::new(services::Silence { done: done.clone() }))
        .serve_with_incoming_shutdown(connections, done.clone().cancelled_owned());
    let ended = async {
        done.cancelled().await;
        server.cancel();
        let _ = Deadline::after(LAST_WORDS, CancellationToken::new()).pause(LAST_WORDS).await;
    };
    tokio::select! {
        outcome = serving => outcome.map_err(Into::into),
        () = ended => Ok(()),
    }
}

/// Standard output is for this line only.
fn announce(line: &str) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}
