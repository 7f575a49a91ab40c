//! Makes the calls, and explains them.

use std::time::Duration;

use super::{
    MeshProbe, Probed,
    caller::{From, Hindrance},
};
use crate::{
    data::{Command, CommandEnd, Kind},
    mesh::{
        inventory::Inventory,
        labels,
        probe::{self, Attempt, Client, Counters, Explanation, Reason, caller::Caller},
    },
    world::{ClusterAccess as _, World, inventory},
};
use framework::{Cx, Error};

/// How much of what a client prints is read.
const MOST: usize = 64 * 1024;

/// How much of a sidecar's counters is read. A sidecar that has more isn't asked.
const MOST_COUNTED: usize = 4 * 1024 * 1024;

/// How often, and after which pause, a sidecar is asked again for a call that it hasn't counted.
const LOOKS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(100);

/// What the way to the container takes, beside the call itself.
const OVERHEAD: Duration = Duration::from_secs(10);

impl MeshProbe {
    /// Makes the calls. Whatever keeps them from being made, but a wrong configuration, is a result as well.
    pub(super) async fn probe(&self, cx: &Cx<'_, World>) -> Result<Probed, Error> {
        let place = format!("cluster {}: {}:", self.cluster, self.target);
        let outcome = match &self.from {
            From::Existing { labels, container, .. } => match self.find(labels, container.as_deref(), cx.cluster(&self.cluster)).await {
                Ok(caller) => Ok(self.all_from(caller, cx).await),
                Err(hindrance) => Err(hindrance),
            },
            From::Created { image, account, .. } => {
                Box::pin(self.with_created(image, account, cx, async |caller| self.all_from(caller, cx).await)).await
            }
        };
        let (seen, fix) = match outcome {
            Ok(probed) => return Ok(Probed { place, ..probed }),
            Err(Hindrance::Wrong(error)) => return Err(error),
            Err(Hindrance::Seen { seen, fix }) => (seen, fix),
        };
        let usual = Explanation::usual(Reason::NotTried);
        let fix = if fix.is_empty() { usual.fix.clone() } else { fix };
        Ok(Probed {
            place,
            calls: vec![Attempt::none(Reason::NotTried, seen)],
            explanation: Explanation { fix, ..usual },
            ..Probed::default()
        })
    }

    async fn all_from(&self, caller: Caller, cx: &Cx<'_, World>) -> Probed {
        let namespace = self.from.namespace();
        let cluster = cx.cluster(&self.cluster);
        let mut calls = self.calls(&caller, cx).await;
        if calls.is_empty() {
            calls.push(Attempt::none(Reason::NotTried, "No call could be made in the time given.".to_owned()));
        }
        // Without the permission the identities are left out.
        let entries = cluster.shared().list(Kind::SERVICE_ENTRY, None, &labels::managed_selector()).await.unwrap_or_default();
        let mut probed = Probed {
            pod: Some(format!("{namespace}/{}", caller.pod)),
            identities: probe::identities(&entries, &self.target.host).into_iter().collect(),
            calls,
            ..Probed::default()
        };
        if let Some(failed) = probed.worst().filter(|call| !call.is_ok()).map(|call| call.reason) {
            let account = format!("{namespace}/{}", caller.service_account);
            let inventory = self.inventory(failed, cx).await;
            probed.explanation = probe::explain(failed, &self.target, &self.cluster, &account, &inventory);
        }
        probed
    }

    /// Reads what may explain a failure. Clusters that can't be read explain nothing.
    async fn inventory(&self, failed: Reason, cx: &Cx<'_, World>) -> Inventory {
        if matches!(failed, Reason::Application | Reason::NotTried) {
            return Inventory { clusters: std::collections::BTreeMap::new(), at: cx.world.clock.now() };
        }
        Box::pin(inventory(&cx.world.clusters.reachable(), cx)).await
    }

    async fn calls(&self, caller: &Caller, cx: &Cx<'_, World>) -> Vec<Attempt> {
        let mut missing = Vec::new();
        for client in Client::ALL.into_iter().filter(|client| client.can_call(&self.target)) {
            match self.calls_of(client, caller, cx).await {
                Some(calls) => return calls,
                None => missing.push(client.program()),
            }
        }
        let container = format!("Container {} of pod {}/{}", caller.container, self.from.namespace(), caller.pod);
        vec![Attempt::none(Reason::NotTried, format!("{container} has no {}.", missing.join(" and no ")))]
    }

    /// Makes all calls with one client; `None` if the container lacks it.
    async fn calls_of(&self, client: Client, caller: &Caller, cx: &Cx<'_, World>) -> Option<Vec<Attempt>> {
        let command = Command {
            namespace: self.from.namespace().to_string(),
            pod: caller.pod.clone(),
            container: caller.container.clone(),
            arguments: client.arguments(&self.target, self.timeout),
            most: MOST,
        };
        let mut calls = Vec::new();
        let mut counted = self.counted(caller, cx).await;
        for _ in 0..self.requests {
            let deadline = cx.deadline.part(self.timeout + OVERHEAD);
            let printed = match cx.cluster(&self.cluster).within(&deadline).run(&command).await {
                Ok(printed) if probe::is_missing(&printed) => return None,
                Ok(printed) => printed,
                Err(failure) => {
                    let seen = format!("{}. {} {}", failure.summary.trim_end_matches('.'), failure.why, failure.advice);
                    calls.push(Attempt::none(Reason::NotTried, seen.trim().to_owned()));
                    break;
                }
            };
            let mut call = Attempt::of(client, &self.target, &printed);
            if let Some(before) = counted.take() {
                let after = self.counted_since(&before, &call, caller, cx).await;
                call.answerer = after.as_ref().map(|after| after.answerer(&before, &self.target, call.status)).unwrap_or_default();
                counted = after;
            }
            calls.push(call);
        }
        Some(calls)
    }

    /// What the caller's sidecar has counted so far; `None` if it doesn't say.
    async fn counted(&self, caller: &Caller, cx: &Cx<'_, World>) -> Option<Counters> {
        let command = Command {
            namespace: self.from.namespace().to_string(),
            pod: caller.pod.clone(),
            container: probe::COUNTING.to_owned(),
            arguments: probe::counters_command(),
            most: MOST_COUNTED,
        };
        let deadline = cx.deadline.part(OVERHEAD);
        let printed = cx.cluster(&self.cluster).within(&deadline).run(&command).await.ok()?;
        (printed.end == CommandEnd::Exited(0)).then(|| Counters::read(&String::from_utf8_lossy(&printed.output)))
    }

    /// What the sidecar has counted after a call. It counts a call when that has ended for itself, a moment after the client's end.
    async fn counted_since(&self, before: &Counters, call: &Attempt, caller: &Caller, cx: &Cx<'_, World>) -> Option<Counters> {
        let mut after = self.counted(caller, cx).await?;
        for _ in 0..LOOKS {
            if after.has_counted(before, &self.target, call.status) || call.reason.answered_by().is_none() {
                break;
            }
            cx.deadline.pause(PAUSE).await.ok()?;
            after = self.counted(caller, cx).await?;
        }
        Some(after)
    }
}
