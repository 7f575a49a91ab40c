//! Faults that a test can cause in a cluster, and mend.

use std::str::FromStr;

use anyhow::{Result, bail};

use crate::{cluster::ClusterName, layout::Layout, netns, up};

/// Something that can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The API server is not there: connections are refused.
    ApiServer,
    /// The API server hangs: it accepts connections and doesn't answer.
    ApiServerHangs,
    /// The cluster is cut off the WAN: packets are lost.
    Wan,
}

impl Fault {
    /// All faults.
    pub const ALL: [Self; 3] = [Self::ApiServer, Self::ApiServerHangs, Self::Wan];

    /// As in `lab break us NAME`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiServer => "api-server",
            Self::ApiServerHangs => "api-server-hangs",
            Self::Wan => "wan",
        }
    }

    /// Brings it about.
    pub fn inflict(self, layout: &Layout, cluster: ClusterName) -> Result<()> {
        match self {
            Self::ApiServer => up::kubernetes(layout, cluster)?.stop_api_server(),
            Self::ApiServerHangs => {
                up::kubernetes(layout, cluster)?.freeze_api_server();
                Ok(())
            }
            Self::Wan => netns::set_uplink(cluster, false),
        }
    }

    /// Takes it back, and waits until what was broken works again. Nothing happens if it was not broken.
    pub fn mend(self, layout: &Layout, cluster: ClusterName) -> Result<()> {
        match self {
            Self::ApiServer | Self::ApiServerHangs => up::kubernetes(layout, cluster)?.start_api_server(),
            Self::Wan => netns::set_uplink(cluster, true),
        }
    }
}

impl FromStr for Fault {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names = Self::ALL.map(Self::as_str).join(", ");
        match Self::ALL.into_iter().find(|fault| fault.as_str() == text) {
            Some(fault) => Ok(fault),
            None => bail!("there is no fault {text:?}; there are {names}"),
        }
    }
}
