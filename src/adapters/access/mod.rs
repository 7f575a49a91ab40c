//! Access to a cluster as one kubeconfig in memory: the kube client connects with it, and Helm gets it as a file.

mod credentials;
mod files;
mod input;
mod pod;
#[cfg(test)]
mod tests;

pub use credentials::{Credentials, ExecPlugin};
pub use files::KubeconfigFiles;
pub use input::{parse_certificate, parse_host, parse_key, parse_token};

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::Engine as _;
use kube::config::{AuthInfo, Cluster, Context, Kubeconfig, NamedAuthInfo, NamedCluster, NamedContext};

use crate::{data::Secret, ports::Failure};

/// Access to a cluster. Nothing else is used: neither the environment's kubeconfig, nor in-cluster credentials by accident, nor localhost.
#[derive(Clone, Debug)]
pub struct ClusterAccess {
    /// What the settings below are laid over.
    pub base: Base,
    /// The API server.
    pub server: ServerSettings,
    /// The credentials; `None` for those of the base.
    pub credentials: Option<Credentials>,
}

/// What an access begins with.
#[derive(Clone, Debug)]
pub enum Base {
    /// Nothing: the settings say everything.
    Nothing,
    /// A context of kubeconfig files.
    Kubeconfig(KubeconfigFiles),
    /// The service account of the pod in which the provider runs.
    Pod,
}

/// An API server, as far as it is set.
#[derive(Clone, Debug, Default)]
pub struct ServerSettings {
    /// The API server's URL.
    pub host: Option<String>,
    /// Its certificate authority, PEM.
    pub ca_certificate: Option<String>,
    /// Whether to accept any certificate of the API server.
    pub insecure: Option<bool>,
    /// The name in its certificate, if it isn't the host's.
    pub tls_server_name: Option<String>,
    /// The proxy through which to reach it.
    pub proxy_url: Option<Secret>,
}

/// A kubeconfig with just one cluster, and the context of the user's files that it was.
#[derive(Clone, Debug, Default)]
pub(super) struct Resolved {
    pub(super) kubeconfig: Arc<Kubeconfig>,
    context: Option<String>,
}

/// Cluster and user as the base has them.
struct Entry {
    server: Cluster,
    user: AuthInfo,
    namespace: Option<String>,
    context: Option<String>,
}

impl ClusterAccess {
    /// A context of one kubeconfig file, or the file's current one, with nothing laid over it.
    #[cfg(test)]
    pub(super) fn kubeconfig(path: PathBuf, context: Option<&str>) -> Self {
        let files = KubeconfigFiles { paths: vec![path], context: context.map(str::to_owned), cluster: None, user: None };
        Self { base: Base::Kubeconfig(files), server: ServerSettings::default(), credentials: None }
    }

    /// Resolves to a kubeconfig with just this cluster. Reads the user's files, if there are any; contacts no server.
    pub(super) fn resolve(&self, cluster: &str) -> Result<Resolved, Failure> {
        let entry = match &self.base {
            Base::Nothing => Entry { server: Cluster::default(), user: AuthInfo::default(), namespace: None, context: None },
            Base::Kubeconfig(files) => files.entry(cluster, files.context.as_deref(), self)?,
            Base::Pod => pod::entry(cluster, Path::new(pod::FOLDER), self.server.host.as_deref())?,
        };
        Ok(self.laid_over(cluster, entry))
    }

    /// Returns whether there may be other credentials later on.
    pub(super) fn may_change(&self) -> bool {
        match &self.credentials {
            Some(credentials) => matches!(credentials, Credentials::Exec(_) | Credentials::TokenFile(_)),
            None => !matches!(self.base, Base::Nothing),
        }
    }

    /// Reads the credentials anew, of the context of before and for the same server. `None` if the files are not what they were.
    pub(super) fn renewed(&self, cluster: &str, former: &Resolved) -> Option<Resolved> {
        let Base::Kubeconfig(files) = &self.base else { return Some(former.clone()) };
        let now = self.laid_over(cluster, files.entry(cluster, former.context.as_deref(), self).ok()?);
        let server = |resolved: &Resolved| resolved.kubeconfig.clusters.iter().find_map(|named| named.cluster.as_ref()?.server.clone());
        (server(&now) == server(former)).then_some(now)
    }

    /// Describes a choice that the configuration leaves to the files: another context may be the current one in the next run.
    pub fn unpinned_context(&self) -> Option<String> {
        match &self.base {
            Base::Kubeconfig(files) => files.unpinned_context(),
            Base::Nothing | Base::Pod => None,
        }
    }

    fn laid_over(&self, cluster: &str, entry: Entry) -> Resolved {
        let Entry { mut server, user, namespace, context } = entry;
        let set = &self.server;
        if let Some(host) = &set.host {
            server.server = Some(host.clone());
            // As in kubectl: that name is the other server's.
            server.tls_server_name = None;
        }
        if let Some(ca) = &set.ca_certificate {
            (server.certificate_authority, server.certificate_authority_data) = (None, Some(encode(ca)));
            server.insecure_skip_tls_verify = None;
        }
        if let Some(insecure) = set.insecure {
            server.insecure_skip_tls_verify = insecure.then_some(true);
        }
        if server.insecure_skip_tls_verify == Some(true) {
            // Helm refuses both at once.
            (server.certificate_authority, server.certificate_authority_data) = (None, None);
        }
        server.tls_server_name = set.tls_server_name.clone().or(server.tls_server_name);
        server.proxy_url = set.proxy_url.as_ref().map(|url| url.reveal().to_owned()).or(server.proxy_url);
        let user = self.credentials.as_ref().map_or(user, Credentials::auth_info);
        Resolved { kubeconfig: Arc::new(single(cluster, server, user, namespace)), context }
    }
}

fn encode(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn single(name: &str, cluster: Cluster, auth_info: AuthInfo, namespace: Option<String>) -> Kubeconfig {
    let name = name.to_owned();
    let context = Context { cluster: name.clone(), user: Some(name.clone()), namespace, ..Context::default() };
    Kubeconfig {
        api_version: Some("v1".to_owned()),
        kind: Some("Config".to_owned()),
        clusters: vec![NamedCluster { name: name.clone(), cluster: Some(cluster), ..NamedCluster::default() }],
        auth_infos: vec![NamedAuthInfo { name: name.clone(), auth_info: Some(auth_info), ..NamedAuthInfo::default() }],
        contexts: vec![NamedContext { name: name.clone(), context: Some(context), ..NamedContext::default() }],
        current_context: Some(name),
        ..Kubeconfig::default()
    }
}

/// Replaces `~` at the beginning of a path by the home directory.
pub(super) fn expand_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(below), Some(home)) => home.join(below),
        _ => path.to_path_buf(),
    }
}

/// The path from anywhere: Helm reads the files that a kubeconfig names by way of one that lies elsewhere.
fn absolute(path: &Path) -> PathBuf {
    let expanded = expand_home(path);
    std::path::absolute(&expanded).unwrap_or(expanded)
}
