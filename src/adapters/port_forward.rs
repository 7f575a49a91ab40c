//! Connections to ports of pods, through the API server.

use framework::Deadline;
use http::{Request, header::AUTHORIZATION};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, client::Body};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Kubernetes,
    connection::Server,
    refusal::{self, Attempt, Refused},
};
use crate::{data::ObjectRef, ports::Failure};

/// A connection to a port of a pod, which takes it for one from its own localhost.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Kubernetes {
    /// Connects to a port of a pod. That nothing listens there shows at the first read, which ends the stream.
    pub(super) async fn forward(
        &self,
        attempt: &Attempt<'_>,
        pod: &ObjectRef,
        port: u16,
        deadline: &Deadline,
    ) -> Result<impl Stream + use<>, Failure> {
        let connection = self.connection(attempt.cluster)?;
        let cut = |cut| Failure::cut(cut, attempt.title(), &attempt.doing());
        loop {
            let server = connection.server(attempt.cluster, deadline).await?;
            let pods: Api<Pod> = Api::namespaced(authorized(&server), pod.namespace.as_deref().unwrap_or_default());
            let refused = match deadline.bound(pods.portforward(&pod.name, &[port])).await.map_err(cut)? {
                Ok(mut forwarder) => match forwarder.take_stream(port) {
                    Some(stream) => return Ok(stream),
                    None => Refused::Garbled("the API server forwards another port"),
                },
                Err(kube::Error::Api(status)) => Refused::Status(status, None),
                Err(error) => Refused::NoAnswer(error),
            };
            if !(refused.is_of_credentials() && connection.renew(attempt.cluster, &server).await) {
                return Err(refusal::of(attempt, &server, refused).failure);
            }
        }
    }
}

/// Returns the server's client with the credentials of now, for calls that kube makes itself.
fn authorized(server: &Server) -> Client {
    let (client, bearer) = (server.client.clone(), server.bearer.clone());
    let service = tower::service_fn(move |mut request: Request<Body>| {
        request.headers_mut().extend(bearer.clone().map(|bearer| (AUTHORIZATION, bearer)));
        let client = client.clone();
        async move { client.send(request).await }
    });
    Client::new(service, "default")
}
