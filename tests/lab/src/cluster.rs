//! The clusters by name, with what follows from it: addresses, namespaces, folders.

use std::{fmt, net::Ipv4Addr, path::PathBuf, str::FromStr};

use anyhow::bail;
use serde::{Deserialize, Serialize};

use crate::layout::Layout;

/// One of the lab's clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterName {
    /// The importer of the examples.
    Us,
    /// The exporter of the examples.
    Eu,
    /// A third one, which the lab has only if it was asked for.
    Ap,
}

impl ClusterName {
    /// All that a lab can have, in the order in which it gets them.
    pub const ALL: [Self; 3] = [Self::Us, Self::Eu, Self::Ap];

    /// Returns those that this lab has.
    pub(crate) fn of(layout: &Layout) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|cluster| *cluster != Self::Ap || cluster.folder(layout).exists())
    }

    /// As in contexts, host names and folders.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Us => "us",
            Self::Eu => "eu",
            Self::Ap => "ap",
        }
    }

    pub(crate) const fn namespace(self) -> &'static str {
        match self {
            Self::Us => "mesh-us",
            Self::Eu => "mesh-eu",
            Self::Ap => "mesh-ap",
        }
    }

    /// The node's address on the WAN.
    pub const fn address(self) -> Ipv4Addr {
        match self {
            Self::Us => Ipv4Addr::new(198, 51, 100, 11),
            Self::Eu => Ipv4Addr::new(198, 51, 100, 12),
            Self::Ap => Ipv4Addr::new(198, 51, 100, 13),
        }
    }

    /// The addresses that the cluster's load balancer assigns.
    pub const fn pool(self) -> (Ipv4Addr, Ipv4Addr) {
        match self {
            Self::Us => (Ipv4Addr::new(198, 51, 100, 65), Ipv4Addr::new(198, 51, 100, 126)),
            Self::Eu => (Ipv4Addr::new(198, 51, 100, 129), Ipv4Addr::new(198, 51, 100, 190)),
            Self::Ap => (Ipv4Addr::new(198, 51, 100, 193), Ipv4Addr::new(198, 51, 100, 254)),
        }
    }

    /// The name of the cluster's one node.
    pub fn node(self) -> String {
        format!("{self}-1")
    }

    /// The URL of the API server, to be reached from the WAN.
    pub fn server(self) -> String {
        format!("https://{}:6443", self.address())
    }

    pub(crate) fn folder(self, layout: &Layout) -> PathBuf {
        layout.state.join(self.as_str())
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(self, layout: &Layout) -> PathBuf {
        self.folder(layout).join("admin.kubeconfig")
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for ClusterName {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match Self::ALL.into_iter().find(|cluster| cluster.as_str() == text) {
            Some(cluster) => Ok(cluster),
            None => bail!("there is no cluster {text:?}; there are us, eu and ap"),
        }
    }
}
