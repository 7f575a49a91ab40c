//! `mesh_cluster_ca_request`: a key for a cluster's CA, and the request to have it certified elsewhere. Owns one Secret.

mod model;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value as Json, json};

pub use model::CaRequestModel;

use super::authority::{default_common_name, parse_subject};
use crate::{
    data::{CaSubject, KeyAlgorithm, Kind, ObjectRef, SigningRequest},
    mesh::{
        ClusterKey, Namespace, ObjectName,
        labels::{self, Owner},
        trust,
    },
    ports::Failure,
    world::{
        ClusterAccess, Creation, World, import,
        listing::{Discover, name_of},
        marked, namespace,
    },
};
use framework::{AttributePath, Cx, DefaultTimeouts, Error, Observed, Parse, Parsed, Plan, Prior, Reached, Resource, Timeouts, Value};

/// The request to be.
pub struct CaRequest {
    cluster: ClusterKey,
    namespace: Namespace,
    name: ObjectName,
    subject: CaSubject,
    rotation: Option<i64>,
    /// The request that the state knows.
    known: Option<String>,
}

/// The request in place. A Secret that can't be read has only drift.
pub struct CaRequestStatus {
    request: Option<String>,
    drift: Vec<String>,
}

impl CaRequest {
    fn secret(&self) -> ObjectRef {
        ObjectRef::namespaced(Kind::SECRET, self.namespace.as_str(), self.name.as_str())
    }

    fn id(&self) -> String {
        format!("{}/{}/{}", self.cluster, self.namespace, self.name)
    }

    /// What the Secret's annotation records: what the request was made for.
    fn record(&self) -> Json {
        json!({
            "common_name": self.subject.common_name, "organization": self.subject.organization,
            "key_algorithm": self.subject.algorithm.name(), "rotation": self.rotation,
        })
    }

    /// Reads the request in place; or reports why another one has to be made.
    fn find(secret: &Json, known: Option<&str>, cx: &Cx<'_, World>) -> Result<SigningRequest, String> {
        let found = trust::read_request_secret(secret)?;
        match cx.world.authority.is_key_of_request(&found.request, &found.key) {
            Ok(true) if known.is_some_and(|known| known != found.request) => {
                Err("it holds another request than the one that was made".to_owned())
            }
            Ok(true) => Ok(found),
            Ok(false) => Err("its key tls.key doesn't belong to tls.csr".to_owned()),
            Err(failure) => Err(failure.why),
        }
    }
}

#[async_trait]
impl Resource for CaRequest {
    type World = World;
    type Model = CaRequestModel;
    type Spec = Self;
    type Status = CaRequestStatus;

