//! The signing request that a ready-made intermediate is for: where its key is, inside the cluster.

use super::{
    super::authority::read_request,
    model::{CaRequestRef, ClusterCaModel},
    plan::unanswered,
};
use crate::{
    data::{Kind, ObjectRef, Secret},
    mesh::{ClusterKey, Namespace, ObjectName, labels::Owner, trust},
    world::{ClusterAccess, World},
};
use framework::{AttributePath, Cx, Error, Parse, Value};

/// A `mesh_cluster_ca_request`.
pub(super) struct RequestSource {
    cluster: ClusterKey,
    secret: ObjectRef,
    /// PEM.
    pub(super) request: String,
}

pub(super) fn parse_request(cluster: Option<&ClusterKey>, model: &ClusterCaModel, parse: &mut Parse<'_>) -> Option<Option<RequestSource>> {
    parse.nested("request", &model.request, |reference, parse| {
        let of = parse.required("cluster", &reference.cluster, |key| ClusterKey::parse(key));
        let namespace = parse.required("namespace", &reference.namespace, |name| Namespace::parse(name));
        let name = parse.required("name", &reference.name, |name| ObjectName::parse(name));
        let request = parse.required("certificate_request", &reference.certificate_request, |pem| Ok::<_, String>(pem.clone()));
        if let (Some(of), Some(cluster)) = (&of, cluster)
            && of != cluster
        {
            let problem = format!("This is a request of cluster `{of}`, and its key never leaves it. Refer to one of `{cluster}`.");
            parse.violation(parse.path("cluster"), &problem);
        }
        let secret = ObjectRef::namespaced(Kind::SECRET, namespace?.as_str(), name?.as_str());
        Some(RequestSource { cluster: of?, secret, request: request? })
    })
}

impl RequestSource {
    /// Reads the key, which must be that of the certificate.
    pub(super) async fn key_for(&self, certificate: &str, cx: &Cx<'_, World>) -> Result<Secret, Error> {
        let (cluster, secret) = (&self.cluster, &self.secret);
        let found = read_request(cx.cluster(cluster), secret).await?.ok_or_else(|| {
            Error::new(
                "No key for the certificate",
                format!("Cluster \"{cluster}\" has no {secret}: it was removed since the plan. Apply the mesh_cluster_ca_request again."),
            )
            .at(AttributePath::new("request"))
        })?;
        match cx.world.authority.key_matches(certificate, &found.key) {
            Ok(true) => Ok(found.key),
            Ok(false) => Err(unanswered("Nothing was written.")),
            Err(failure) => Err(failure.into()),
        }
    }
}

/// Finds the request of a cluster that has this key; null if there is none, or that can't be told.
pub(super) async fn find_request(cluster: &ClusterKey, key: &Secret, cx: &Cx<'_, World>) -> Value<CaRequestRef> {
    let secrets = match cx.cluster(cluster).list(Kind::SECRET, None, &Owner::CaRequest.selector()).await {
        Ok(secrets) => secrets,
        Err(failure) => {
            let why = format!("It is unknown whether the imported CA's key is that of a mesh_cluster_ca_request. {}", failure.detail());
            cx.warn(Error::new(failure.summary, why));
            return Value::Null;
        }
    };
    for secret in secrets {
        let Ok(found) = trust::read_request_secret(&secret) else { continue };
        if cx.world.authority.is_key_of_request(&found.request, key).unwrap_or_default() {
            let name = |field: &str| Value::Value(secret["metadata"][field].as_str().unwrap_or_default().to_owned());
            return Value::Value(CaRequestRef {
                cluster: Value::Value(cluster.to_string()),
                namespace: name("namespace"),
                name: name("name"),
                certificate_request: Value::Value(found.request),
            });
        }
    }
    Value::Null
}
