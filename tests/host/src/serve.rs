//! A provider served in the process of the test, over the protocol.

use framework::{
    Provider,
    protocol::{
        Mask, Server,
        wire::{provider_client::ProviderClient, provider_server::ProviderServer},
    },
};
use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint};

/// The limit of the CLIs for messages.
pub const MESSAGE_LIMIT: usize = 256 << 20;

/// Serves a provider, and returns a client of it and the mask that learns its secrets.
pub async fn serve<P: Provider>(provider: P) -> (ProviderClient<Channel>, Mask) {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let mask = Mask::new();
    let server = ProviderServer::new(Server::new(provider, mask.clone()))
        .max_decoding_message_size(MESSAGE_LIMIT)
        .max_encoding_message_size(MESSAGE_LIMIT);
    let incoming = futures::stream::once(async move { Ok::<_, std::io::Error>(ours) });
    tokio::spawn(tonic::transport::Server::builder().add_service(server).serve_with_incoming(incoming));
    let mut theirs = Some(theirs);
    let connector = tower::service_fn(move |_| {
        let connection = theirs.take().map(TokioIo::new).ok_or_else(|| std::io::Error::other("there is one connection only"));
        async move { connection }
    });
    let channel = Endpoint::from_static("http://provider").connect_with_connector(connector).await.expect("a channel");
    (ProviderClient::new(channel).max_decoding_message_size(MESSAGE_LIMIT).max_encoding_message_size(MESSAGE_LIMIT), mask)
}
