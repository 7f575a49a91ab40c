//! Requests to an API server, and their answers.

use std::time::Duration;

use http::{
    Method, Request, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER},
};
use kube::client::Body;
use serde::de::DeserializeOwned;

use crate::{
    adapters::{connection::Server, refusal::Refused},
    data::{Kind, ObjectRef},
};

/// Asks for names, labels and the like only. An API server that can't leave out the rest sends all of it.
pub(super) const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1, application/json";

/// How much of an answer that isn't an API server's is shown.
const MOST: usize = 300;

/// A request that can be sent more than once.
pub(in crate::adapters) struct Call {
    pub(in crate::adapters) method: Method,
    pub(in crate::adapters) path: String,
    pub(in crate::adapters) accept: &'static str,
    pub(in crate::adapters) content_type: &'static str,
    pub(in crate::adapters) body: String,
}

impl Call {
    pub(in crate::adapters) fn get(path: String) -> Self {
        Call { method: Method::GET, path, accept: "application/json", content_type: "application/json", body: String::new() }
    }

    /// Sends it once, for an answer in JSON.
    pub(in crate::adapters) async fn send<T: DeserializeOwned>(&self, server: &Server) -> Result<T, Refused> {
        let body = self.fetch(server).await?;
        let garbled =
            |error: serde_json::Error| if error.is_data() { "the answer is not an API server's" } else { "the answer is not JSON" };
        let answer = serde_json::from_slice(&body).map_err(|error| Refused::Garbled(garbled(error)))?;
        server.answered();
        Ok(answer)
    }

    /// Sends it once. What a successful answer holds may be secret, so no error shows it, and it is not left to kube, which logs it.
    pub(in crate::adapters) async fn fetch(&self, server: &Server) -> Result<Vec<u8>, Refused> {
        // Names were checked when they were parsed, so there is nothing to escape but the queries, which are escaped where they are made.
        let mut request = Request::builder().method(&self.method).uri(&self.path).header(ACCEPT, self.accept);
        if !self.body.is_empty() {
            request = request.header(CONTENT_TYPE, self.content_type);
        }
        if let Some(bearer) = &server.bearer {
            request = request.header(AUTHORIZATION, bearer);
        }
        let request = request.body(Body::from(self.body.clone().into_bytes()));
        let request = request.map_err(|error| Refused::NoAnswer(kube::Error::HttpError(error)))?;
        let answer = server.client.send(request).await.map_err(Refused::NoAnswer)?;
        let status = answer.status();
        let seconds = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = answer.into_body().collect_bytes().await.map_err(Refused::NoAnswer)?;
        if status.is_success() {
            return Ok(body.into());
        }
        let status = self.status(status, &body);
        if !status.reason.is_empty() {
            server.answered();
        }
        Err(Refused::Status(Box::new(status), seconds.map(Duration::from_secs)))
    }

    /// Returns the status in an answer. Proxies and bare paths answer without one.
    fn status(&self, code: StatusCode, body: &[u8]) -> kube::core::Status {
        match serde_json::from_slice::<kube::core::Status>(body) {
            Ok(status) if status.code != 0 => status,
            _ => {
                let text = String::from_utf8_lossy(body);
                let text: String = text.trim().chars().take(MOST).collect();
                kube::core::Status::failure(&format!("{} {}: {code} {text}", self.method, self.path), "").with_code(code.as_u16())
            }
        }
    }
}

pub(super) fn collection(kind: Kind, namespace: Option<&str>) -> String {
    let root = if kind.group.is_empty() { format!("/api/{}", kind.version) } else { format!("/apis/{}/{}", kind.group, kind.version) };
    match namespace {
        Some(namespace) if kind.namespaced => format!("{root}/namespaces/{namespace}/{}", kind.plural),
        _ => format!("{root}/{}", kind.plural),
    }
}

pub(in crate::adapters) fn path(object: &ObjectRef) -> String {
    format!("{}/{}", collection(object.kind, object.namespace.as_deref()), object.name)
}

/// A label selector in a query.
pub(super) fn escape(selector: &str) -> String {
    selector.replace('%', "%25").replace('=', "%3D").replace(',', "%2C").replace('!', "%21").replace(' ', "%20").replace('/', "%2F")
}
