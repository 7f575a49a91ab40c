//! The connection to one cluster's API server: made at the first call and kept, with credentials that are renewed when they end.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use framework::Deadline;
use http::HeaderValue;
use kube::{Client, config::Kubeconfig};
use time::OffsetDateTime;
use tokio::time::Instant;

use super::{
    access::{ClusterAccess, Resolved},
    asked_once::AskedOnce,
    client_config::client_config,
    credentials::{self, Credentials},
};
use crate::ports::{Failure, FailureKind};

/// How long a failure to connect is taken for the answer: forty resources must not run a slow credential plugin one after the other.
const FAILED: Duration = Duration::from_secs(5);

/// How old credentials must be for a refusal to be a reason to obtain new ones.
const RENEWED: Duration = Duration::from_secs(10);

pub(super) struct Connection {
    access: ClusterAccess,
    /// What `access` resolved to first. Somebody may switch the file's current context during a run, and a run must not change clusters.
    resolved: Mutex<Option<Resolved>>,
    state: tokio::sync::Mutex<State>,
    /// The cluster's UID, once it has been read; `None` within if it may not be read.
    pub(super) uid: AskedOnce<Option<String>>,
    /// Whether the server has ever answered. One that has is in trouble when it doesn't; of one that has not, the address may be wrong.
    has_answered: Arc<AtomicBool>,
}

enum State {
    New,
    Connected(Arc<Server>),
    Failed(Instant, Failure),
}

/// An API server, with the credentials of now.
pub(super) struct Server {
    pub(super) client: Client,
    /// Where it is, for messages.
    pub(super) address: String,
    /// Sent with each request.
    pub(super) bearer: Option<HeaderValue>,
    has_answered: Arc<AtomicBool>,
    valid_until: Option<OffsetDateTime>,
    since: Instant,
}

impl Server {
    /// Remembers that it has answered.
    pub(super) fn answered(&self) {
        self.has_answered.store(true, Ordering::Relaxed);
    }

    /// Returns whether it has ever answered in this process.
    pub(super) fn has_answered(&self) -> bool {
        self.has_answered.load(Ordering::Relaxed)
    }

    fn is_valid(&self) -> bool {
        self.valid_until.is_none_or(|until| OffsetDateTime::now_utc() < until)
    }
}

impl Connection {
    pub(super) fn new(access: ClusterAccess) -> Self {
        Self {
            access,
            resolved: Mutex::default(),
            state: tokio::sync::Mutex::new(State::New),
            uid: AskedOnce::new(),
            has_answered: Arc::default(),
        }
    }

    /// Connects to anything that answers as `client`, for tests.
    #[cfg(test)]
    pub(super) fn to(client: Client, address: &str) -> Self {
        let has_answered = Arc::default();
        let server = Server {
            client,
            address: address.to_owned(),
            bearer: None,
            has_answered: Arc::clone(&has_answered),
            valid_until: None,
            since: Instant::now(),
        };
        let access = ClusterAccess::kubeconfig("/nowhere".into(), None);
        Self {
            access,
            resolved: Mutex::new(Some(Resolved::default())),
            state: tokio::sync::Mutex::new(State::Connected(Arc::new(server))),
            uid: AskedOnce::new(),
            has_answered,
        }
    }

    /// Returns the kubeconfig with just this cluster: the same for the client and for Helm, as long as the process lives.
    pub(super) fn kubeconfig(&self, cluster: &str) -> Result<Arc<Kubeconfig>, Failure> {
        let mut resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(resolved) = &*resolved {
            return Ok(Arc::clone(&resolved.kubeconfig));
        }
        let first = self.access.resolve(cluster)?;
        let kubeconfig = Arc::clone(&first.kubeconfig);
        *resolved = Some(first);
        Ok(kubeconfig)
    }

    /// Returns the API server. The files that it takes to reach it are read now, and not before.
    pub(super) async fn server(&self, cluster: &str, deadline: &Deadline) -> Result<Arc<Server>, Failure> {
        let waiting = |cut| Failure::cut(cut, cannot(cluster), "waiting for the credentials for it");
        let mut state = deadline.bound(self.state.lock()).await.map_err(waiting)?;
        let former = match &*state {
            State::Connected(server) if server.is_valid() => return Ok(Arc::clone(server)),
            State::Failed(at, failure) if at.elapsed() < FAILED => return Err(failure.clone()),
            State::Connected(server) => Some(Arc::clone(server)),
            State::New | State::Failed(..) => None,
        };
        match self.connect(cluster, former.as_deref(), deadline).await {
            Ok(server) => {
                let server = Arc::new(server);
                *state = State::Connected(Arc::clone(&server));
                Ok(server)
            }
            Err(failure) => {
                if !matches!(failure.kind, FailureKind::TimedOut | FailureKind::Interrupted) {
                    *state = State::Failed(Instant::now(), failure.clone());
                }
                Err(failure)
            }
        }
    }

