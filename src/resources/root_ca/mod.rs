//! `mesh_root_ca`: the mesh's root certificate authority. Owns one Secret in one cluster; its key is in no state or plan.

mod import;
mod model;
mod plan;
mod recovery;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value as Json, json};
use time::format_description::well_known::Rfc3339;

pub use model::RootCaModel;
use recovery::Found;

use super::authority::{LONGEST_VALIDITY, parse_days, parse_subject, read_root};
use crate::{
    data::{CaSubject, Certificate, CertificateFacts, KeyAlgorithm, Kind, ObjectRef, Secret},
    mesh::{ClusterKey, Namespace, ObjectName, trust},
    world::{ClusterAccess, Creation, World, marked, namespace},
};
use framework::{AttributePath, Cx, DefaultTimeouts, Error, Observed, Parse, Parsed, Plan, Prior, Reached, Resource, Timeouts, Value};

/// How many days before the root's end a plan warns, unless the configuration says so.
const WARN_BEFORE_DAYS: i64 = 365;

/// Where the root's Secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Location {
    cluster: ClusterKey,
    namespace: Namespace,
    name: ObjectName,
}

/// The root CA to be.
pub struct RootCa {
    location: Location,
    subject: CaSubject,
    validity: Duration,
    rotation: Option<i64>,
    existing: Option<Existing>,
    warn_before: Duration,
    /// The root that the state knows.
    known: Option<String>,
}

/// A root that exists already; the key is there only in an apply.
struct Existing {
    certificate: String,
    key: Option<Secret>,
}

/// The root CA in place.
pub struct RootCaStatus {
    root: InPlace,
    drift: Vec<String>,
}

enum InPlace {
    Root(String, Box<CertificateFacts>),
    /// The Secret is lost or damaged. The mesh still trusts the last known root.
    Lost,
    /// The Secret is gone, and nothing trusts its root.
    Gone,
}

impl Location {
    fn secret(&self) -> ObjectRef {
        ObjectRef::namespaced(Kind::SECRET, self.namespace.as_str(), self.name.as_str())
    }

    async fn remove(&self, cx: &Cx<'_, World>) -> Result<(), Error> {
        let cluster = cx.cluster(&self.cluster);
        if cluster.leaves_behind(&format!("{} and, if it is empty without it, its namespace", self.secret())).await {
            return Ok(());
        }
        cluster.delete(&self.secret()).await?;
        namespace::release(cluster, &self.namespace).await.map_err(Error::from)
    }
}

impl RootCa {
    fn status(root: &Certificate, cx: &Cx<'_, World>) -> Result<RootCaStatus, Error> {
        let facts = cx.world.authority.inspect(&root.certificate)?;
        Ok(RootCaStatus { root: InPlace::Root(root.certificate.clone(), Box::new(facts)), drift: Vec::new() })
    }

    /// What the Secret's annotation records: the request that the root was made for.
    fn record(&self) -> Json {
        json!({
            "common_name": self.subject.common_name, "organization": self.subject.organization, "validity_days": self.validity.as_secs() / 86_400,
            "rotation": self.rotation, "existing": self.existing.is_some(),
        })
    }

    fn create(&self, cx: &Cx<'_, World>) -> Result<Certificate, Error> {
        cx.world.authority.create_root(&self.subject, self.validity).map_err(Error::from)
    }

    /// The root that the configuration gives, with its key.
    fn given(existing: &Existing, cx: &Cx<'_, World>) -> Result<Certificate, Error> {
        let key = existing.key.as_ref().ok_or_else(plan::no_key)?;
        let authority = &cx.world.authority;
        let facts = authority.verify_root(&existing.certificate, Some(key), cx.world.clock.now()).map_err(plan::at_attribute)?;
        Ok(Certificate { certificate: facts.pem, key: authority.plain_key(key).map_err(plan::at_attribute)? })
    }

    /// The root of a new resource, and whether its Secret is new.
    async fn first(&self, cx: &Cx<'_, World>) -> Result<(Certificate, bool), Error> {
        let left = cx.cluster(&self.location.cluster).left(&self.location.secret(), || self.import_id()).await?;
        Ok((self.first_root(left.as_ref(), cx).await?, left.is_none()))
    }

    async fn first_root(&self, left: Option<&Json>, cx: &Cx<'_, World>) -> Result<Certificate, Error> {
        if let Some(existing) = &self.existing {
            return Self::given(existing, cx);
        }
        // Nothing refers to the root of a create that was interrupted, so one that was made for other inputs is replaced.
        if left.and_then(trust::ca_record) == Some(self.record())
            && let Found::Root(root) = self.location.find(None, cx).await?
        {
            return Ok(root);
        }
        self.create(cx)
    }

