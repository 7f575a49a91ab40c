//! `mesh_cluster_ca`: one cluster's intermediate CA. Owns the Secret `cacerts`, which istiod signs workload certificates with.

mod import;
mod issue;
mod jump;
mod live;
pub(super) mod model;
mod plan;
mod request;
mod root;
mod roots;
mod source;
#[cfg(test)]
mod stage_tests;
mod stages;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value as Json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

pub use model::ClusterCaModel;
use roots::{fingerprints, further};
use source::{Source, parse_source};

use super::authority::parse_days;
use crate::world::{ClusterAccess, Creation, World, marked, namespace};
use crate::{
    data::{CaBundle, CertificateFacts, Kind, ObjectRef},
    mesh::{ClusterKey, Namespace, rotation::TrustRecord, trust},
};
use framework::{AttributePath, Cx, DefaultTimeouts, Error, Observed, Parse, Parsed, Plan, Prior, Reached, Resource, Timeouts, Value};

/// The default of `renew_before_days`.
const RENEW_BEFORE_DAYS: i64 = 60;

/// How many days before the end of a certificate a plan warns, unless the configuration says so.
const WARN_BEFORE_DAYS: i64 = 90;

/// The CA to be.
pub struct ClusterCa {
    cluster: ClusterKey,
    namespace: Namespace,
    source: Source,
    /// Further roots, PEM.
    trusted: Vec<String>,
    force_root_change: bool,
    warn_before: Duration,
}

/// The CA in place. A Secret that can't be read has only drift.
pub struct ClusterCaStatus {
    certificate: Option<(String, CertificateFacts)>,
    root_fingerprint: Option<String>,
    further_roots: Vec<String>,
    drift: Vec<String>,
}

impl ClusterCa {
    fn secret(&self) -> ObjectRef {
        ObjectRef::namespaced(Kind::SECRET, self.namespace.as_str(), trust::CACERTS)
    }

    fn id(&self) -> String {
        format!("{}/{}", self.cluster, self.namespace)
    }

    fn status(&self, bundle: Option<&CaBundle>, drift: Vec<String>, cx: &Cx<'_, World>) -> ClusterCaStatus {
        let inspect = |text: &str| cx.world.authority.inspect(text).ok();
        ClusterCaStatus {
            certificate: bundle.and_then(|bundle| Some((bundle.certificate.clone(), inspect(&bundle.certificate)?))),
            // Another root than the wanted one is drift, and must not pass for the mesh's.
            root_fingerprint: match self.first_root(cx.world) {
                Some(wanted) => Some(wanted),
                None => bundle.and_then(|bundle| inspect(&bundle.roots)).map(|facts| facts.fingerprint),
            },
            further_roots: match (self.all_roots(cx.world), bundle) {
                (Some(wanted), _) => further(wanted),
                (None, Some(bundle)) => further(fingerprints(&bundle.roots, cx.world)),
                (None, None) => Vec::new(),
            },
            drift,
        }
    }

