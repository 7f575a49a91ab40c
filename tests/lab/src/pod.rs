//! The network of a pod, which a thread of ours can enter: what it then opens goes the pod's way, through its sidecar.

use std::{
    fs::{self, File},
    net::IpAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns};

use crate::lab::Cluster;

/// The network of a pod that runs.
#[derive(Debug)]
pub(crate) struct PodNetwork {
    namespace: File,
    /// The name server that the pod's programs ask.
    pub(crate) name_server: IpAddr,
}

impl PodNetwork {
    /// Finds the pod with that label. It must be ready, and not about to end.
    pub(crate) fn find(cluster: &Cluster, namespace: &str, label: &str) -> Result<Self> {
        let pods = cluster.kubectl(&["get", "pods", "-n", namespace, "-l", label, "-o", "json"])?;
        let pods: serde_json::Value = serde_json::from_str(&pods)?;
        let runs = |pod: &&serde_json::Value| {
            let is_ready = |condition: &serde_json::Value| condition["type"] == "Ready" && condition["status"] == "True";
            pod["metadata"]["deletionTimestamp"].is_null()
                && pod["status"]["conditions"].as_array().is_some_and(|all| all.iter().any(is_ready))
        };
        let pod = pods["items"].as_array().and_then(|pods| pods.iter().find(runs));
        let uid = pod.and_then(|pod| pod["metadata"]["uid"].as_str());
        let uid = uid.with_context(|| format!("no pod of {} in namespace {namespace} with the label {label} is ready", cluster.name()))?;
        // The pause container of a pod has no resolv.conf, the others have the same.
        let configured =
            |process: &PathBuf| fs::read_to_string(process.join("root/etc/resolv.conf")).ok().and_then(|file| name_server(&file));
        let found = processes_of(uid)?.into_iter().find_map(|process| Some((configured(&process)?, process)));
        let (name_server, process) = found.with_context(|| format!("the pod {uid} has no process with a name server"))?;
        Ok(Self { namespace: File::open(process.join("ns/net"))?, name_server })
    }

    /// Moves this thread into the pod's network, and with it the threads that it starts from now on.
    pub(crate) fn enter(&self) -> Result<()> {
        Ok(setns(&self.namespace, CloneFlags::CLONE_NEWNET)?)
    }
}

/// The processes in the cgroups of a pod, as folders of /proc.
pub(crate) fn processes_of(uid: &str) -> Result<Vec<PathBuf>> {
    let group = format!("/pod{uid}/");
    let is_of_pod = |process: &Path| fs::read_to_string(process.join("cgroup")).is_ok_and(|groups| groups.contains(&group));
    let all = fs::read_dir("/proc")?.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(all.filter(|process| is_of_pod(process)).collect())
}

fn name_server(resolv_conf: &str) -> Option<IpAddr> {
    resolv_conf.lines().find_map(|line| line.strip_prefix("nameserver")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_server_is_asked() {
        assert_eq!(name_server("search a b\nnameserver 198.51.100.11\nnameserver 1.1.1.1\n"), "198.51.100.11".parse().ok());
        assert_eq!(name_server("search a\n"), None);
    }
}
