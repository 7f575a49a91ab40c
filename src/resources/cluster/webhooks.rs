//! Waiting for istiod's webhooks: an available Deployment doesn't mean that they serve.

use std::time::Duration;

use serde_json::Value as Json;

use super::Cluster;
use crate::{
    data::{Kind, ObjectRef},
    ports::{Failure, FailureKind},
    world::{LiveCluster, World},
};
use framework::{Cx, Error};

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
        let probe = self.plane.invalid_probe();
        loop {
            match cluster.dry_run(&probe).await {
                Err(refused) if is_refused_by_istiod(&refused) => return Ok(()),
                Err(refused) if refused.kind == FailureKind::Rejected && self.is_validator_enabled(cluster).await? => return Ok(()),
                Ok(()) => {}
                Err(failure) if matches!(failure.kind, FailureKind::NotReady | FailureKind::Rejected) => {}
                Err(failure) => return Err(failure),
            }
            let what = "waiting for istiod's validation webhook to serve";
            let pause = cx.deadline.pause(Duration::from_millis(200)).await;
            pause.map_err(|cut| Failure::cut(cut, "istiod's webhook doesn't serve", what))?;
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