    /// Why a CA that verifies can't stay; `None` if it can.
    fn reason_to_replace(&self, live: &Json, bundle: &CaBundle, prior: &Prior<Self>, cx: &Cx<'_, World>) -> Option<&'static str> {
        let Source::Issued(issued) = &self.source else { return None };
        let facts = cx.world.authority.inspect(&bundle.certificate).ok()?;
        if is_due(&facts, issued.renew_before, cx.world.clock.now()) {
            return Some("it expires soon");
        }
        // What it was issued for is recorded with it; that of an imported CA, or of an older release, is in the state.
        let wanted = self.record(cx.world);
        let found = match trust::ca_record(live) {
            Some(record) => vec![record],
            None => prior.in_place().map(|prior| prior.record(cx.world)).collect(),
        };
        // A version that is set for the first time, as after an import, says nothing of another key.
        let is_wanted = |found: &Json| {
            let mut found = found.clone();
            if found["version"].is_null() {
                found["version"] = wanted["version"].clone();
            }
            found == wanted
        };
        (found.is_empty() || !found.iter().all(is_wanted)).then_some("it was issued for another request")
    }

    /// What is left without the Secret.
    async fn remains(&self, cx: &Cx<'_, World>) -> Result<Observed<ClusterCaStatus>, Error> {
        if matches!(self.source, Source::External { .. }) {
            return Ok(Observed::Gone);
        }
        let remains = namespace::remains(cx.cluster(&self.cluster), &self.namespace).await?;
        Ok(remains.map_or(Observed::Gone, |line| Observed::Found(self.status(None, vec![line], cx))))
    }

    /// Verifies a CA that something else writes.
    fn check_external(&self, live: Option<&Json>, cx: &Cx<'_, World>) -> Result<ClusterCaStatus, Error> {
        let (cluster, secret) = (&self.cluster, self.secret());
        let error = |problem: &str| {
            Error::new(
                "Unusable external CA",
                format!(
                    "{secret} of cluster \"{cluster}\" is written by something else (`external` is true), and istiod can't use it: {problem} \
                     Nothing was changed. Correct it where it is written."
                ),
            )
            .at(AttributePath::new("external"))
        };
        let live = self.compare(live.ok_or_else(|| error("it doesn't exist."))?, cx);
        match live.drift().as_slice() {
            [] => Ok(self.status(live.bundle.as_ref(), Vec::new(), cx)),
            problems => Err(error(&format!("\n  - {}\n", problems.join("\n  - ")))),
        }
    }
}

#[async_trait]
impl Resource for ClusterCa {
    type World = World;
    type Model = ClusterCaModel;
    type Spec = Self;
    type Status = ClusterCaStatus;

    const NAME: &'static str = "mesh_cluster_ca";
    const TIMEOUTS: DefaultTimeouts =
        DefaultTimeouts { apply: Duration::from_secs(120), read: Duration::from_secs(60), delete: Duration::from_secs(300) };
    const IDENTITY: &'static [&'static str] = &["cluster", "namespace"];

    fn timeouts(model: &ClusterCaModel) -> &Value<Timeouts> {
        &model.timeouts
    }

    fn parse(model: &ClusterCaModel, parse: &mut Parse<'_>) -> Option<Self> {
        let cluster = parse.required("cluster", &model.cluster, |key| ClusterKey::parse(key));
        let namespace = parse.required("namespace", &model.namespace, |name| Namespace::parse(name));
        let source = parse_source(cluster.as_ref(), model, parse);
        let warn_before = parse.optional("warn_before_days", &model.warn_before_days, |days| parse_days(*days));
        let warn_before = warn_before?.map_or_else(|| parse_days(WARN_BEFORE_DAYS).ok(), Some);
        let trusted = parse.each("trusted_roots", &model.trusted_roots, |pem| Ok::<_, String>(pem.clone()));
        let force = parse.optional("force_root_change", &model.force_root_change, |on| Ok::<_, String>(*on));
        Some(Self {
            cluster: cluster?,
            namespace: namespace?,
            source: source?,
            trusted: trusted?,
            force_root_change: force?.unwrap_or_default(),
            warn_before: warn_before?,
        })
    }

    fn plan(plan: &mut Plan<'_, ClusterCaModel, World>, spec: &Parsed<Self>) {
        if let Parsed::Ready(spec) = spec {
            crate::world::check_cluster(plan.world, &spec.cluster, AttributePath::new("cluster"), plan.report);
        }
        plan::check(plan, spec);
        // A certificate that is renewed is unknown in the plan.
        if let (Some(world), Parsed::Ready(spec), Some(prior)) = (plan.world, spec, &plan.prior)
            && plan.planned.certificate != prior.certificate
        {
            world.planned.renew_ca(spec.cluster.as_str(), spec.namespace.as_str());
        }
    }

    fn plan_destroy(destruction: &mut framework::Destruction<'_, ClusterCaModel, World>) {
        crate::world::check_destroyable(destruction.world, &destruction.prior.cluster, destruction.report);
    }

