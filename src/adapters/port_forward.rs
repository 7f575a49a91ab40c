//! Connections to ports of pods, through the API server.

use std::{sync::Arc, time::Duration};

use framework::Deadline;
use futures::{FutureExt as _, future::BoxFuture};
use http::{Request, header::AUTHORIZATION};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, client::Body};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Kubernetes,
    connection::Server,
    refusal::{Attempt, Refused},
};
use crate::{data::ObjectRef, ports::Failure};

/// A connection to a port of a pod, which takes it for one from its own localhost.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// A connection, with why it ended if it did.
pub(super) struct Forwarded<S> {
    pub(super) stream: S,
    pub(super) trouble: Trouble,
}

/// Why a connection that is forwarded ended.
pub(super) struct Trouble(BoxFuture<'static, Option<String>>);

impl Trouble {
    /// Returns what the API server says of a connection that has failed, such as that nothing listens at the port.
    pub(super) async fn why(self, deadline: &Deadline) -> Option<String> {
        deadline.part(PATIENCE).bound(self.0).await.ok().flatten()
    }
}

/// How long the API server may take to say why.
const PATIENCE: Duration = Duration::from_secs(1);

impl Kubernetes {
    /// Connects to a port of a pod. That nothing listens there shows at the first read, which ends the stream.
    pub(super) async fn forward(
        &self,
        attempt: &Attempt<'_>,
        pod: &ObjectRef,
        port: u16,
        deadline: &Deadline,
    ) -> Result<Forwarded<impl Stream + use<>>, Failure> {
        let open = |server: Arc<Server>| async move {
            let pods: Api<Pod> = Api::namespaced(authorized(&server), pod.namespace.as_deref().unwrap_or_default());
            let mut forwarder = pods.portforward(&pod.name, &[port]).await.map_err(Refused::of)?;
            server.answered();
            match (forwarder.take_stream(port), forwarder.take_error(port)) {
                (Some(stream), Some(error)) => Ok(Forwarded { stream, trouble: Trouble(error.boxed()) }),
                _ => Err(Refused::Garbled("the API server forwards another port")),
            }
        };
        self.call(attempt, open, deadline).await
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
