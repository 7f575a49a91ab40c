//! Looks at what east-west gateways present to clients of exported hosts.

use std::{collections::BTreeMap, time::Duration};

use futures::future::join_all;

use super::LiveCluster;
use crate::{
    mesh::{
        helm::gateway,
        inventory::{Connection, MESH_PROTOCOL, Served},
    },
    ports::{Failure, FailureKind, Hello},
};

/// How long a gateway may take.
const TIME: Duration = Duration::from_secs(5);

impl LiveCluster<'_> {
    /// Begins connections as sidecars of other networks do, all at the same time, and returns what is presented by host. The certificate is the
    /// exported pod's: a gateway passes the connection on as it is.
    pub(crate) async fn served(self, connections: Vec<Connection>) -> BTreeMap<String, Served> {
        let deadline = &self.part(TIME);
        let begin = |connection: Connection| async move {
            let Connection { host, pod, server_name } = connection;
            let hello = Hello { port: gateway::PORT, server_name, protocol: Some(MESH_PROTOCOL) };
            let presented = self.within(deadline).presented(&pod, &hello).await;
            let presented = presented.and_then(|presented| self.world().authority.inspect_all(&presented));
            match presented {
                Ok(all) => Some((host, Served::Presented(all.into_iter().next().map(|own| own.uris).unwrap_or_default()))),
                Err(Failure { kind: FailureKind::Denied, .. }) => None,
                Err(Failure { kind: FailureKind::NotReady, why, raw, .. }) => Some((host, Served::Refused(raw.unwrap_or(why)))),
                Err(failure) => Some((host, Served::Unasked(failure.why))),
            }
        };
        join_all(connections.into_iter().map(begin)).await.into_iter().flatten().collect()
    }
}
