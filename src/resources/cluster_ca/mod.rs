//! `mesh_cluster_ca`: one cluster's intermediate CA. Owns the Secret `cacerts`, which istiod signs workload certificates with.

mod import;
pub(super) mod model;
mod root;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value as Json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

pub use model::ClusterCaModel;
use root::{RootSource, check_root, parse_root};

use super::authority::{parse_days, parse_subject, read_root};
use crate::world::{ClusterAccess, World, namespace};
use crate::{
    data::{CaBundle, CaSubject, CaUse, Certificate, CertificateFacts, KeyAlgorithm, Kind, NewIntermediate, ObjectRef, Secret},
    mesh::{ClusterKey, Namespace, labels, trust},
};
use framework::{
    AttributePath, Cx, DefaultTimeouts, Error, Observed, Parse, Parsed, Plan, Prior, Reached, Report, Resource, Timeouts, Value,
};

/// The intermediate CA to be.
pub struct ClusterCa {
    cluster: ClusterKey,
    namespace: Namespace,
    root: RootSource,
    common_name: String,
    organization: String,
    validity: Duration,
    renew_before: Duration,
}

/// The intermediate CA that is.
pub struct ClusterCaStatus {
    certificate: String,
    facts: CertificateFacts,
    root_fingerprint: String,
    drift: Vec<String>,
}

impl ClusterCa {
    fn secret(&self) -> ObjectRef {
        ObjectRef::namespaced(Kind::SECRET, self.namespace.as_str(), trust::CACERTS)
    }

    fn id(&self) -> String {
        format!("{}/{}", self.cluster, self.namespace)
    }

    /// The root with its key.
    async fn load_root(&self, cx: &Cx<'_, World>) -> Result<Certificate, Error> {
        match &self.root {
            RootSource::Resource { cluster, secret, .. } => read_root(cx.cluster(cluster), secret).await?.ok_or_else(|| {
                Error::new(
                    "No root CA",
                    format!("Cluster \"{cluster}\" has no {secret} to sign with. It was removed since the plan; the next apply makes a new mesh_root_ca."),
                )
                .at(AttributePath::new("root_ca"))
            }),
            RootSource::Own { certificate, key: Some(key), .. } => {
                let mut report = Report::new();
                check_root(cx.world, certificate, Some(key), &mut report);
                report.into_result()?;
                Ok(Certificate { certificate: certificate.clone(), key: key.clone() })
            }
            RootSource::Own { key: None, .. } => Err(Error::new(
                "No key of the root",
                "A new intermediate must be signed, and `root_private_key_wo` is not set. Set it, also when it was set before: its value \
                 is not kept anywhere.",
            )
            .at(AttributePath::new("root_private_key_wo"))),
        }
    }