    /// Has new credentials obtained at the next call, as the server no longer accepts those that it was asked with. Returns whether there
    /// may be better ones.
    pub(super) async fn renew(&self, cluster: &str, refused: &Arc<Server>) -> bool {
        let mut state = self.state.lock().await;
        match &*state {
            State::Connected(server) if Arc::ptr_eq(server, refused) => {
                if !self.access.may_change() || refused.since.elapsed() < RENEWED {
                    return false;
                }
                // Of a file that somebody has just broken, the credentials of before are kept.
                let mut resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(renewed) = resolved.as_ref().and_then(|former| self.access.renewed(cluster, former)) {
                    *resolved = Some(renewed);
                }
                *state = State::New;
                true
            }
            // Another call has seen to it.
            _ => true,
        }
    }

    async fn connect(&self, cluster: &str, former: Option<&Server>, deadline: &Deadline) -> Result<Server, Failure> {
        let unusable = |error: &dyn ToString| {
            let why = "The address or the credentials in the provider's configuration can't be used.";
            Failure::new(FailureKind::Unconfigured, cannot(cluster), why).raw(error.to_string())
        };
        let kubeconfig = self.kubeconfig(cluster)?;
        let server = kubeconfig.clusters.iter().find_map(|named| named.cluster.clone()).unwrap_or_default();
        let user = kubeconfig.auth_infos.iter().find_map(|named| named.auth_info.clone()).unwrap_or_default();
        let Credentials { auth_info, bearer, valid_until } = credentials::obtain(cluster, &user, &server, deadline).await?;
        let (since, has_answered) = (Instant::now(), Arc::clone(&self.has_answered));
        if let Some(former) = former.filter(|_| auth_info.client_certificate_data == user.client_certificate_data) {
            // Only the token is another: the connections that there are can be kept.
            let (client, address) = (former.client.clone(), former.address.clone());
            return Ok(Server { client, address, bearer, has_answered, valid_until, since });
        }
        let config = client_config(&server, auth_info).map_err(|error| unusable(&error))?;
        let address = config.cluster_url.to_string();
        // Reads the system's certificate authorities where none is given, and blocks.
        let client = deadline
            .bound(tokio::task::spawn_blocking(|| Client::try_from(config)))
            .await
            .map_err(|cut| Failure::cut(cut, cannot(cluster), "preparing the connection"))?
            .map_err(|error| unusable(&error))?
            .map_err(|error| unusable(&error))?;
        Ok(Server { client, address, bearer, has_answered, valid_until, since })
    }
}

