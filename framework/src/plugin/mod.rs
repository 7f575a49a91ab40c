//! The plugin process of Terraform or OpenTofu: the cookie, the handshake on standard output, mutual TLS on a Unix socket (a port of this
//! machine on Windows), signals, logs on standard error, and the end when the host asks for it or is gone.

mod connection;
#[cfg(unix)]
mod folder;
mod host;
mod listener;
mod logging;
mod orphan;
mod services;
mod signals;
mod tls;
pub mod wire;

pub use host::{Ports, Start, Text};
pub use tls::client_certificate;

use std::{io::Write as _, process::ExitCode, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    deadline::Deadline,
    protocol::{Mask, Server, wire::provider_server::ProviderServer},
    terraform::Provider,
};

/// Messages may be as large as those of providers written in Go; a state can hold much.
const MESSAGE_LIMIT: usize = 256 << 20;

/// How long calls in flight may take once the host wants the process to end. It kills after two seconds.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// Threads that run calls. Calls wait for clusters, and compute little.
const WORKERS: usize = 4;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs the provider until the host ends it; the `main` of the program. `package` is the program's own `CARGO_PKG_NAME`, whose events are
/// logged at every level that the host asks for, and `version` its `CARGO_PKG_VERSION`.
pub fn run<P: Provider>(provider: P, package: &str, version: &str) -> ExitCode {
    let start = match Start::read(provider.name(), std::env::args_os().skip(1), |name| std::env::var(name).ok()) {
        Ok(start) => start,
        Err(text) => return text.print(provider.name(), version),
    };
    let mask = Mask::new();
    logging::install(start.log_level, package, &mask);
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    let outcome = runtime.map_err(Into::into).and_then(|runtime| {
        let outcome = runtime.block_on(serve(provider, &start, mask));
        // A program that runs for us, such as Helm, must not keep the process alive.
        runtime.shutdown_background();
        outcome
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // The host prints it with its own error about a plugin that doesn't start.
        Err(failure) => host::explain(false, &format!("The provider can't be served: {failure}")),
    }
}

async fn serve<P: Provider>(provider: P, start: &Start, mask: Mask) -> Result<(), Failure> {
    let name = provider.name();
    let server = Server::new(provider, mask);
    let done = CancellationToken::new();
    // Listening for signals begins before the handshake, after which the host may send one.
    signals::listen(start.debug, &server, &done)?;

    let listener = listener::Listener::bind(start)?;
    let identity = start.client_certificate.as_deref().map(tls::Identity::for_client).transpose()?;
    let (open, opened) = watch::channel(0);
    if !start.debug {
        orphan::end_without_host(&server, opened, &done);
    }
    let line = host::handshake(listener.address(), identity.as_ref().map(tls::Identity::certificate));
    announce(&if start.debug { host::reattach(name, listener.address()) } else { line })?;
    tokio::task::spawn_blocking(listener.sweep());

    let connections = listener.accept(identity.map(tls::Identity::into_config), open, done.clone());
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
    let outcome = tokio::select! {
        outcome = serving => outcome.map_err(Into::into),
        () = ended => Ok(()),
    };
    server.close();
    outcome
}

/// Standard output is for this line only.
fn announce(line: &str) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}
