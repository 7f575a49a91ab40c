//! Finding roots, and reading the attributes of `mesh_root_ca` off them.

use async_trait::async_trait;

use super::{RootCa, RootCaModel};
use crate::{
    data::{Kind, ObjectRef},
    mesh::{ClusterKey, labels::Owner, trust},
    ports::Failure,
    world::{
        ClusterAccess, World, import,
        listing::{Discover, name_of},
    },
};
use framework::{Cx, Error, Value};

/// Reads the attributes of a root in place. Subject and validity describe the next root, so they are those that the provider has recorded;
/// for a root that something else made they are left out, and a configuration needs to repeat nothing of it.
pub(super) async fn import(id: &str, cx: &Cx<'_, World>) -> Result<RootCaModel, Error> {
    let (cluster, [namespace, name]) = import::parts(id, "CLUSTER/NAMESPACE/SECRET, for example us/istio-system/mesh-root-ca", cx)?;
    let secret = ObjectRef::namespaced(Kind::SECRET, namespace.as_str(), name.as_str());
    let live = cx.cluster(&cluster).get(&secret).await?;
    let live = live.ok_or_else(|| import::nothing(&cluster, &secret.to_string()))?;
    let damaged =
        |problem: String| Error::new("Damaged root CA", format!("{secret} of cluster \"{cluster}\" can't be imported: {problem}"));
    let root = trust::read_root_secret(&live).map_err(damaged)?;
    cx.world.authority.verify_root(&root.certificate, Some(&root.key), cx.world.clock.now()).map_err(|flaw| damaged(flaw.reason))?;
    let record = trust::ca_record(&live).unwrap_or_default();
    let text = |field: &str| record[field].as_str().map(str::to_owned).into();
    Ok(RootCaModel {
        cluster: Value::Value(cluster.to_string()),
        namespace: Value::Value(namespace),
        name: Value::Value(name),
        common_name: text("common_name"),
        organization: text("organization"),
        validity_days: record["validity_days"].as_i64().into(),
        rotation: record["rotation"].as_i64().into(),
        existing_certificate: Value::Null,
        existing_private_key_wo: Value::Null,
        existing_private_key_wo_version: Value::Null,
        warn_before_days: Value::Null,
        certificate: Value::Null,
        fingerprint: Value::Null,
        expires_at: Value::Null,
        drift: Value::Null,
        timeouts: Value::Null,
    })
}

#[async_trait]
impl Discover for RootCa {
    async fn discover(cluster: &ClusterKey, cx: &Cx<'_, World>) -> Result<Vec<String>, Failure> {
        let roots = cx.cluster(cluster).list(Kind::SECRET, None, &Owner::RootCa.selector()).await?;
        Ok(roots.iter().map(|root| format!("{cluster}/{}", name_of(root))).collect())
    }
}
