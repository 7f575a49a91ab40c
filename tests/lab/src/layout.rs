//! Where the lab keeps what: folders, and the fixed names and addresses of its networks.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// The namespace of the network between the clusters.
pub(crate) const WAN_NAMESPACE: &str = "mesh-wan";
/// The WAN's own host: registry, charts and name server listen here.
pub const WAN_ADDRESS: &str = "198.51.100.1";
/// The image registry, which also holds the charts (OCI).
pub const REGISTRY: &str = "198.51.100.1:5000";
/// The port of the HTTP chart repository on the WAN's host.
pub(crate) const CHARTS_PORT: u16 = 8080;
/// Sockets live here: their paths must be short, whatever the state folder is.
pub(crate) const RUN_FOLDER: &str = "/run/mesh-lab";
/// The root of all cgroups of the lab.
pub(crate) const CGROUP: &str = "mesh-lab";

/// The folders of the lab.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The folder that `lab down` removes.
    pub state: PathBuf,
    /// Builds and images: kept, and shared by all checkouts on the machine.
    pub cache: PathBuf,
}

impl Layout {
    /// Reads `MESH_LAB_DIR` and `XDG_CACHE_HOME`.
    pub fn from_environment() -> Result<Self> {
        let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let state = folder("MESH_LAB_DIR").unwrap_or_else(|| PathBuf::from("/var/lib/mesh-lab"));
        let cache = match folder("XDG_CACHE_HOME") {
            Some(cache) => cache,
            None => folder("HOME").context("neither XDG_CACHE_HOME nor HOME is set: where should builds be kept?")?.join(".cache"),
        };
        Ok(Self { state: std::path::absolute(state)?, cache: std::path::absolute(cache)?.join("mesh-lab") })
    }

    /// Programs for people and tests: links to the builds.
    pub fn programs(&self) -> PathBuf {
        self.state.join("bin")
    }

    /// The kubeconfig with a context for each cluster.
    pub fn kubeconfig(&self) -> PathBuf {
        self.state.join("kubeconfig")
    }

    /// The discovery cache of kubectl and helm, which must not outlive the API server.
    pub(crate) fn kube_cache(&self) -> PathBuf {
        self.state.join("kube-cache")
    }

    /// The files of the WAN's host: registry, charts, name server.
    pub fn wan(&self) -> PathBuf {
        self.state.join("wan")
    }

    /// The names of the load balancers that answer with a hostname, in the format of /etc/hosts.
    pub fn hosts(&self) -> PathBuf {
        self.wan().join("hosts")
    }

    /// The charts: `directory/{base,istiod,gateway}` and `http/charts/*.tgz`.
    pub fn charts(&self) -> PathBuf {
        self.state.join("charts")
    }

    /// The Helm values that the lab needs, as files.
    pub fn values(&self) -> PathBuf {
        self.state.join("values")
    }
}