    /// The root of a resource that has one: the same, unless another is asked for. And whether its Secret is new.
    async fn next(&self, prior: &Prior<Self>, cx: &Cx<'_, World>) -> Result<(Certificate, bool), Error> {
        let known = prior.finished().and_then(|prior| prior.known.as_deref());
        let mut found = self.location.find(known, cx).await?;
        let old = self.old_locations(prior, cx);
        if !matches!(found, Found::Missing | Found::Root(_)) && prior.in_place().all(|prior| prior.location != self.location) {
            let (cluster, secret) = (&self.location.cluster, self.location.secret());
            return Err(crate::world::not_ours(cluster, &secret.to_string(), &self.import_id()));
        }
        let is_new = matches!(found, Found::Missing);
        for old in old {
            if matches!(found, Found::Missing) {
                found = old.find(known, cx).await?;
            }
        }
        let made_for = match self.rotation_in_place(cx).await? {
            Some(rotation) => rotation,
            None => prior.finished().map_or(self.rotation, |prior| prior.rotation),
        };
        let root = match (&self.existing, found) {
            (Some(existing), Found::Root(root))
                if existing.key.is_none() && Self::is_same(&existing.certificate, &root.certificate, cx) =>
            {
                Ok(root)
            }
            (Some(existing), _) => Self::given(existing, cx),
            (None, _) if made_for != self.rotation => self.create(cx),
            (None, Found::Root(root)) => Ok(root),
            // The create that failed has not come to the root, or nothing trusts the one that is gone.
            (None, Found::Missing) if known.is_none() => self.create(cx),
            (None, Found::Missing) => Err(self.lost("the Secret doesn't exist")),
            (None, Found::Wrong(problem)) => Err(self.lost(problem.trim_end_matches('.'))),
        };
        Ok((root?, is_new))
    }

    /// Where the root may be besides, in the clusters that are still configured: it moves from there.
    fn old_locations<'a>(&'a self, prior: &'a Prior<Self>, cx: &Cx<'_, World>) -> Vec<&'a Location> {
        let locations = prior.in_place().map(|prior| &prior.location);
        locations.filter(|old| **old != self.location && cx.world.clusters.is_known(&old.cluster)).collect()
    }

    /// The rotation that the root in place was made for; `None` if an older release made it, or something else.
    async fn rotation_in_place(&self, cx: &Cx<'_, World>) -> Result<Option<Option<i64>>, Error> {
        if !cx.world.clusters.is_known(&self.location.cluster) {
            return Ok(None);
        }
        let live = cx.cluster(&self.location.cluster).get(&self.location.secret()).await?;
        Ok(live.as_ref().and_then(trust::ca_record).map(|record| record["rotation"].as_i64()))
    }

    fn is_same(one: &str, other: &str, cx: &Cx<'_, World>) -> bool {
        let fingerprint = |text: &str| cx.world.authority.inspect(text).ok().map(|facts| facts.fingerprint);
        fingerprint(one).is_some() && fingerprint(one) == fingerprint(other)
    }

    fn import_id(&self) -> String {
        format!("mesh_root_ca.<name> {}", self.id())
    }

    fn id(&self) -> String {
        let Location { cluster, namespace, name } = &self.location;
        format!("{cluster}/{namespace}/{name}")
    }
}

#[async_trait]
impl Resource for RootCa {
    type World = World;
    type Model = RootCaModel;
    type Spec = Self;
    type Status = RootCaStatus;

