//! Kubeconfig files: merged as kubectl merges the files of KUBECONFIG, and one context of them picked.

use std::path::PathBuf;

use kube::config::{AuthInfo, Cluster, ExecInteractiveMode, Kubeconfig};

use super::{ClusterAccess, Entry, absolute};
use crate::ports::{Failure, FailureKind};

/// A context of kubeconfig files.
#[derive(Clone, Debug)]
pub struct KubeconfigFiles {
    /// The files; `~` at the beginning of a path is the home directory. Of two entries with one name the first one counts.
    pub paths: Vec<PathBuf>,
    /// The context; `None` for the current one of the files.
    pub context: Option<String>,
    /// The entry of `clusters` to use instead of the context's.
    pub cluster: Option<String>,
    /// The entry of `users` to use instead of the context's.
    pub user: Option<String>,
}

impl KubeconfigFiles {
    /// Returns the entry of a context, or of the current one. What `access` sets itself isn't looked for.
    pub(super) fn entry(&self, cluster: &str, context: Option<&str>, access: &ClusterAccess) -> Result<Entry, Failure> {
        let unusable = |why: String| {
            Failure::new(FailureKind::Unconfigured, format!("Can't use the kubeconfig of cluster \"{cluster}\""), why)
                .advice(format!("Correct `clusters[\"{cluster}\"]` in the provider's configuration, or the file."))
        };
        let files =
            self.merged().map_err(|(path, error)| unusable(format!("{} can't be read as a kubeconfig.", path.display())).raw(error))?;
        let from = self.paths.iter().map(|path| absolute(path).display().to_string()).collect::<Vec<_>>().join(", ");
        let missing = |kind: &str, name: &str, names: Vec<&String>| {
            let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
            let there_are = if names.is_empty() { format!("It has no {kind}s") } else { format!("Its {kind}s are {}", names.join(", ")) };
            unusable(format!("{from} has no {kind} `{name}`. {there_are}."))
        };

        let name = context.or(files.current_context.as_deref()).filter(|name| !name.is_empty());
        let context = match name {
            None if self.cluster.is_some() && (self.user.is_some() || access.credentials.is_some()) => None,
            None => {
                let names: Vec<_> = files.contexts.iter().map(|context| format!("`{}`", context.name)).collect();
                return Err(unusable(format!(
                    "{from} has no current context, and `config_context` is not set. Its contexts are {}.",
                    names.join(", ")
                )));
            }
            Some(name) => {
                let found = files.contexts.iter().find(|context| context.name == name).and_then(|context| context.context.clone());
                Some(found.ok_or_else(|| missing("context", name, files.contexts.iter().map(|context| &context.name).collect()))?)
            }
        };
        let wanted = self.cluster.as_deref().or(context.as_ref().map(|context| context.cluster.as_str())).unwrap_or_default();
        let server = files.clusters.iter().find(|server| server.name == wanted).and_then(|server| server.cluster.clone());
        let server: Cluster = server.ok_or_else(|| missing("cluster", wanted, files.clusters.iter().map(|of| &of.name).collect()))?;
        // kube takes a cluster without a server for localhost; nothing is guessed here.
        if server.server.as_deref().unwrap_or_default().is_empty() && access.server.host.is_none() {
            return Err(unusable(format!("{from} has no server for cluster `{wanted}`.")));
        }
        let wanted = self.user.as_deref().or(context.as_ref().and_then(|context| context.user.as_deref())).filter(|user| !user.is_empty());
        let user = match wanted {
            Some(wanted) if access.credentials.is_none() => {
                let found = files.auth_infos.iter().find(|info| info.name == wanted).and_then(|info| info.auth_info.clone());
                let user = found.ok_or_else(|| missing("user", wanted, files.auth_infos.iter().map(|info| &info.name).collect()))?;
                usable(wanted, user).map_err(|(why, advice)| unusable(why).advice(advice))?
            }
            _ => AuthInfo::default(),
        };
        Ok(Entry { server, user, namespace: context.and_then(|context| context.namespace), context: name.map(str::to_owned) })
    }

    /// Returns all files as one. Unlike kubectl, it doesn't pass over one that doesn't exist: an entry of the same name in another file would
    /// be used in its place.
    fn merged(&self) -> Result<Kubeconfig, (PathBuf, String)> {
        let mut merged = Kubeconfig::default();
        for path in &self.paths {
            // Paths inside of a file are meant from where it lies.
            let path = absolute(path);
            let mut file = Kubeconfig::read_from(&path).map_err(|error| (path.clone(), error.to_string()))?;
            // To kubectl, an empty one is not set.
            file.current_context = file.current_context.filter(|name| !name.is_empty());
            merged = merged.merge(file).map_err(|error| (path, error.to_string()))?;
        }
        Ok(merged)
    }

    pub(super) fn unpinned_context(&self) -> Option<String> {
        if self.context.is_some() || (self.cluster.is_some() && self.user.is_some()) {
            return None;
        }
        let files = self.merged().ok().filter(|files| files.contexts.len() > 1)?;
        let current = files.current_context.filter(|name| !name.is_empty())?;
        let paths: Vec<_> = self.paths.iter().map(|path| path.display().to_string()).collect();
        Some(format!(
            "`config_context` is not set, so the current context of {} is used, now `{current}`. Another context can be the current one in the \
             next run, after `kubectl config use-context` for example, and lead to another cluster. Set `config_context = \"{current}\"`.",
            paths.join(", ")
        ))
    }
}

/// Returns a user of a kubeconfig as it can be used here, or why it can't be, and what to do.
fn usable(name: &str, mut user: AuthInfo) -> Result<AuthInfo, (String, &'static str)> {
    if let Some(provider) = &user.auth_provider {
        // Helm would renew its token, and leave the user's own kubeconfig with one that is no longer valid.
        let why = format!("User `{name}` has an `auth-provider` ({}), which is not supported.", provider.name);
        return Err((
            why,
            "Use a credential plugin (`exec`) instead, such as `kubectl oidc-login get-token` (kubelogin) or that of your cloud.",
        ));
    }
    if let Some(plugin) = &mut user.exec {
        // Standard input is Terraform's own, and what the plugin writes to an inherited standard error reaches no user.
        plugin.interactive_mode = Some(ExecInteractiveMode::Never);
    }
    Ok(user)
}
