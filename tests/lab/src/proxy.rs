//! A proxy before a cluster's API server, which makes trouble: it refuses requests, is silent, or loses answers.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use http::{
    HeaderMap, Request, Response, StatusCode,
    header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, RETRY_AFTER, TRANSFER_ENCODING, UPGRADE},
};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Bytes, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
    upgrade::OnUpgrade,
};
use hyper_util::rt::TokioIo;
use kube::{Client, Config, client::Body, config::Kubeconfig};
use serde_json::json;
use tokio::{net::TcpListener, runtime::Runtime};

use crate::lab::Cluster;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// 429 with `Retry-After: 1`, as the API server's own flow control answers.
    TooManyRequests,
    /// 500 with a status that names no reason, as when etcd is slow.
    InternalError,
    /// 503 with the text of a load balancer that has no backend.
    Unavailable,
    /// 401 once, as when a token has ended.
    Unauthorized,
    /// The connection is reset before the API server sees the request.
    Reset,
    /// The API server does what it is told, and its answer is lost.
    AnswerLost,
    /// Half of the answer arrives.
    Truncated,
    /// The answer is late.
    Silence(Duration),
}

impl Trouble {
    /// The answer that takes the place of the API server's, if the request doesn't reach it.
    fn refusal(self) -> Option<Response<ProxyBody>> {
        let (code, reason, message) = match self {
            Self::TooManyRequests => (429, "TooManyRequests", "Too many requests, please try again later."),
            Self::InternalError => (500, "", "etcdserver: request timed out"),
            Self::Unauthorized => (401, "Unauthorized", "Unauthorized"),
            Self::Unavailable => {
                let mut answer = Response::new(whole("<html><h1>503 Service Unavailable</h1>No server is available.</html>"));
                *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                return Some(answer);
            }
            Self::Reset | Self::AnswerLost | Self::Truncated | Self::Silence(_) => return None,
        };
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason, "code": code});
        let mut answer = Response::new(whole(status.to_string()));
        *answer.status_mut() = StatusCode::from_u16(code).unwrap_or_default();
        answer.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        if self == Self::TooManyRequests {
            answer.headers_mut().insert(RETRY_AFTER, http::HeaderValue::from_static("1"));
        }
        Some(answer)
    }
}

type ProxyBody = UnsyncBoxBody<Bytes, anyhow::Error>;

fn whole(text: impl Into<Bytes>) -> ProxyBody {
    Full::new(text.into()).map_err(|never| match never {}).boxed_unsync()
}

/// The proxy. It enters the cluster as its administrator, whoever asks, and ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    /// Ends all connections with itself.
    _runtime: Runtime,
}

#[derive(Debug, Default)]
struct State {
    /// What happens, and to which request of how many: to every third one, say.
    trouble: Mutex<Option<(Trouble, usize)>>,
    requests: AtomicUsize,
    troubled: AtomicUsize,
}

impl State {
    /// Counts a request. Returns what happens to it.
    fn next(&self) -> Option<Trouble> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let (trouble, every) = (*self.trouble.lock().unwrap_or_else(PoisonError::into_inner))?;
        number.is_multiple_of(every).then(|| {
            self.troubled.fetch_add(1, Ordering::Relaxed);
            trouble
        })
    }
}

impl Proxy {
    /// Starts it on a port of this machine.
    pub fn start(cluster: &Cluster) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig_path())?;
        let (listener, client) = runtime.block_on(async {
            let mut config = Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await?;
            config.default_retry = false;
            config.read_timeout = None;
            anyhow::Ok((TcpListener::bind("127.0.0.1:0").await?, Client::try_from(config)?))
        })?;
        let (address, state) = (listener.local_addr().context("no address")?, Arc::new(State::default()));
        runtime.spawn(serve(listener, client, Arc::clone(&state)));
        Ok(Self { address, state, _runtime: runtime })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, something happens to one request of so many.
    pub fn trouble(&self, trouble: Trouble, every: usize) {
        self.set(Some((trouble, every)));
    }

    /// From now on, nothing happens.
    pub fn peace(&self) {
        self.set(None);
    }

    fn set(&self, trouble: Option<(Trouble, usize)>) {
        *self.state.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Returns how many requests there were, and to how many of them something happened.
    pub fn counts(&self) -> (usize, usize) {
        (self.state.requests.load(Ordering::Relaxed), self.state.troubled.load(Ordering::Relaxed))
    }
}

async fn serve(listener: TcpListener, client: Client, state: Arc<State>) {
    // A client that is gone before it is accepted is none to serve.
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (client, state) = (client.clone(), Arc::clone(&state));
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(client.clone(), state.next(), request));
            // A service that fails resets its connection: that is the trouble.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
        });
    }
}

#[expect(clippy::disallowed_methods, reason = "a silence is as long as the test says")]
async fn answer(client: Client, trouble: Option<Trouble>, mut request: Request<Incoming>) -> Result<Response<ProxyBody>> {
    if let Some(refusal) = trouble.and_then(Trouble::refusal) {
        return Ok(refusal);
    }
    match trouble {
        Some(Trouble::Reset) => anyhow::bail!("reset"),
        Some(Trouble::Silence(time)) => tokio::time::sleep(time).await,
        _ => {}
    }
    let asker = request.headers().contains_key(UPGRADE).then(|| hyper::upgrade::on(&mut request));
    let (mut parts, body) = request.into_parts();
    parts.headers.remove(HOST);
    parts.headers.remove(AUTHORIZATION);
    if asker.is_none() {
        remove_hops(&mut parts.headers);
    }
    let body = Body::from(body.collect().await?.to_bytes().to_vec());
    let mut response = client.send(Request::from_parts(parts, body)).await?;
    if let Some(asker) = asker.filter(|_| response.status() == StatusCode::SWITCHING_PROTOCOLS) {
        tokio::spawn(join(asker, hyper::upgrade::on(&mut response)));
        return Ok(response.map(|_| whole("")));
    }
    let (mut parts, body) = response.into_parts();
    remove_hops(&mut parts.headers);
    let body = match trouble {
        Some(Trouble::AnswerLost) => anyhow::bail!("lost"),
        Some(Trouble::Truncated) => {
            let bytes = body.collect_bytes().await?;
            parts.headers.insert(http::header::CONTENT_LENGTH, bytes.len().into());
            let half = Ok(Frame::data(bytes.slice(..bytes.len() / 2)));
            StreamBody::new(futures::stream::iter([half, Err(anyhow::anyhow!("truncated"))])).boxed_unsync()
        }
        _ => body.map_err(anyhow::Error::from).boxed_unsync(),
    };
    Ok(Response::from_parts(parts, body))
}

/// Passes on what both ends of an upgraded connection say, as a port-forward needs.
async fn join(asker: OnUpgrade, server: OnUpgrade) {
    if let (Ok(asker), Ok(server)) = tokio::join!(asker, server) {
        // An end that is gone ends it.
        let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(asker), &mut TokioIo::new(server)).await;
    }
}

/// What concerns one connection only.
fn remove_hops(headers: &mut HeaderMap) {
    headers.remove(CONNECTION);
    headers.remove(TRANSFER_ENCODING);
}
