//! The connection to one cluster's API server: made at the first call, and kept.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ipnet::IpNet;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::sync::OnceCell;

use super::{access::ClusterAccess, refusal};
use crate::ports::{Failure, FailureKind};
use framework::Deadline;

/// How long to try a connection, and how long one request may take; the operation's own deadline is above both.
const CONNECT: Duration = Duration::from_secs(5);
/// Longer than the 30 s that a webhook may take at most.
const ANSWER: Duration = Duration::from_secs(40);

pub(super) struct Connection {
    access: ClusterAccess,
    /// What `access` resolved to first. Somebody may switch the file's current context during a run, and a run must not change clusters.
    kubeconfig: Mutex<Option<Arc<Kubeconfig>>>,
    server: OnceCell<Server>,
}

/// An API server, with the address at which it is.
pub(super) struct Server {
    pub(super) client: Client,
    pub(super) address: String,
}

impl Connection {
    pub(super) fn new(access: ClusterAccess) -> Self {
        Self { access, kubeconfig: Mutex::default(), server: OnceCell::new() }
    }

    /// To whatever answers as `server`, for tests.
    #[cfg(test)]
    pub(super) fn to(server: Server) -> Self {
        let access = ClusterAccess::Kubeconfig { path: "/nowhere".into(), context: None };
        Self { access, kubeconfig: Mutex::default(), server: OnceCell::new_with(Some(server)) }
    }

    /// Returns the kubeconfig with just this cluster: the same for the client and for Helm, as long as the process lives.
    pub(super) fn kubeconfig(&self, cluster: &str) -> Result<Arc<Kubeconfig>, Failure> {
        let mut resolved = self.kubeconfig.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kubeconfig) = &*resolved {
            return Ok(Arc::clone(kubeconfig));
        }
        let kubeconfig = Arc::new(self.access.kubeconfig(cluster)?);
        *resolved = Some(Arc::clone(&kubeconfig));
        Ok(kubeconfig)
    }

    /// The API server; what it takes to reach it is read from the disk now, and not before.
    pub(super) async fn server(&self, cluster: &str, deadline: &Deadline) -> Result<&Server, Failure> {
        self.server.get_or_try_init(|| self.connect(cluster, deadline)).await
    }

    async fn connect(&self, cluster: &str, deadline: &Deadline) -> Result<Server, Failure> {
        let unusable = |error: &dyn ToString| {
            Failure::new(
                FailureKind::Unconfigured,
                format!("Can't connect to cluster \"{cluster}\""),
                "The address or the credentials in the provider's configuration can't be used.",
            )
            .raw(error.to_string())
        };
        let kubeconfig = Arc::unwrap_or_clone(self.kubeconfig(cluster)?);
        let plugin = kubeconfig.auth_infos.iter().find_map(|info| info.auth_info.as_ref()?.exec.clone());
        let has_own_proxy = kubeconfig.clusters.iter().any(|named| named.cluster.as_ref().is_some_and(|server| server.proxy_url.is_some()));
        let mut config =
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(|error| unusable(&error))?;
        config.connect_timeout = Some(CONNECT);
        config.read_timeout = Some(ANSWER);
        // An idle connection that is used again starts anew.
        config.reset_reader_on_write = true;
        // We try again ourselves, bound by the deadline.
        config.default_retry = false;
        // kube holds NO_PROXY against the proxy's own address instead of the API server's.
        let no_proxy = ["NO_PROXY", "no_proxy"].into_iter().find_map(|name| std::env::var(name).ok()).unwrap_or_default();
        if !has_own_proxy && is_reached_directly(&no_proxy, config.cluster_url.host().unwrap_or_default()) {
            config.proxy_url = None;
        }
        let address = config.cluster_url.to_string();
        // A credential plugin runs in here, and blocks.
        let client = deadline
            .bound(tokio::task::spawn_blocking(|| Client::try_from(config)))
            .await
            .map_err(|cut| Failure::cut(cut, format!("Can't connect to cluster \"{cluster}\""), "getting credentials for it"))?
            .map_err(|error| unusable(&error))?
            .map_err(|error| {
                refusal::auth_error(&error).map_or_else(|| unusable(&error), |auth| refusal::no_credentials(cluster, plugin.as_ref(), auth))
            })?;
        Ok(Server { client, address })
    }
}

/// Whether the variable NO_PROXY (names, domains, addresses, networks, or `*`) exempts a host.
fn is_reached_directly(no_proxy: &str, host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<IpAddr>().ok();
    no_proxy.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        let domain = entry.trim_start_matches("*.").trim_start_matches('.');
        entry == "*"
            || host.eq_ignore_ascii_case(domain)
            || host.to_ascii_lowercase().ends_with(&format!(".{}", domain.to_ascii_lowercase()))
            || address.is_some_and(|address| entry.parse::<IpNet>().is_ok_and(|net| net.contains(&address)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_stays_with_the_context_it_began_with() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let file = |current: &str| {
            let entries = ["us", "eu"].map(|name| {
                format!("clusters: [{{name: {name}, cluster: {{server: 'https://{name}.example'}}}}]\ncontexts: [{{name: {name}, context: {{cluster: {name}}}}}]")
            });
            let entry = &entries[usize::from(current == "eu")];
            std::fs::write(&path, format!("apiVersion: v1\nkind: Config\ncurrent-context: {current}\n{entry}\n")).unwrap();
        };
        file("us");
        let connection = Connection::new(ClusterAccess::Kubeconfig { path: path.clone(), context: None });
        let server = || connection.kubeconfig("a").unwrap().clusters[0].cluster.as_ref().unwrap().server.clone().unwrap();
        assert_eq!(server(), "https://us.example");
        // As `kubectx eu` or `kind create cluster` in another terminal does.
        file("eu");
        assert_eq!(server(), "https://us.example");
    }

    #[test]
    fn no_proxy_exempts_names_domains_and_networks() {
        for (no_proxy, host) in [
            ("localhost,eu.example", "eu.example"),
            (".example", "api.eu.example"),
            ("Example", "api.eu.example"),
            ("10.0.0.0/8", "10.1.2.3"),
            ("*", "anything"),
        ] {
            assert!(is_reached_directly(no_proxy, host), "{no_proxy} {host}");
        }
        for (no_proxy, host) in [("", "eu.example"), ("ample", "eu.example"), ("10.0.0.0/8", "192.0.2.1"), (",", "eu")] {
            assert!(!is_reached_directly(no_proxy, host), "{no_proxy} {host}");
        }
    }
}
