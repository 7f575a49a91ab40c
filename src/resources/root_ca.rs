//! `mesh_root_ca`: the mesh's root certificate authority. Owns one Secret in one cluster; its key is in no state or plan.

#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value as Json;
use time::format_description::well_known::Rfc3339;

use super::authority::{DEFAULT_ORGANIZATION, parse_days, parse_subject, read_root};
use crate::world::{
    ClusterAccess, World,
    import::parts,
    listing::{Discover, name_of},
    namespace,
};
use crate::{
    data::{CaSubject, Certificate, KeyAlgorithm, Kind, ObjectRef},
    mesh::{ClusterKey, Namespace, ObjectName, labels::Owner, trust},
    ports::Failure,
};
use framework::{
    AttributePath, Cx, DefaultTimeouts, Error, Observed, Parse, Parsed, Plan, Prior, Reached, Resource, Timeouts, Value, computed, model,
    optional, required,
};

model! {
    /// The root certificate authority that all clusters of a mesh trust. Its private key stays in a Secret of one cluster: neither the
    /// state nor a plan ever holds it. Every `mesh_cluster_ca` is signed by it.
    ///
    /// Replacing it changes the trust of the whole mesh, and calls between clusters fail until every `mesh_cluster_ca` and every
    /// workload has a certificate of the new root.
    pub struct RootCaModel {
        /// Key of the cluster, in the provider's `clusters`, whose Secret holds the root, for example `us`.
        cluster: String => required().replaces(),
        /// Namespace of the Secret. It is created if it doesn't exist, and deleted with the last resource of this provider in it.
        namespace: String => optional().default(Namespace::ISTIO_SYSTEM).replaces(),
        /// Name of the Secret.
        name: String => optional().default("mesh-root-ca").replaces(),
        /// Common name of the certificate's subject, 1 to 64 characters.
        common_name: String => optional().default("Mesh root CA").replaces(),
        /// Organization of the certificate's subject, 1 to 64 characters.
        organization: String => optional().default(DEFAULT_ORGANIZATION).replaces(),
        /// Validity of the certificate in days from its creation: 1 to 36500.
        validity_days: i64 => optional().default(3650).replaces(),
        /// The certificate, in PEM.
        certificate: String => computed().kept(),
        /// SHA-256 fingerprint of the certificate, in lower-case hexadecimal.
        fingerprint: String => computed().kept(),
        /// When the certificate expires, in RFC 3339 and UTC, for example `2036-01-01T00:00:00Z`.
        expires_at: String => computed().kept(),
        /// How long each operation may take.
        timeouts: Timeouts => optional(),
    }
}

/// The root CA to be.
pub struct RootCa {
    cluster: ClusterKey,
    namespace: Namespace,
    name: ObjectName,
    common_name: String,
    organization: String,
    validity: Duration,
}

/// The root CA that is.
pub struct RootCaStatus {
    certificate: String,
    fingerprint: String,
    expires_at: String,
}

impl RootCa {
    fn secret(&self) -> ObjectRef {
        ObjectRef::namespaced(Kind::SECRET, self.namespace.as_str(), self.name.as_str())
    }

    fn status(root: &Certificate, cx: &Cx<'_, World>) -> Result<RootCaStatus, Error> {
        let facts = cx.world.authority.inspect(&root.certificate)?;
        Ok(RootCaStatus {
            certificate: root.certificate.clone(),
            fingerprint: facts.fingerprint,
            expires_at: facts.not_after.format(&Rfc3339).map_err(|error| Error::new("Damaged root CA", error.to_string()))?,
        })
    }

    async fn write(&self, root: &Certificate, cx: &Cx<'_, World>) -> Result<Json, Error> {
        let manifest = trust::root_secret(&self.namespace, &self.name, root);
        cx.cluster(&self.cluster).apply(&manifest).await.map_err(Error::from)
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
        let validity = parse.required("validity_days", &model.validity_days, |days| parse_days(*days));
        Some(Self {
            cluster: cluster?,
            namespace: namespace?,
            name: name?,
            common_name: common_name?,
            organization: organization?,
            validity: validity?,
        })
    }

