//! Access from inside of a cluster: the service account that Kubernetes mounts into the pod.

use std::path::Path;

use kube::config::{AuthInfo, Cluster};

use super::Entry;
use crate::ports::{Failure, FailureKind};

/// Where Kubernetes mounts the service account's token and the API server's certificate authority.
pub(super) const FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Returns the entry of the pod's service account. The address is `host`, or else the one that Kubernetes gives to every pod.
pub(super) fn entry(cluster: &str, folder: &Path, host: Option<&str>) -> Result<Entry, Failure> {
    let unusable = |why: String| {
        Failure::new(FailureKind::Unconfigured, format!("Can't use the service account for cluster \"{cluster}\""), why).advice(format!(
            "`in_cluster = true` of `clusters[\"{cluster}\"]` works only in a pod of that cluster whose service account's token is mounted \
             (`automountServiceAccountToken`). Elsewhere, set `config_path`, or `host` and credentials."
        ))
    };
    let (token, authority) = (folder.join("token"), folder.join("ca.crt"));
    if let Some(missing) = [&token, &authority].into_iter().find(|file| !file.is_file()) {
        return Err(unusable(format!("{} doesn't exist.", missing.display())));
    }
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let server = match host {
        Some(host) => host.to_owned(),
        None => address(variable("KUBERNETES_SERVICE_HOST"), variable("KUBERNETES_SERVICE_PORT")).ok_or_else(|| {
            unusable("The variables KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT, which every pod has, are not set.".to_owned())
        })?,
    };
    Ok(Entry {
        server: Cluster { server: Some(server), certificate_authority: Some(authority.display().to_string()), ..Cluster::default() },
        // A file, because the kubelet renews the token.
        user: AuthInfo { token_file: Some(token.display().to_string()), ..AuthInfo::default() },
        namespace: None,
        context: None,
    })
}

fn address(host: Option<String>, port: Option<String>) -> Option<String> {
    let (host, port) = (host?, port?);
    Some(if host.contains(':') { format!("https://[{host}]:{port}") } else { format!("https://{host}:{port}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_that_which_kubernetes_gives_to_every_pod() {
        let of = |host: &str| address(Some(host.to_owned()), Some("443".to_owned()));
        assert_eq!(of("10.96.0.1").as_deref(), Some("https://10.96.0.1:443"));
        assert_eq!(of("fd00::1").as_deref(), Some("https://[fd00::1]:443"));
        assert_eq!(address(None, Some("443".to_owned())), None);
    }

    #[test]
    fn outside_of_a_pod_the_missing_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "t0ken").unwrap();
        let failure = entry("eu", folder.path(), None).err().unwrap().to_string();
        assert!(failure.contains("ca.crt doesn't exist") && failure.contains("in_cluster"), "{failure}");
        std::fs::write(folder.path().join("ca.crt"), "").unwrap();
        let entry = entry("eu", folder.path(), Some("https://10.96.0.1")).ok().unwrap();
        assert!(entry.user.token_file.unwrap().ends_with("/token") && entry.user.token.is_none(), "the token is renewed in the file");
    }
}
