//! The services that go-plugin wants beside the provider's.

use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, codegen::BoxStream};

use super::wire;

/// Ends the process when the host says so.
pub(super) struct Controller {
    pub(super) done: CancellationToken,
}

#[tonic::async_trait]
impl wire::grpc_controller_server::GrpcController for Controller {
    async fn shutdown(&self, _: Request<wire::Empty>) -> Result<Response<wire::Empty>, Status> {
        self.done.cancel();
        Ok(Response::new(wire::Empty {}))
    }
}

/// Streams on which nothing is ever said, and which end with the process: the host waits for their end.
pub(super) struct Silence {
    pub(super) done: CancellationToken,
}

impl Silence {
    fn stream<T: Send + 'static>(&self) -> BoxStream<T> {
        let done = self.done.clone();
        let silence = futures::stream::once(async move { done.cancelled().await });
        Box::pin(futures::StreamExt::filter_map(silence, |()| async { None }))
    }
}

#[tonic::async_trait]
impl wire::grpc_stdio_server::GrpcStdio for Silence {
    async fn stream_stdio(&self, _: Request<()>) -> Result<Response<BoxStream<wire::StdioData>>, Status> {
        Ok(Response::new(self.stream()))
    }
}

#[tonic::async_trait]
impl wire::grpc_broker_server::GrpcBroker for Silence {
    async fn start_stream(&self, _: Request<Streaming<wire::ConnInfo>>) -> Result<Response<BoxStream<wire::ConnInfo>>, Status> {
        Ok(Response::new(self.stream()))
    }
}
