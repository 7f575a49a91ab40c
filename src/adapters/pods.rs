//! Running pods: HTTP to their ports through the API server's port-forward, and their logs.

use std::sync::Arc;

use async_trait::async_trait;
use framework::Deadline;
use http::{Request, StatusCode, header::HOST};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;

use super::{
    Kubernetes,
    connection::Server,
    kubernetes::{Call, path},
    port_forward::{Forwarded, Stream},
    refusal::{Attempt, Verb},
};
use crate::{
    data::ObjectRef,
    ports::{Failure, FailureKind, Pods},
};

/// The most that an answer may have.
const LONGEST: usize = 8 << 20;

#[async_trait]
impl Pods for Kubernetes {
    async fn ask(&self, cluster: &str, pod: &ObjectRef, port: u16, path: &str, deadline: &Deadline) -> Result<String, Failure> {
        let attempt = Attempt::new(cluster, Verb::Ask, pod);
        let Forwarded { stream, trouble } = self.forward(&attempt, pod, port, deadline).await?;
        let cut = |cut| Failure::cut(cut, attempt.title(), &attempt.doing());
        let failed = |why: String| Failure::new(FailureKind::NotReady, attempt.title(), why);
        match deadline.bound(get(stream, path)).await.map_err(cut)? {
            Ok((StatusCode::OK, body)) => Ok(body),
            Ok((status, body)) => Err(failed(format!("Its port {port} answered with the status {}.", status.as_u16())).raw(body)),
            Err(error) => {
                let why = trouble.why(deadline).await.unwrap_or_else(|| error.to_string());
                Err(failed(format!("Its port {port} didn't answer.")).raw(why))
            }
        }
    }

    async fn log(&self, cluster: &str, pod: &ObjectRef, container: &str, lines: u32, deadline: &Deadline) -> Result<String, Failure> {
        let attempt = Attempt::new(cluster, Verb::Read, format!("the log of {pod}"));
        let call = Call::get(format!("{}/log?container={container}&tailLines={lines}", path(pod)));
        let fetch = |server: Arc<Server>| {
            let call = &call;
            async move { call.fetch(&server).await }
        };
        let log = self.call(&attempt, fetch, deadline).await?;
        Ok(String::from_utf8_lossy(&log).into_owned())
    }
}

/// Sends a GET on a connection, and returns the status and the body of the answer.
async fn get(stream: impl Stream, page: &str) -> Result<(StatusCode, String), Box<dyn std::error::Error + Send + Sync>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the sender.
    tokio::spawn(connection);
    let answer = sender.send_request(Request::get(page).header(HOST, "localhost").body(Empty::<Bytes>::new())?).await?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), LONGEST).collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// What is read of a server that answers like this, and closes.
    async fn answer(text: &'static str) -> Result<(StatusCode, String), String> {
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        let server = tokio::spawn(async move {
            let mut request = vec![0; 1024];
            let length = theirs.read(&mut request).await.unwrap();
            theirs.write_all(text.as_bytes()).await.unwrap();
            String::from_utf8(request[..length].to_vec()).unwrap()
        });
        let answer = get(ours, "/debug/clusterz").await.map_err(|error| error.to_string());
        assert!(server.await.unwrap().starts_with("GET /debug/clusterz HTTP/1.1\r\nhost: localhost\r\n"));
        answer
    }

    #[tokio::test]
    async fn an_answer_ends_with_its_length_or_with_the_connection() {
        assert_eq!(answer("HTTP/1.1 200 OK\r\n\r\n[1,2]").await, Ok((StatusCode::OK, "[1,2]".to_owned())));
        assert_eq!(answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]").await, Ok((StatusCode::OK, "[]".to_owned())));
        assert_eq!(answer("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").await, Ok((StatusCode::UNAUTHORIZED, String::new())));
        assert!(answer("").await.is_err());
    }
}
