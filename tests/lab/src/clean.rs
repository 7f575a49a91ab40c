//! Taking a cluster back to bare, much faster than making a new one.

use std::time::Duration;

use anyhow::Result;

use crate::{fault::Fault, lab::Cluster, wait};

const SYSTEM_NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Kinds that Istio's charts install for the whole cluster.
const CLUSTER_KINDS: [&str; 4] =
    ["validatingwebhookconfigurations", "mutatingwebhookconfigurations", "clusterrolebindings", "clusterroles"];

/// Removes everything that tests and Istio created, and waits until it is gone. Also mends faults and resets the balancer.
pub(crate) fn clean(cluster: &Cluster) -> Result<()> {
    cluster.mend(Fault::Wan)?;
    cluster.mend(Fault::ApiServer)?;
    cluster.wait_until_whole()?;
    cluster.balancer().reset()?;
    // Webhooks first: with their server gone they would refuse the rest.
    for kind in CLUSTER_KINDS {
        delete(cluster, &names(cluster, kind)?.into_iter().filter(|name| is_istio(name)).collect::<Vec<_>>())?;
    }
    let namespaces: Vec<_> = names(cluster, "namespaces")?
        .into_iter()
        .filter(|name| !SYSTEM_NAMESPACES.iter().any(|system| name.ends_with(&format!("/{system}"))))
        .collect();
    // Kubernetes empties a deleted namespace after five seconds, and if then anything takes its time, not again for another five.
    // So it is emptied in these five seconds, and Istio's kinds, whose vanishing would confuse it, go meanwhile too.
    delete(cluster, &namespaces)?;
    for namespace in &namespaces {
        empty_namespace(cluster, namespace.trim_start_matches("namespace/"))?;
    }
    let definitions = || -> Result<Vec<_>> {
        let names = names(cluster, "customresourcedefinitions")?;
        Ok(names.into_iter().filter(|name| is_of_a_mesh(name)).collect())
    };
    delete(cluster, &definitions()?)?;
    for namespace in SYSTEM_NAMESPACES {
        clean_namespace(cluster, namespace)?;
    }
    wait::until_true("what was deleted to be gone", Duration::from_secs(90), || {
        Ok(names(cluster, "namespaces")?.len() == SYSTEM_NAMESPACES.len() && definitions()?.is_empty())
    })
}

/// Whether a definition is Istio's, or of the Gateway API, which a test of links installs.
fn is_of_a_mesh(definition: &str) -> bool {
    definition.ends_with(".istio.io") || definition.ends_with(".gateway.networking.k8s.io")
}

/// Removes what takes its time to go: pods with a grace period, Services that the balancer must let go.
fn empty_namespace(cluster: &Cluster, namespace: &str) -> Result<()> {
    let delete = |kinds: &str, options: &[&str]| {
        let arguments = ["delete", kinds, "--all", "--ignore-not-found", "--wait=false", "-n", namespace];
        cluster.kubectl(&[&arguments, options].concat())
    };
    delete("pods", &["--grace-period=0", "--force"])?;
    delete("services", &[])?;
    Ok(())
}

/// Cleans a namespace that stays: istiod's `ConfigMap`s everywhere, and everything that a test put into `default`.
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
