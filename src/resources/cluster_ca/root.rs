//! The root that signs a cluster's intermediate: a `mesh_root_ca`, or the user's own.

use super::model::{ClusterCaModel, RootCaRef};
use crate::{
    data::{CaPart, Kind, ObjectRef, Secret},
    mesh::{ClusterKey, Namespace, ObjectName, labels, trust},
    world::{ClusterAccess, World},
};
use framework::{AttributePath, Cx, Error, Parse, Report, Value};

/// Where the root comes from.
pub(super) enum RootSource {
    /// A `mesh_root_ca`.
    Resource { cluster: ClusterKey, secret: ObjectRef, fingerprint: String },
    /// The user's own; the key is there only in an apply.
    Own { certificate: String, key: Option<Secret>, version: Option<i64> },
}

impl RootSource {
    /// Whether the user holds its key.
    pub(super) fn is_own(&self) -> bool {
        matches!(self, Self::Own { .. })
    }

    /// The version of the key.
    pub(super) fn version(&self) -> Option<i64> {
        match self {
            Self::Own { version, .. } => *version,
            Self::Resource { .. } => None,
        }
    }
}

pub(super) fn parse_root(model: &ClusterCaModel, parse: &mut Parse<'_>) -> Option<RootSource> {
    let reference = parse.nested("root_ca", &model.root_ca, |root, parse| {
        let cluster = parse.required("cluster", &root.cluster, |key| ClusterKey::parse(key));
        let namespace = parse.required("namespace", &root.namespace, |name| Namespace::parse(name));
        let name = parse.required("name", &root.name, |name| ObjectName::parse(name));
        let fingerprint = parse.required("fingerprint", &root.fingerprint, |text| Ok::<_, String>(text.clone()));
        Some(RootSource::Resource {
            cluster: cluster?,
            secret: ObjectRef::namespaced(Kind::SECRET, namespace?.as_str(), name?.as_str()),
            fingerprint: fingerprint?,
        })
    });
    let certificate = parse.optional("root_certificate", &model.root_certificate, |pem| Ok::<_, String>(pem.clone()));
    let key = parse.optional("root_private_key_wo", &model.root_private_key_wo, |pem| Ok::<_, String>(Secret::new(pem)));
    let version = parse.optional("root_private_key_wo_version", &model.root_private_key_wo_version, |version| Ok::<_, String>(*version));
    match (reference?, certificate?) {
        (Some(reference), _) => Some(reference),
        (None, Some(certificate)) => Some(RootSource::Own { certificate, key: key?, version: version? }),
        (None, None) => {
            parse.violation(
                parse.path("root_ca"),
                &"No root. Set `root_ca` to a mesh_root_ca, or `root_certificate` and `root_private_key_wo` to your own.",
            );
            None
        }
    }
}

/// Reports why the root can't sign an intermediate, at the attribute that is wrong.
pub(super) fn check_root(world: &World, certificate: &str, key: Option<&Secret>, report: &mut Report) {
    if let Err(flaw) = world.authority.verify_root(certificate, key, world.clock.now()) {
        let attribute = if flaw.part == CaPart::Key { "root_private_key_wo" } else { "root_certificate" };
        report.error(Error::new(format!("Invalid {attribute}"), flaw.reason).at(AttributePath::new(attribute)));
    }
}

/// Finds the `mesh_root_ca` with this certificate in the clusters that can be contacted; null if none of them has it.
pub(super) async fn find_root(fingerprint: &str, cx: &Cx<'_, World>) -> Value<RootCaRef> {
    let world = cx.world;
    for cluster in world.clusters.reachable() {
        let selector = labels::managed_selector();
        let secrets = match cx.cluster(&cluster).list(Kind::SECRET, None, &selector).await {
            Ok(secrets) => secrets,
            Err(failure) => {
                let why = format!("It is unknown whether the root of the imported CA is a mesh_root_ca there. {}", failure.detail());
                cx.warn(Error::new(failure.summary, why));
                continue;
            }
        };
        for secret in secrets {
            let Ok(root) = trust::read_root_secret(&secret) else { continue };
            if world.authority.inspect(&root.certificate).is_ok_and(|facts| facts.fingerprint == fingerprint) {
                let name = |field: &str| Value::Value(secret["metadata"][field].as_str().unwrap_or_default().to_owned());
                return Value::Value(RootCaRef {
                    cluster: Value::Value(cluster.to_string()),
                    namespace: name("namespace"),
                    name: name("name"),
                    fingerprint: Value::Value(fingerprint.to_owned()),
                });
            }
        }
    }
    Value::Null
}