    const NAME: &'static str = "mesh_cluster_ca_request";
    const TIMEOUTS: DefaultTimeouts =
        DefaultTimeouts { apply: Duration::from_secs(120), read: Duration::from_secs(60), delete: Duration::from_secs(300) };
    const IDENTITY: &'static [&'static str] = &["cluster", "namespace", "name"];

    fn timeouts(model: &CaRequestModel) -> &Value<Timeouts> {
        &model.timeouts
    }

    fn parse(model: &CaRequestModel, parse: &mut Parse<'_>) -> Option<Self> {
        let cluster = parse.required("cluster", &model.cluster, |key| ClusterKey::parse(key));
        let namespace = parse.required("namespace", &model.namespace, |name| Namespace::parse(name));
        let name = parse.required("name", &model.name, |name| match ObjectName::parse(name) {
            // istiod would read what has this name.
            Ok(name) if name.as_str() == trust::CACERTS => {
                Err("must not be \"cacerts\", which is the Secret of the mesh_cluster_ca".to_owned())
            }
            parsed => parsed,
        });
        let common_name = parse.optional("common_name", &model.common_name, |text| parse_subject(text));
        let organization = parse.required("organization", &model.organization, |text| parse_subject(text));
        let algorithm = parse.optional("key_algorithm", &model.key_algorithm, |name| KeyAlgorithm::parse(name));
        let rotation = parse.optional("rotation", &model.rotation, |number| Ok::<_, String>(*number));
        let cluster = cluster?;
        let common_name = common_name?.unwrap_or_else(|| default_common_name(&cluster));
        Some(Self {
            subject: CaSubject { common_name, organization: organization?, algorithm: algorithm?.unwrap_or_default() },
            cluster,
            namespace: namespace?,
            name: name?,
            rotation: rotation?,
            known: model.certificate_request.as_ref_option().cloned(),
        })
    }

    fn plan(plan: &mut Plan<'_, CaRequestModel, World>, spec: &Parsed<Self>) {
        if let Parsed::Ready(spec) = spec {
            crate::world::check_cluster(plan.world, &spec.cluster, AttributePath::new("cluster"), plan.report);
        }
    }

    async fn apply(spec: &Self, prior: &Prior<Self>, reached: &mut Reached<CaRequestStatus>, cx: &Cx<'_, World>) -> Result<(), Error> {
        let (cluster, secret) = (cx.cluster(&spec.cluster), spec.secret());
        let import = || format!("mesh_cluster_ca_request.<name> {}", spec.id());
        let found = if prior.is_none() { cluster.left(&secret, import).await? } else { cluster.get(&secret).await? };
        let creation = Creation::begin(&spec.cluster, prior, cx).await;
        let known = prior.finished().and_then(|prior| prior.known.as_deref());
        let is_new = found.is_none();
        let reusable =
            found.filter(|found| trust::ca_record(found) == Some(spec.record())).and_then(|found| Self::find(&found, known, cx).ok());
        let request = match reusable {
            Some(request) => request,
            None => cx.world.authority.create_request(&spec.subject)?,
        };
        let status = CaRequestStatus { request: Some(request.request.clone()), drift: Vec::new() };
        namespace::ensure_for(cluster, &spec.namespace, is_new, reached, status).await?;
        let manifest = trust::request_secret(&spec.namespace, &spec.name, &request, &spec.record());
        cluster.put_first(&marked(manifest, creation.as_ref()), is_new, reached, import).await?;
        if creation.is_some() {
            cluster.unmark(&secret).await?;
        }
        Ok(())
    }

    async fn read(spec: &Self, cx: &Cx<'_, World>) -> Result<Observed<CaRequestStatus>, Error> {
        if !cx.world.clusters.is_known(&spec.cluster) {
            return Ok(Observed::Deferred);
        }
        if cx.cluster(&spec.cluster).is_lost().await {
            return Ok(Observed::Unseen);
        }
        let Some(live) = cx.cluster(&spec.cluster).get(&spec.secret()).await? else {
            let remains = namespace::remains(cx.cluster(&spec.cluster), &spec.namespace).await?;
            return Ok(remains.map_or(Observed::Gone, |line| Observed::Found(CaRequestStatus { request: None, drift: vec![line] })));
        };
        let (request, problem) = match Self::find(&live, spec.known.as_deref(), cx) {
            Ok(found) => (Some(found.request), None),
            Err(problem) => (None, Some(problem)),
        };
        let unlabeled = (!labels::is_ours(&live)).then(|| "its label says that this provider doesn't manage it".to_owned());
        let drift = problem.into_iter().chain(unlabeled).map(|line| format!("{}: {line}", spec.secret())).collect();
        Ok(Observed::Found(CaRequestStatus { request, drift }))
    }

    async fn delete(spec: &Self, cx: &Cx<'_, World>) -> Result<(), Error> {
        let cluster = cx.cluster(&spec.cluster);
        if cluster.leaves_behind(&format!("{} and, if it is empty without it, its namespace", spec.secret())).await {
            return Ok(());
        }
        cluster.delete(&spec.secret()).await?;
        namespace::release(cluster, &spec.namespace).await.map_err(Error::from)
    }

    async fn import(id: &str, cx: &Cx<'_, World>) -> Result<CaRequestModel, Error> {
        let (cluster, [namespace, name]) = import::parts(id, "CLUSTER/NAMESPACE/SECRET, for example eu/istio-system/cacerts-request", cx)?;
        let secret = ObjectRef::namespaced(Kind::SECRET, namespace.as_str(), name.as_str());
        let live = cx.cluster(&cluster).get(&secret).await?.ok_or_else(|| import::nothing(&cluster, &secret.to_string()))?;
        let record = trust::ca_record(&live).filter(|_| trust::read_request_secret(&live).is_ok()).ok_or_else(|| {
            Error::new("Not a signing request", format!("{secret} of cluster \"{cluster}\" was not made by a mesh_cluster_ca_request."))
        })?;
        let text = |field: &str, default: &str| record[field].as_str().filter(|found| *found != default).map(str::to_owned).into();
        Ok(CaRequestModel {
            common_name: text("common_name", &default_common_name(&cluster)),
            cluster: Value::Value(cluster.to_string()),
            namespace: Value::Value(namespace),
            name: Value::Value(name),
            organization: text("organization", ""),
            key_algorithm: text("key_algorithm", KeyAlgorithm::default().name()),
            rotation: record["rotation"].as_i64().into(),
            certificate_request: Value::Null,
            drift: Value::Null,
            timeouts: Value::Null,
        })
    }

    fn record(status: &CaRequestStatus, model: &mut CaRequestModel) {
        // Of a Secret that can't be read the last known request stays.
        if let Some(request) = &status.request {
            model.certificate_request = Value::Value(request.clone());
        }
        model.drift = crate::world::strings(&status.drift);
    }
}

#[async_trait]
impl Discover for CaRequest {
    async fn discover(cluster: &ClusterKey, cx: &Cx<'_, World>) -> Result<Vec<String>, Failure> {
        let secrets = cx.cluster(cluster).list(Kind::SECRET, None, &Owner::CaRequest.selector()).await?;
        Ok(secrets.iter().map(|secret| format!("{cluster}/{}", name_of(secret))).collect())
    }
}