fn cannot(cluster: &str) -> String {
    format!("Can't connect to cluster \"{cluster}\"")
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::adapters::access;

    fn within(seconds: u64) -> Deadline {
        Deadline::after(Duration::from_secs(seconds), CancellationToken::new())
    }

    /// A kubeconfig whose credential plugin runs a script.
    fn with_plugin(folder: &std::path::Path, script: &str) -> Connection {
        let path = folder.join("config");
        let plugin = folder.join("plugin.sh");
        std::fs::write(&plugin, script).unwrap();
        let user = format!("{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: sh, args: ['{}']}}}}", plugin.display());
        let file = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: eu\nclusters: [{{name: eu, cluster: {{server: 'http://127.0.0.1:1'}}}}]\n\
             contexts: [{{name: eu, context: {{cluster: eu, user: me}}}}]\nusers: [{{name: me, user: {user}}}]\n"
        );
        std::fs::write(&path, file).unwrap();
        Connection::new(ClusterAccess::kubeconfig(path, None))
    }

    fn runs(folder: &std::path::Path) -> usize {
        std::fs::read_to_string(folder.join("runs")).unwrap_or_default().lines().count()
    }

    #[test]
    fn a_run_stays_with_the_context_it_began_with() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let file = |current: &str| {
            let entries = format!(
                "clusters: [{{name: {current}, cluster: {{server: 'https://{current}.example'}}}}]\n\
                 contexts: [{{name: {current}, context: {{cluster: {current}}}}}]"
            );
            std::fs::write(&path, format!("apiVersion: v1\nkind: Config\ncurrent-context: {current}\n{entries}\n")).unwrap();
        };
        file("us");
        let connection = Connection::new(ClusterAccess::kubeconfig(path.clone(), None));
        let server = || connection.kubeconfig("a").unwrap().clusters[0].cluster.as_ref().unwrap().server.clone().unwrap();
        assert_eq!(server(), "https://us.example");
        // As `kubectx eu` or `kind create cluster` in another terminal does.
        file("eu");
        assert_eq!(server(), "https://us.example");
    }

    #[tokio::test]
    async fn a_plugin_runs_once_for_all_calls_and_again_when_its_credentials_end() {
        let folder = tempfile::tempdir().unwrap();
        let script = |expires: &str| {
            format!(
                "echo run >> {}\necho '{{\"status\": {{\"token\": \"t\", \"expirationTimestamp\": \"{expires}\"}}}}'",
                folder.path().join("runs").display()
            )
        };
        let connection = with_plugin(folder.path(), &script("2999-01-01T00:00:00Z"));
        let deadline = within(10);
        futures::future::try_join_all((0..40).map(|_| connection.server("eu", &deadline))).await.unwrap();
        assert_eq!(runs(folder.path()), 1);

        let connection = with_plugin(folder.path(), &script("2020-01-01T00:00:00Z"));
        let first = connection.server("eu", &within(10)).await.unwrap();
        connection.server("eu", &within(10)).await.unwrap();
        assert_eq!((runs(folder.path()), first.is_valid()), (3, false));
    }

    #[tokio::test]
    async fn refused_credentials_are_obtained_anew_unless_they_are_new() {
        let folder = tempfile::tempdir().unwrap();
        let script = format!("echo run >> {}\necho '{{\"status\": {{\"token\": \"t\"}}}}'", folder.path().join("runs").display());
        let connection = with_plugin(folder.path(), &script);
        let refused = connection.server("eu", &within(10)).await.unwrap();
        assert!(!connection.renew("eu", &refused).await, "they are wrong, and won't be better now");
        tokio::time::pause();
        tokio::time::advance(RENEWED).await;
        tokio::time::resume();
        // Two calls that were refused at once.
        assert!(connection.renew("eu", &refused).await && connection.renew("eu", &refused).await);
        connection.server("eu", &within(10)).await.unwrap();
        assert!(connection.renew("eu", &refused).await, "another call has seen to it");
        connection.server("eu", &within(10)).await.unwrap();
        assert_eq!(runs(folder.path()), 2);
    }

    #[tokio::test]
    async fn a_token_file_is_read_again_when_its_token_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "first").unwrap();
        let connection = Connection::new(ClusterAccess {
            base: access::Base::Nothing,
            server: access::ServerSettings { host: Some("http://127.0.0.1:1".to_owned()), ..Default::default() },
            credentials: Some(access::Credentials::TokenFile(file.clone())),
        });
        let first = connection.server("eu", &within(10)).await.unwrap();
        assert!(first.valid_until.is_some(), "it is read again in any case, after a while");
        std::fs::write(&file, "second").unwrap();
        tokio::time::pause();
        tokio::time::advance(RENEWED).await;
        tokio::time::resume();
        assert!(connection.renew("eu", &first).await);
        assert_eq!(connection.server("eu", &within(10)).await.unwrap().bearer.as_ref().unwrap(), "Bearer second");
    }

    #[tokio::test]
    async fn a_plugin_that_fails_is_not_run_by_each_call_anew() {
        let folder = tempfile::tempdir().unwrap();
        let connection = with_plugin(folder.path(), &format!("echo run >> {}\nsleep 0.2\nexit 1", folder.path().join("runs").display()));
        let deadline = within(20);
        let outcomes = futures::future::join_all((0..40).map(|_| connection.server("eu", &deadline))).await;
        assert!(outcomes.iter().all(|outcome| outcome.as_ref().is_err_and(|failure| failure.kind == FailureKind::Denied)));
        assert_eq!(runs(folder.path()), 1);
    }

    #[tokio::test]
    async fn waiting_for_a_slow_plugin_is_bound_by_the_deadline() {
        let folder = tempfile::tempdir().unwrap();
        let connection = with_plugin(folder.path(), "sleep 30");
        let (deadline, begin) = (within(1), std::time::Instant::now());
        let outcomes = futures::future::join_all((0..3).map(|_| connection.server("eu", &deadline))).await;
        assert!(outcomes.iter().all(|outcome| outcome.as_ref().is_err_and(|failure| failure.kind == FailureKind::TimedOut)));
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    }
}
