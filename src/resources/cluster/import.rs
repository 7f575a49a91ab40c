//! Finding installed control planes, and reading the attributes of `mesh_cluster` off them.

use async_trait::async_trait;
use serde_json::{Value as Json, json};

use super::{CanaryModel, Cluster, ClusterCaRef, ClusterModel};
use crate::{
    data::{Deployed, Kind, ObjectRef},
    mesh::{
        ClusterKey, ControlPlane,
        helm::{
            ImportedCanary,
            control_plane::{BASE_RELEASE, DEFAULT_CLUSTER_NAME, ISTIOD_CHART, ISTIOD_RELEASE},
        },
        trust,
    },
    ports::Failure,
    world::{ClusterAccess, LiveCluster, World, import, listing::Discover},
};
use framework::{Cx, Error, Value};

/// Reads the attributes of an installed control plane.
pub(super) async fn import(id: &str, cx: &Cx<'_, World>) -> Result<ClusterModel, Error> {
    let (cluster, [namespace]) = import::parts(id, "CLUSTER/NAMESPACE, for example us/istio-system", cx)?;
    let live = cx.cluster(&cluster);
    let istiod = live.release(&namespace, ISTIOD_RELEASE).await?;
    let Some(istiod) = istiod else {
        let mut error = import::nothing(&cluster, &format!("Helm release {namespace}/{ISTIOD_RELEASE}"));
        if live.get(&ObjectRef::namespaced(Kind::DEPLOYMENT, namespace.as_str(), ISTIOD_RELEASE)).await?.is_some() {
            error.detail.push_str(
                " It has an istiod, from `istioctl install` or a release of another name. Instead of importing it, add the resource to the \
                 configuration with `adopt = true`: the plan shows what changes, and the apply makes Helm releases of it.",
            );
        }
        return Err(error);
    };
    let base = live.release(&namespace, BASE_RELEASE).await?;
    let base_values = base.and_then(|base| ControlPlane::read_base_values(&base.values));
    let values = ControlPlane::read_values(&istiod.values);
    let canary = find_canary(live, &istiod).await?;
    let mtls = live.get(&ObjectRef::namespaced(Kind::PEER_AUTHENTICATION, namespace.as_str(), "default")).await?;
    Ok(ClusterModel {
        ca: find_ca(live, &namespace, cx).await?,
        cluster: Value::Value(cluster.to_string()),
        mesh_id: values.mesh_id.into(),
        network: values.network.into(),
        trust_domain: values.trust_domain.into(),
        trust_domain_aliases: values.trust_domain_aliases.map(|aliases| crate::world::strings(&aliases)).unwrap_or_default(),
        // Where it isn't set, Istio itself uses a name of its own, which all running sidecars have.
        cluster_name: Some(values.cluster_name.unwrap_or_else(|| DEFAULT_CLUSTER_NAME.to_owned()))
            .filter(|name| name != cluster.as_str())
            .into(),
        namespace: Value::Value(namespace),
        // The version isn't pinned by what is installed, unless a canary has another one.
        istio_version: canary.as_ref().filter(|canary| canary.istio_version.is_value()).map(|_| plain(&istiod.version)).into(),
        values: values.rest.map(|rest| vec![Value::Value(rest)]).into(),
        values_wo: Value::Null,
        values_wo_version: Value::Null,
        canary: canary.into(),
        base_values: base_values.map(|values| vec![Value::Value(values)]).into(),
        // Which of them are ours, the namespace doesn't show.
        namespace_labels: Value::Null,
        namespace_annotations: Value::Null,
        dns_capture: Value::Value(values.dns_capture),
        mtls_mode: mtls.as_ref().and_then(mode_of).into(),
        delete_crds: Value::Null,
        ignore_drift: Value::Null,
        adopt: Value::Null,
        installed_version: Value::Null,
        ca_in_use: Value::Null,
        drift: Value::Null,
        timeouts: Value::Null,
    })
}

/// A chart's version as attributes have it.
fn plain(version: &str) -> String {
    version.trim_start_matches('v').to_owned()
}

/// Finds a canary of this provider beside an istiod. One of another tool stays that tool's: nothing takes it over.
async fn find_canary(cluster: LiveCluster<'_>, istiod: &Deployed) -> Result<Option<CanaryModel>, Failure> {
    let releases = cluster.releases_of(Some(&istiod.namespace), &[ISTIOD_CHART]).await?;
    let model = |release: &Deployed| {
        let found = ImportedCanary::of(&release.name, &release.values, &istiod.values)?;
        Some(CanaryModel {
            revision: Value::Value(found.revision),
            istio_version: Some(plain(&release.version)).filter(|version| *version != plain(&istiod.version)).into(),
            values: found.values.map(|values| vec![Value::Value(values)]).into(),
        })
    };
    Ok(releases.iter().filter(|release| release.is_ours).find_map(model))
}

/// Returns the mode of a policy that sets nothing else. Any other policy stays its author's, as no attribute can express it.
fn mode_of(policy: &Json) -> Option<String> {
    let mode = policy["spec"]["mtls"]["mode"].as_str()?;
    (policy["spec"] == json!({"mtls": {"mode": mode}})).then(|| mode.to_owned())
}

/// Returns the CA that istiod signs with; null if istiod has created one itself.
async fn find_ca(cluster: LiveCluster<'_>, namespace: &str, cx: &Cx<'_, World>) -> Result<Value<ClusterCaRef>, Error> {
    let secret = cluster.get(&ObjectRef::namespaced(Kind::SECRET, namespace, trust::CACERTS)).await?;
    let Some(Ok(bundle)) = secret.as_ref().map(trust::read_cacerts) else { return Ok(Value::Null) };
    let mut roots = cx.world.authority.inspect_all(&bundle.roots)?.into_iter().map(|root| root.fingerprint);
    let root_fingerprint = roots.next().into();
    let further: Vec<_> = roots.collect();
    Ok(Value::Value(ClusterCaRef {
        cluster: Value::Value(cluster.key.to_string()),
        root_fingerprint,
        trusted_fingerprints: if further.is_empty() { Value::Null } else { crate::world::strings(&further) },
    }))
}

#[async_trait]
impl Discover for Cluster {
    async fn discover(cluster: &ClusterKey, cx: &Cx<'_, World>) -> Result<Vec<String>, Failure> {
        let istiods = cx.cluster(cluster).releases_of(None, &[ISTIOD_CHART]).await?;
        let named = istiods.into_iter().filter(|istiod| istiod.name == ISTIOD_RELEASE);
        Ok(named.map(|istiod| format!("{cluster}/{}", istiod.namespace)).collect())
    }
}
