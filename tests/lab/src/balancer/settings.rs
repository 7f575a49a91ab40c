//! The balancer's settings: a file for each cluster, which it reads repeatedly.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::{cluster::ClusterName, command::write_file, layout::Layout};

/// How a cluster's balancer answers a Service that has no address yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Answer {
    /// With an IP address, at once.
    #[default]
    Ip,
    /// With a hostname, at once.
    Hostname,
    /// With an IP address, so long after it first saw the Service.
    Late {
        /// The delay.
        seconds: u64,
    },
    /// Not at all: events report that a quota is exceeded.
    Never,
}

/// The settings of one cluster's balancer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// How new Services are answered.
    pub answer: Answer,
    /// How many changes of address were requested for each Service (`namespace/name`).
    #[serde(default)]
    pub moves: BTreeMap<String, u64>,
}

impl Settings {
    fn file(layout: &Layout, cluster: ClusterName) -> PathBuf {
        layout.state.join("balancer").join(format!("{cluster}-settings.json"))
    }

    /// Reads the settings; the defaults if there are none.
    pub(crate) fn read(layout: &Layout, cluster: ClusterName) -> Self {
        let text = fs::read(Self::file(layout, cluster)).ok();
        text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    /// Tells the balancer; it acts within a fraction of a second.
    pub(crate) fn write(&self, layout: &Layout, cluster: ClusterName) -> Result<()> {
        write_file(&Self::file(layout, cluster), serde_json::to_vec_pretty(self)?)
    }
}