    const NAME: &'static str = "mesh_root_ca";
    const TIMEOUTS: DefaultTimeouts =
        DefaultTimeouts { apply: Duration::from_secs(120), read: Duration::from_secs(60), delete: Duration::from_secs(300) };
    const IDENTITY: &'static [&'static str] = &["cluster", "namespace", "name"];

    fn timeouts(model: &RootCaModel) -> &Value<Timeouts> {
        &model.timeouts
    }

    fn parse(model: &RootCaModel, parse: &mut Parse<'_>) -> Option<Self> {
        let cluster = parse.required("cluster", &model.cluster, |key| ClusterKey::parse(key));
        let namespace = parse.required("namespace", &model.namespace, |name| Namespace::parse(name));
        let name = parse.required("name", &model.name, |name| ObjectName::parse(name));
        let common_name = parse.required("common_name", &model.common_name, |text| parse_subject(text));
        let organization = parse.required("organization", &model.organization, |text| parse_subject(text));
        let validity = parse.required_or("validity_days", &model.validity_days, |days| parse_days(*days), LONGEST_VALIDITY);
        let rotation = parse.optional("rotation", &model.rotation, |number| Ok::<_, String>(*number));
        let certificate = parse.optional("existing_certificate", &model.existing_certificate, |pem| Ok::<_, String>(pem.clone()));
        let key = parse.optional("existing_private_key_wo", &model.existing_private_key_wo, |pem| Ok::<_, String>(Secret::new(pem)));
        parse.optional("existing_private_key_wo_version", &model.existing_private_key_wo_version, |version| Ok::<_, String>(*version));
        let warn_before = parse.optional("warn_before_days", &model.warn_before_days, |days| parse_days(*days));
        let subject = CaSubject { common_name: common_name?, organization: organization?, algorithm: KeyAlgorithm::default() };
        let key = key?;
        Some(Self {
            location: Location { cluster: cluster?, namespace: namespace?, name: name? },
            subject,
            validity: validity?,
            rotation: rotation?,
            existing: certificate?.map(|certificate| Existing { certificate, key }),
            warn_before: warn_before?.map_or_else(|| parse_days(WARN_BEFORE_DAYS).ok(), Some)?,
            known: model.fingerprint.as_ref_option().cloned(),
        })
    }

    fn plan(plan: &mut Plan<'_, RootCaModel, World>, spec: &Parsed<Self>) {
        if let Parsed::Ready(spec) = spec {
            crate::world::check_cluster(plan.world, &spec.location.cluster, AttributePath::new("cluster"), plan.report);
        }
        plan::check(plan, spec);
    }

    fn plan_destroy(destruction: &mut framework::Destruction<'_, RootCaModel, World>) {
        crate::world::check_destroyable(destruction.world, &destruction.prior.cluster, destruction.report);
    }

    async fn apply(spec: &Self, prior: &Prior<Self>, reached: &mut Reached<RootCaStatus>, cx: &Cx<'_, World>) -> Result<(), Error> {
        let (root, is_new) = if prior.is_none() { spec.first(cx).await? } else { spec.next(prior, cx).await? };
        let creation = Creation::begin(&spec.location.cluster, prior, cx).await;
        let (cluster, Location { namespace, name, .. }) = (cx.cluster(&spec.location.cluster), &spec.location);
        namespace::ensure_for(cluster, namespace, is_new, reached, Self::status(&root, cx)?).await?;
        let manifest = marked(trust::root_secret(namespace, name, &root, &spec.record()), creation.as_ref());
        if let Err(error) = cluster.put_first(&manifest, is_new, reached, || spec.import_id()).await {
            // What is certainly still the old root must not pass for the new one.
            if !is_new && let Ok(Some(old)) = read_root(cluster, &spec.location.secret()).await {
                reached.set(Self::status(&old, cx)?);
            }
            return Err(error);
        }
        for old in spec.old_locations(prior, cx) {
            // Under another key of the same cluster there is no copy.
            if let Some(live) = cx.cluster(&old.cluster).get(&old.secret()).await?
                && cluster.holds(&spec.location.secret(), &live).await?
            {
                continue;
            }
            // Nothing is deleted before the copy has been read.
            match read_root(cluster, &spec.location.secret()).await? {
                Some(copy) if copy == root => old.remove(cx).await?,
                _ => return Err(spec.lost("what was read back differs from what was written")),
            }
        }
        if creation.is_some() {
            cluster.unmark(&spec.location.secret()).await?;
        }
        Ok(())
    }

    async fn read(spec: &Self, cx: &Cx<'_, World>) -> Result<Observed<RootCaStatus>, Error> {
        if !cx.world.clusters.is_known(&spec.location.cluster) {
            return Ok(Observed::Deferred);
        }
        if cx.cluster(&spec.location.cluster).is_lost().await {
            return Ok(Observed::Unseen);
        }
        let Location { cluster, namespace, .. } = &spec.location;
        let lost = |line: String| {
            Observed::Found(RootCaStatus { root: InPlace::Lost, drift: vec![format!("{}: {line}", spec.location.secret())] })
        };
        match spec.location.find(spec.known.as_deref(), cx).await? {
            Found::Root(root) => Self::status(&root, cx).map(Observed::Found),
            Found::Wrong(problem) => Ok(lost(problem)),
            Found::Missing => {
                let dependents = spec.dependents(cx).await?;
                if dependents.is_empty() {
                    let remains = namespace::remains(cx.cluster(cluster), namespace).await?;
                    let gone = |remains| Observed::Found(RootCaStatus { root: InPlace::Gone, drift: vec![remains] });
                    return Ok(remains.map_or(Observed::Gone, gone));
                }
                Ok(lost(format!("it doesn't exist any more, and these CAs are signed by its root: {}", dependents.join(", "))))
            }
        }
    }

    async fn delete(spec: &Self, cx: &Cx<'_, World>) -> Result<(), Error> {
        spec.location.remove(cx).await
    }

    async fn import(id: &str, cx: &Cx<'_, World>) -> Result<RootCaModel, Error> {
        import::import(id, cx).await
    }

    fn record(status: &RootCaStatus, model: &mut RootCaModel) {
        let (certificate, fingerprint, end) = match &status.root {
            InPlace::Root(certificate, facts) => {
                (Value::Value(certificate.clone()), Value::Value(facts.fingerprint.clone()), facts.not_after.format(&Rfc3339).ok().into())
            }
            InPlace::Lost => (model.certificate.clone(), model.fingerprint.clone(), model.expires_at.clone()),
            InPlace::Gone => (Value::Null, Value::Null, Value::Null),
        };
        (model.certificate, model.fingerprint, model.expires_at) = (certificate, fingerprint, end);
        model.drift = crate::world::strings(&status.drift);
    }
}