    fn plan(plan: &mut Plan<'_, RootCaModel, World>, spec: &Parsed<Self>) {
        if let Parsed::Ready(spec) = spec {
            crate::world::check_cluster(plan.world, &spec.cluster, AttributePath::new("cluster"), plan.report);
        }
    }

    async fn apply(spec: &Self, prior: &Prior<Self>, reached: &mut Reached<RootCaStatus>, cx: &Cx<'_, World>) -> Result<(), Error> {
        let (cluster, secret) = (cx.cluster(&spec.cluster), spec.secret());
        let root = match (read_root(cluster, &secret).await?, prior.is_none()) {
            (Some(root), false) => root,
            (Some(_), true) => {
                return Err(crate::world::not_ours(&spec.cluster, &secret.to_string(), &format!("mesh_root_ca.<name> {}", spec.id())));
            }
            (None, _) => {
                namespace::ensure(cluster, &spec.namespace).await?;
                let (common_name, organization) = (spec.common_name.clone(), spec.organization.clone());
                cx.world
                    .authority
                    .create_root(&CaSubject { common_name, organization, algorithm: KeyAlgorithm::default() }, spec.validity)?
            }
        };
        spec.write(&root, cx).await?;
        reached.set(Self::status(&root, cx)?);
        Ok(())
    }

    async fn read(spec: &Self, cx: &Cx<'_, World>) -> Result<Observed<RootCaStatus>, Error> {
        if !cx.world.clusters.is_known(&spec.cluster) {
            return Ok(Observed::Deferred);
        }
        match read_root(cx.cluster(&spec.cluster), &spec.secret()).await? {
            Some(root) => Self::status(&root, cx).map(Observed::Found),
            None => Ok(Observed::Gone),
        }
    }

    async fn delete(spec: &Self, cx: &Cx<'_, World>) -> Result<(), Error> {
        let cluster = cx.cluster(&spec.cluster);
        cluster.delete(&spec.secret()).await?;
        namespace::release(cluster, &spec.namespace).await.map_err(Error::from)
    }

    async fn import(id: &str, cx: &Cx<'_, World>) -> Result<RootCaModel, Error> {
        let (cluster, [namespace, name]) = parts(id, "CLUSTER/NAMESPACE/SECRET, for example us/istio-system/mesh-root-ca", cx)?;
        let secret = ObjectRef::namespaced(Kind::SECRET, namespace.as_str(), name.as_str());
        let Some(root) = read_root(cx.cluster(&cluster), &secret).await? else {
            return Err(crate::world::import::nothing(&cluster, &secret.to_string()));
        };
        let facts = cx.world.authority.inspect(&root.certificate)?;
        Ok(RootCaModel {
            cluster: Value::Value(cluster.to_string()),
            namespace: Value::Value(namespace),
            name: Value::Value(name),
            common_name: Value::Value(facts.common_name),
            organization: Value::Value(facts.organization),
            validity_days: Value::Value((facts.not_after - facts.not_before).whole_days()),
            certificate: Value::Null,
            fingerprint: Value::Null,
            expires_at: Value::Null,
            timeouts: Value::Null,
        })
    }

    fn record(status: &RootCaStatus, model: &mut RootCaModel) {
        model.certificate = Value::Value(status.certificate.clone());
        model.fingerprint = Value::Value(status.fingerprint.clone());
        model.expires_at = Value::Value(status.expires_at.clone());
    }
}

#[async_trait]
impl Discover for RootCa {
    async fn discover(cluster: &ClusterKey, cx: &Cx<'_, World>) -> Result<Vec<String>, Failure> {
        let roots = cx.cluster(cluster).list(Kind::SECRET, None, &Owner::RootCa.selector()).await?;
        Ok(roots.iter().map(|root| format!("{cluster}/{}", name_of(root))).collect())
    }
}

impl RootCa {
    fn id(&self) -> String {
        format!("{}/{}/{}", self.cluster, self.namespace, self.name)
    }
}
