//! Waiting for istiod's webhooks: an available Deployment doesn't mean that they serve.

use std::time::Duration;

use serde_json::Value as Json;

use super::Cluster;
use crate::{
    data::{Kind, ObjectRef},
    ports::{Failure, FailureKind, Waiting},
    world::{LiveCluster, World},
};
use framework::{Cx, Error};

/// How often the validation webhook is tried.
const PAUSE: Duration = Duration::from_millis(200);

/// What may be on the way from an API server to istiod.
const ON_THE_WAY: &str = "The API server must reach istiod's webhook: port 15017 of its pods, which is port 443 of the Service istiod. Where the control \
                          plane has a network of its own, allow TCP 15017 from there to the nodes and pods: by a firewall rule for a private cluster of \
                          GKE, by the nodes' security group for EKS. If it only needs longer, raise the operation's time in `timeouts`.";

/// What a try of the validation webhook has shown.
enum Verdict {
    Serves,
    /// It doesn't, or that can't be told: what was seen instead.
    Not(String),
}

impl Cluster {
    /// Waits until istiod injects sidecars and validates configuration.
    pub(super) async fn wait_for_webhooks(&self, cx: &Cx<'_, World>) -> Result<(), Error> {
        let cluster = self.on(cx);
        let outcome = async {
            self.wait_for_injection(&self.plane.injector_webhook(), cx).await?;
            self.wait_for_validation(cluster, cx).await
        };
        match outcome.await {
            Ok(()) => Ok(()),
            Err(failure) => Err(self.with_evidence(failure, cx).await),
        }
    }

    /// Waits until an istiod has its certificate in the webhook by which it injects sidecars.
    pub(super) async fn wait_for_injection(&self, webhook: &str, cx: &Cx<'_, World>) -> Result<(), Failure> {
        let injector = ObjectRef::cluster_wide(Kind::MUTATING_WEBHOOK, webhook);
        let has_bundle = |live: Option<&Json>| {
            let webhooks = live.and_then(|live| live["webhooks"].as_array());
            webhooks.is_some_and(|webhooks| {
                webhooks.iter().all(|webhook| webhook["clientConfig"]["caBundle"].as_str().is_some_and(|bundle| !bundle.is_empty()))
            })
        };
        self.on(cx).wait(&injector, "istiod to put its certificate into the injection webhook", &has_bundle).await.map(|_| ())
    }

    /// Offers an invalid configuration as a dry run until it is istiod that rejects it. Where another webhook or policy rejects it first,
    /// the webhook's own state decides.
    async fn wait_for_validation(&self, cluster: LiveCluster<'_>, cx: &Cx<'_, World>) -> Result<(), Failure> {
        if !self.plane.validates() {
            return Ok(());
        }
        let (mut waiting, mut seen) = (Waiting::until(&cx.deadline), None);
        loop {
            match waiting.outlast(self.try_validation(cluster).await)? {
                Some(Verdict::Serves) => return Ok(()),
                Some(Verdict::Not(line)) => seen = Some(line),
                None => {}
            }
            let what = "waiting for istiod's validation webhook to serve";
            if let Err(failure) = waiting.pause(PAUSE, "istiod's webhook doesn't serve", what).await {
                let failure = failure.seen(seen);
                return Err(if failure.kind == FailureKind::TimedOut { failure.advice(ON_THE_WAY) } else { failure });
            }
        }
    }

    async fn try_validation(&self, cluster: LiveCluster<'_>) -> Result<Verdict, Failure> {
        match cluster.dry_run(&self.plane.invalid_probe()).await {
            Ok(()) => Ok(Verdict::Not(
                "The API server accepted an invalid Gateway in a dry run without asking istiod. istiod has it ask once the webhook has answered \
                 istiod's own try."
                    .to_owned(),
            )),
            Err(refused) if is_refused_by_istiod(&refused) => Ok(Verdict::Serves),
            Err(refused) if refused.kind == FailureKind::Rejected => Ok(if self.is_validator_enabled(cluster).await? {
                Verdict::Serves
            } else {
                let raw = refused.raw.unwrap_or(refused.why);
                Verdict::Not(format!("Something else than istiod refused an invalid Gateway in a dry run: {raw}"))
            }),
            Err(failure) => Err(failure),
        }
    }

    /// Whether istiod has enabled its validation webhook: it sets the certificate, and then the policy `Fail`, when it serves.
    async fn is_validator_enabled(&self, cluster: LiveCluster<'_>) -> Result<bool, Failure> {
        let validator = ObjectRef::cluster_wide(Kind::VALIDATING_WEBHOOK, self.plane.validator_webhook());
        let live = cluster.get(&validator).await?.unwrap_or_default();
        let webhooks = live["webhooks"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_enabled = |webhook: &Json| {
            webhook["failurePolicy"] == "Fail" && webhook["clientConfig"]["caBundle"].as_str().is_some_and(|bundle| !bundle.is_empty())
        };
        Ok(!webhooks.is_empty() && webhooks.iter().all(is_enabled))
    }
}

/// Whether istiod's webhook rejected an object: `rev.validation.istio.io`, or `validation.istio.io` of the chart `base`.
fn is_refused_by_istiod(failure: &Failure) -> bool {
    failure.kind == FailureKind::Rejected && failure.raw.as_deref().is_some_and(|raw| raw.contains("validation.istio.io"))
}
