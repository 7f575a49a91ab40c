//! Finding CAs of clusters, and reading the attributes of `mesh_cluster_ca` off them.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::{ClusterCa, ClusterCaModel, default_common_name, root::find_root};
use crate::{
    data::{Kind, ObjectRef},
    mesh::{ClusterKey, helm::control_plane::ISTIOD_CHART, labels::Owner, trust},
    ports::Failure,
    world::{ClusterAccess, World, import, listing::Discover},
};
use framework::{Cx, Error, Value};

/// Reads the attributes of a CA in place.
pub(super) async fn import(id: &str, cx: &Cx<'_, World>) -> Result<ClusterCaModel, Error> {
    let (cluster, [namespace]) = import::parts(id, "CLUSTER/NAMESPACE, for example eu/istio-system", cx)?;
    let secret = ObjectRef::namespaced(Kind::SECRET, namespace.as_str(), trust::CACERTS);
    let live = cx.cluster(&cluster).get(&secret).await?;
    let live = live.ok_or_else(|| import::nothing(&cluster, &secret.to_string()))?;
    let bundle = trust::read_cacerts(&live).map_err(|problem| Error::new("Damaged cluster CA", problem))?;
    let facts = cx.world.authority.inspect(&bundle.certificate)?;
    let root = cx.world.authority.inspect(&bundle.roots)?;
    let root_ca = find_root(&root.fingerprint, cx).await;
    let is_default_name = facts.common_name == default_common_name(&cluster);
    Ok(ClusterCaModel {
        cluster: Value::Value(cluster.to_string()),
        namespace: Value::Value(namespace),
        root_certificate: if root_ca.is_null() { Value::Value(bundle.roots) } else { Value::Null },
        root_ca,
        // The key of a root is in no cluster, or stays there.
        root_private_key_wo: Value::Null,
        root_private_key_wo_version: Value::Null,
        common_name: if is_default_name { Value::Null } else { Value::Value(facts.common_name) },
        organization: Value::Value(facts.organization),
        validity_days: Value::Value((facts.not_after - facts.not_before).whole_days()),
        renew_before_days: Value::Null,
        certificate: Value::Null,
        fingerprint: Value::Null,
        root_fingerprint: Value::Null,
        expires_at: Value::Null,
        drift: Value::Null,
        timeouts: Value::Null,
    })
}

#[async_trait]
impl Discover for ClusterCa {
    async fn discover(cluster: &ClusterKey, cx: &Cx<'_, World>) -> Result<Vec<String>, Failure> {
        // Where istiod is, its CA may be somebody else's: that is what an import is for.
        let (ours, cluster) = (Owner::ClusterCa.selector(), cx.cluster(cluster));
        let (secrets, istiods) = tokio::try_join!(cluster.list(Kind::SECRET, None, &ours), cluster.releases_of(ISTIOD_CHART),)?;
        let mut namespaces: BTreeSet<_> =
            secrets.iter().filter_map(|secret| secret["metadata"]["namespace"].as_str().map(str::to_owned)).collect();
        for istiod in istiods {
            let secret = ObjectRef::namespaced(Kind::SECRET, &istiod.namespace, trust::CACERTS);
            if cluster.get(&secret).await?.is_some() {
                namespaces.insert(istiod.namespace);
            }
        }
        Ok(namespaces.into_iter().map(|namespace| format!("{}/{namespace}", cluster.key)).collect())
    }
}