    async fn apply(spec: &Self, prior: &Prior<Self>, reached: &mut Reached<ClusterCaStatus>, cx: &Cx<'_, World>) -> Result<(), Error> {
        let (cluster, secret) = (cx.cluster(&spec.cluster), spec.secret());
        if matches!(spec.source, Source::External { .. }) {
            reached.set(spec.check_external(cluster.get(&secret).await?.as_ref(), cx)?);
            return Ok(());
        }
        let import = || format!("mesh_cluster_ca.<name> {}", spec.id());
        let found = if prior.is_none() { cluster.left(&secret, import).await? } else { cluster.get(&secret).await? };
        let creation = Creation::begin(&spec.cluster, prior, cx).await;
        let live = found.as_ref().map(|found| spec.compare(found, cx));
        if let Some(writer) = found.as_ref().and_then(trust::writer_of) {
            return Err(Error::new(
                "Something else writes the CA",
                format!(
                    "{secret} of cluster \"{}\" is written by {writer}, and istiod would go on with what that writes. Set `external = true` to have \
                     it verified only, or remove {writer}'s object and the Secret.",
                    spec.cluster
                ),
            ));
        }
        let in_place = live.as_ref().and_then(|live| live.bundle.clone());
        let reusable = match (&found, live.and_then(live::Live::tidied)) {
            (Some(found), Some(bundle)) => spec.reason_to_replace(found, &bundle, prior, cx).is_none().then_some(bundle),
            _ => None,
        };
        let bundle = match (reusable, &spec.source) {
            (Some(bundle), Source::Issued(_)) => bundle,
            _ => spec.make(in_place.as_ref(), cx).await?,
        };
        let trust = match (&found, &in_place) {
            (Some(found), Some(before)) => spec.check_stage(found, before, &bundle, prior, cx).await?,
            _ => TrustRecord::default(),
        };
        let status = spec.status(Some(&bundle), Vec::new(), cx);
        namespace::ensure_for(cluster, &spec.namespace, found.is_none(), reached, status).await?;
        let manifest = trust::cacerts_secret(&spec.namespace, &bundle, &spec.record(cx.world), &trust);
        cluster.put_first(&marked(manifest, creation.as_ref()), found.is_none(), reached, import).await?;
        if creation.is_some() {
            cluster.unmark(&secret).await?;
        }
        Ok(())
    }

    async fn read(spec: &Self, cx: &Cx<'_, World>) -> Result<Observed<ClusterCaStatus>, Error> {
        if !cx.world.clusters.is_known(&spec.cluster) {
            return Ok(Observed::Deferred);
        }
        if cx.cluster(&spec.cluster).is_lost().await {
            return Ok(Observed::Unseen);
        }
        let Some(found) = cx.cluster(&spec.cluster).get(&spec.secret()).await? else { return spec.remains(cx).await };
        let live = spec.compare(&found, cx);
        Ok(Observed::Found(spec.status(live.bundle.as_ref(), live.drift(), cx)))
    }

    async fn delete(spec: &Self, cx: &Cx<'_, World>) -> Result<(), Error> {
        if matches!(spec.source, Source::External { .. }) {
            return Ok(());
        }
        let cluster = cx.cluster(&spec.cluster);
        if cluster.leaves_behind(&format!("{} and, if it is empty without it, its namespace", spec.secret())).await {
            return Ok(());
        }
        cluster.delete(&spec.secret()).await?;
        namespace::release(cluster, &spec.namespace).await.map_err(Error::from)
    }

    async fn import(id: &str, cx: &Cx<'_, World>) -> Result<ClusterCaModel, Error> {
        import::import(id, cx).await
    }

    fn record(status: &ClusterCaStatus, model: &mut ClusterCaModel) {
        // Of a Secret that can't be read the last known CA stays.
        if let Some((certificate, facts)) = &status.certificate {
            model.certificate = Value::Value(certificate.clone());
            model.fingerprint = Value::Value(facts.fingerprint.clone());
            model.expires_at = facts.not_after.format(&Rfc3339).map_or(Value::Null, Value::Value);
        }
        if let Some(fingerprint) = &status.root_fingerprint {
            model.root_fingerprint = Value::Value(fingerprint.clone());
        }
        model.trusted_fingerprints =
            if status.further_roots.is_empty() { Value::Null } else { crate::world::strings(&status.further_roots) };
        model.drift = crate::world::strings(&status.drift);
    }
}

/// Whether it is time to renew. In the last third of a certificate's life at the earliest: where the root's own end cuts lives short, a
/// renewal at every apply would gain nothing.
fn is_due(facts: &CertificateFacts, renew_before: Duration, now: OffsetDateTime) -> bool {
    let third: time::Duration = (facts.not_after - facts.not_before) / 3;
    facts.not_after - third.min(time::Duration::try_from(renew_before).unwrap_or(third)) <= now
}
