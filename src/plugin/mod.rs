//! Being a plugin process of Terraform or OpenTofu: the cookie, the handshake on standard output, mutual TLS on a Unix socket, signals,
//! logs on standard error, and an end when the host says so.

mod host;
mod logging;
mod services;
mod socket;
mod tls;
pub mod wire;

use std::{io::Write as _, process::ExitCode, sync::Arc, time::Duration};

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

/// What is left for them when somebody terminates the process.
const LAST_WORK: Duration = Duration::from_secs(1);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs the provider until the host ends it; the `main` of the program.
pub fn run<P: Provider>(provider: P, version: &str) -> ExitCode {
    let start = match host::Start::from_environment(std::env::args().skip(1)) {
        Ok(start) => start,
        Err(text) => return host::explain(&text.render(provider.name(), version)),
    };
    let mask = logging::install(start.log_level);
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

async fn serve<P: Provider>(provider: P, start: &host::Start, mask: Mask) -> Result<(), Failure> {
    let name = provider.name();
    let server = Server::new(provider, mask);
    let done = CancellationToken::new();
    // Listening for signals begins before the handshake, after which the host may send one.
    ignore_interrupts()?;
    end_at_termination(server.clone(), done.clone())?;

    let socket = socket::Socket::bind(start.socket_folder.as_deref())?;
    let identity = start.client_certificate.as_deref().map(tls::Identity::for_client).transpose()?;
    let line = host::handshake(socket.path(), identity.as_ref().map(tls::Identity::certificate));
    announce(&if start.debug { host::reattach(name, socket.path()) } else { line })?;

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

/// At Ctrl-C the terminal signals the whole process group; the host then asks by StopProvider what it wants of us.
fn ignore_interrupts() -> std::io::Result<()> {
    let mut interrupts = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    tokio::spawn(async move { while interrupts.recv().await.is_some() {} });
    Ok(())
}

/// Whoever terminates us by name wants the work in flight ended in order.
fn end_at_termination<P: Provider>(server: Server<P>, done: CancellationToken) -> std::io::Result<()> {
    let mut terminations = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::spawn(async move {
        if terminations.recv().await.is_some() {
            tracing::info!("terminated: ending the work in flight");
            server.cancel();
            // Cut short by the host's own shutdown, which is as good an end.
            let _ = Deadline::after(LAST_WORK, done.clone()).bound(server.idle()).await;
            done.cancel();
        }
    });
    Ok(())
}