    /// Why the intermediate in place will not do; none when it does.
    fn reason_to_issue(&self, live: &CaBundle, prior: &Prior<Self>, cx: &Cx<'_, World>) -> Result<Option<&'static str>, Error> {
        let authority = &cx.world.authority;
        let facts = authority.inspect(&live.certificate)?;
        let found_roots = fingerprints(&live.roots, cx)?;
        let has_wanted_roots = match &self.root {
            RootSource::Resource { fingerprint, .. } => found_roots.first() == Some(fingerprint),
            RootSource::Own { certificate, .. } => found_roots == fingerprints(certificate, cx)?,
        };
        Ok(if !has_wanted_roots {
            Some("another root")
        } else if prior.in_place().next().is_none()
            || prior.in_place().any(|prior| prior.validity != self.validity || prior.subject() != self.subject())
        {
            Some("another validity or subject")
        } else if prior.in_place().any(|prior| {
            matches!((&self.root, &prior.root), (RootSource::Own { version: new, .. }, RootSource::Own { version: old, .. }) if new != old)
        }) {
            Some("another key")
        } else if is_due(&facts, self.renew_before, cx.world.clock.now()) {
            Some("it expires soon")
        } else {
            None
        })
    }

    fn subject(&self) -> (&str, &str) {
        (&self.common_name, &self.organization)
    }

    fn status(bundle: &CaBundle, drift: Vec<String>, cx: &Cx<'_, World>) -> Result<ClusterCaStatus, Error> {
        Ok(ClusterCaStatus {
            facts: cx.world.authority.inspect(&bundle.certificate)?,
            root_fingerprint: cx.world.authority.inspect(&bundle.roots)?.fingerprint,
            certificate: bundle.certificate.clone(),
            drift,
        })
    }

    /// What is wrong with the Secret in place, whoever wrote it.
    fn drift(&self, live: &Json, bundle: &CaBundle, cx: &Cx<'_, World>) -> Vec<String> {
        let mut drift = Vec::new();
        if !labels::is_ours(live) {
            drift.push("Secret cacerts: its label says that this provider doesn't manage it".to_owned());
        }
        if let Err(flaw) = cx.world.authority.verify(bundle, &self.purpose(cx)) {
            drift.push(format!("Secret cacerts: {}: {flaw}", trust::key_of(live, flaw.part)));
        }
        drift
    }

    fn purpose(&self, cx: &Cx<'_, World>) -> CaUse {
        CaUse { at: cx.world.clock.now(), namespace: Some(self.namespace.to_string()), trust_domain: None }
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
        let root = parse_root(model, parse);
        let common_name = parse.optional("common_name", &model.common_name, |text| parse_subject(text));
        let organization = parse.required("organization", &model.organization, |text| parse_subject(text));
        let validity = parse.required("validity_days", &model.validity_days, |days| parse_days(*days));
        let renew_before = parse.required("renew_before_days", &model.renew_before_days, |days| parse_days(*days));
        if let (Some(validity), Some(renew_before)) = (validity, renew_before)
            && renew_before >= validity
        {
            parse.violation(
                parse.path("renew_before_days"),
                &"The intermediate would be renewed at every apply: `renew_before_days` must be less than `validity_days`.",
            );
        }
        let cluster = cluster?;
        Some(Self {
            common_name: common_name?.unwrap_or_else(|| default_common_name(&cluster)),
            cluster,
            namespace: namespace?,
            root: root?,
            organization: organization?,
            validity: validity?,
            renew_before: renew_before?,
        })
    }

    fn plan(plan: &mut Plan<'_, ClusterCaModel, World>, spec: &Parsed<Self>) {
        if let Parsed::Ready(spec) = spec {
            crate::world::check_cluster(plan.world, &spec.cluster, AttributePath::new("cluster"), plan.report);
        }
        if let (Some(world), Value::Value(certificate)) = (plan.world, &plan.config.root_certificate) {
            let key = plan.config.root_private_key_wo.as_ref_option().map(Secret::new);
            check_root(world, certificate, key.as_ref(), plan.report);
        }
        let root_fingerprint = planned_root_fingerprint(&plan.planned, plan.world);
        if let Some(fingerprint) = &root_fingerprint {
            plan.planned.root_fingerprint = Value::Value(fingerprint.clone());
        }
        let Some(prior) = &plan.prior else { return };
        let has_other_root = root_fingerprint.is_some_and(|fingerprint| prior.root_fingerprint != Value::Value(fingerprint));
        let expires = match (plan.world, &prior.certificate, spec) {
            (Some(world), Value::Value(certificate), Parsed::Ready(spec)) => {
                world.authority.inspect(certificate).is_ok_and(|facts| is_due(&facts, spec.renew_before, world.clock.now()))
            }
            _ => false,
        };
        if expires || has_other_root {
            plan.planned.certificate = Value::Unknown;
            plan.planned.fingerprint = Value::Unknown;
            plan.planned.expires_at = Value::Unknown;
        }
    }

    async fn apply(spec: &Self, prior: &Prior<Self>, reached: &mut Reached<ClusterCaStatus>, cx: &Cx<'_, World>) -> Result<(), Error> {
        let (cluster, secret) = (cx.cluster(&spec.cluster), spec.secret());
        let live = cluster.get(&secret).await?;
        if prior.is_none() && live.is_some() {
            return Err(crate::world::not_ours(&spec.cluster, &secret.to_string(), &format!("mesh_cluster_ca.<name> {}", spec.id())));
        }
        // A bundle that can't be read, or that doesn't hang together, is replaced.
        let usable = match live.as_ref().map(|live| (live, trust::read_cacerts(live))) {
            Some((live, Ok(bundle))) if spec.drift(live, &bundle, cx).is_empty() => {
                spec.reason_to_issue(&bundle, prior, cx)?.is_none().then_some(bundle)
            }
            _ => None,
        };
        let bundle = if let Some(bundle) = usable {
            bundle
        } else {
            let root = spec.load_root(cx).await?;
            let (common_name, organization) = (spec.common_name.clone(), spec.organization.clone());
            let subject = CaSubject { common_name, organization, algorithm: KeyAlgorithm::default() };
            let issued = cx.world.authority.issue_intermediate(&root, &NewIntermediate { subject, validity: spec.validity })?;
            trust::bundle(&issued, "", &root.certificate)
        };
        namespace::ensure(cluster, &spec.namespace).await?;
        cluster.apply(&trust::cacerts_secret(&spec.namespace, &bundle)).await?;
        reached.set(Self::status(&bundle, Vec::new(), cx)?);
        Ok(())
    }

    async fn read(spec: &Self, cx: &Cx<'_, World>) -> Result<Observed<ClusterCaStatus>, Error> {
        if !cx.world.clusters.is_known(&spec.cluster) {
            return Ok(Observed::Deferred);
        }
        let live = cx.cluster(&spec.cluster).get(&spec.secret()).await?;
        let Some(live) = live else { return Ok(Observed::Gone) };
        match trust::read_cacerts(&live) {
            Ok(bundle) => Ok(Observed::Found(Self::status(&bundle, spec.drift(&live, &bundle, cx), cx)?)),
            Err(problem) => Err(Error::new(
                "Damaged cluster CA",
                format!(
                    "{} of cluster \"{}\" can't be read: {problem} Remove it, and the next apply issues a new one.",
                    spec.secret(),
                    spec.cluster
                ),
            )),
        }
    }

    async fn delete(spec: &Self, cx: &Cx<'_, World>) -> Result<(), Error> {
        let cluster = cx.cluster(&spec.cluster);
        cluster.delete(&spec.secret()).await?;
        namespace::release(cluster, &spec.namespace).await.map_err(Error::from)
    }

    async fn import(id: &str, cx: &Cx<'_, World>) -> Result<ClusterCaModel, Error> {
        import::import(id, cx).await
    }

    fn record(status: &ClusterCaStatus, model: &mut ClusterCaModel) {
        model.certificate = Value::Value(status.certificate.clone());
        model.fingerprint = Value::Value(status.facts.fingerprint.clone());
        model.root_fingerprint = Value::Value(status.root_fingerprint.clone());
        model.expires_at = status.facts.not_after.format(&Rfc3339).map_or(Value::Null, Value::Value);
        model.drift = crate::world::strings(&status.drift);
    }
}

/// The common name of a certificate whose `common_name` isn't set.
fn default_common_name(cluster: &ClusterKey) -> String {
    format!("Istio CA of {cluster}")
}

/// The fingerprint of the root that will sign, as far as the plan knows it.
fn planned_root_fingerprint(planned: &ClusterCaModel, world: Option<&World>) -> Option<String> {
    match (&planned.root_ca, &planned.root_certificate) {
        (Value::Value(root), _) => root.fingerprint.as_ref_option().cloned(),
        (_, Value::Value(certificate)) => world?.authority.inspect(certificate).ok().map(|facts| facts.fingerprint),
        _ => None,
    }
}

/// The fingerprints of all certificates of a PEM string.
fn fingerprints(certificates: &str, cx: &Cx<'_, World>) -> Result<Vec<String>, Error> {
    Ok(cx.world.authority.inspect_all(certificates)?.into_iter().map(|facts| facts.fingerprint).collect())
}

/// Whether it is time to renew. In the last third of a certificate's life at the earliest: where the root's own end cuts lives short, a
/// renewal at every apply would gain nothing.
fn is_due(facts: &CertificateFacts, renew_before: Duration, now: OffsetDateTime) -> bool {
    let third: time::Duration = (facts.not_after - facts.not_before) / 3;
    facts.not_after - third.min(time::Duration::try_from(renew_before).unwrap_or(third)) <= now
}
