//! Taking a cluster back to bare, much faster than making a new one.

use std::time::Duration;

use anyhow::Result;

use crate::fault::Fault;
use crate::lab::Cluster;
use crate::wait;

const SYSTEM_NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Kinds that Istio's charts install for the whole cluster.
const CLUSTER_KINDS: [&str; 4] =
    ["validatingwebhookconfigurations", "mutatingwebhookconfigurations", "clusterrolebindings", "clusterroles"];

/// Removes all that tests and Istio made, and waits until it is gone. Faults are mended, the balancer answers as at first.
pub(crate) fn clean(cluster: &Cluster) -> Result<()> {
    cluster.mend(Fault::Wan)?;
    cluster.mend(Fault::ApiServer)?;
    cluster.balancer().reset()?;
    // Webhooks first: with their server gone they would refuse the rest.
    for kind in CLUSTER_KINDS {
        delete(cluster, &names(cluster, kind)?.into_iter().filter(|name| is_istio(name)).collect::<Vec<_>>())?;
    }
    let namespaces: Vec<_> = names(cluster, "namespaces")?
        .into_iter()
        .filter(|name| !SYSTEM_NAMESPACES.iter().any(|system| name.ends_with(&format!("/{system}"))))
        .collect();
    delete(cluster, &namespaces)?;
    for namespace in &namespaces {
        let namespace = namespace.trim_start_matches("namespace/");
        let force = ["delete", "pods", "--all", "-n", namespace, "--grace-period=0", "--force", "--wait=false"];
        // The namespace may be gone already.
        let _ = cluster.kubectl(&force);
    }
    let definitions = names(cluster, "customresourcedefinitions")?;
    delete(cluster, &definitions.into_iter().filter(|name| name.ends_with(".istio.io")).collect::<Vec<_>>())?;
    for namespace in SYSTEM_NAMESPACES {
        clean_namespace(cluster, namespace)?;
    }
    wait::until_true("what was deleted to be gone", Duration::from_secs(90), || {
        let namespaces = names(cluster, "namespaces")?;
        let definitions = names(cluster, "customresourcedefinitions")?;
        let left = definitions.iter().any(|name| name.ends_with(".istio.io"));
        Ok(namespaces.len() == SYSTEM_NAMESPACES.len() && !left)
    })
}

/// What is left in a namespace that stays: istiod's `ConfigMap`s everywhere, and whatever a test put into `default`.
fn clean_namespace(cluster: &Cluster, namespace: &str) -> Result<()> {
    let all = |kinds: &str| cluster.kubectl(&["get", kinds, "-n", namespace, "-o", "name"]);
    let mut left: Vec<_> = all("configmaps,secrets")?.lines().map(str::to_owned).collect();
    left.retain(|name| is_istio(name) || (namespace == "default" && !name.ends_with("/kube-root-ca.crt")));
    if namespace == "default" {
        let kinds = "deployments,statefulsets,daemonsets,services,pods,serviceaccounts,roles,rolebindings";
        let kept = ["service/kubernetes", "serviceaccount/default"];
        left.extend(all(kinds)?.lines().filter(|name| !kept.contains(name)).map(str::to_owned));
    }
    if left.is_empty() {
        return Ok(());
    }
    let mut arguments = vec!["delete", "-n", namespace, "--ignore-not-found", "--wait=false"];
    arguments.extend(left.iter().map(String::as_str));
    cluster.kubectl(&arguments).map(drop)
}

fn is_istio(name: &str) -> bool {
    // As kubectl prints it: kind.group/name.
    let name = name.split('/').next_back().unwrap_or(name);
    name.starts_with("istio") || name.starts_with("istiod")
}

fn names(cluster: &Cluster, kind: &str) -> Result<Vec<String>> {
    Ok(cluster.kubectl(&["get", kind, "-o", "name"])?.lines().map(str::to_owned).collect())
}

fn delete(cluster: &Cluster, names: &[String]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let mut arguments = vec!["delete", "--ignore-not-found", "--wait=false"];
    arguments.extend(names.iter().map(String::as_str));
    cluster.kubectl(&arguments).map(drop)
}
