//! An API server that answers by a script, for tests.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use http::{Request, Response, StatusCode};
use kube::client::Body;
use serde_json::{Value as Json, json};

use super::Kubernetes;
use crate::adapters::connection::Connection;

/// What the scripted API server was asked: `GET /api/v1/…`.
pub(in crate::adapters) type Asked = Arc<Mutex<Vec<String>>>;

/// One cluster, `eu`, whose API server answers by `answer`, which is given the number of the request and its line.
pub(in crate::adapters) fn scripted(answer: impl Fn(usize, &str) -> (u16, String) + Send + 'static) -> (Kubernetes, Asked) {
    let (service, mut server) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let asked = Asked::default();
    let log = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Some((request, respond)) = server.next_request().await {
            let line = format!("{} {}", request.method(), request.uri());
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            let (status, body) = answer(log.len(), &line);
            log.push(line);
            respond.send_response(
                Response::builder().status(StatusCode::from_u16(status).unwrap()).body(Body::from(body.into_bytes())).unwrap(),
            );
        }
    });
    let connection = Connection::to(kube::Client::new(service, "default"), "https://eu.example:6443/");
    (Kubernetes { clusters: BTreeMap::from([("eu".to_owned(), connection)]) }, asked)
}

pub(in crate::adapters) fn status(code: u16, reason: &str, message: &str) -> (u16, String) {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message});
    (code, status.to_string())
}

pub(in crate::adapters) fn ok(object: &Json) -> (u16, String) {
    (200, object.to_string())
}
