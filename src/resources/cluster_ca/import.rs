//! Finding CAs of clusters, and reading the attributes of `mesh_cluster_ca` off them.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::Value as Json;

use super::{
    super::authority::{default_common_name, parse_subject},
    ClusterCa, ClusterCaModel, RENEW_BEFORE_DAYS,
    request::find_request,
    root::find_root,
};
use crate::{
    data::{CaBundle, CertificateFacts, KeyAlgorithm, Kind, ObjectRef},
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
    let damaged =
        |problem: String| Error::new("Damaged cluster CA", format!("{secret} of cluster \"{cluster}\" can't be imported: {problem}"));
    let bundle = trust::read_cacerts(&live).map_err(damaged)?;
    let facts = cx.world.authority.inspect(&bundle.certificate).map_err(|failure| damaged(failure.why))?;
    let roots = cx.world.authority.inspect_all(&bundle.roots).map_err(|failure| damaged(failure.why))?;
    let is_external = trust::writer_of(&live).is_some();
    let record = trust::ca_record(&live).unwrap_or_default();
    // Which roots are further ones is recorded; without a record all of them are the CA's own.
    let is_own =
        |root: &&CertificateFacts| record["roots"].as_array().is_none_or(|own| own.iter().any(|own| *own == root.fingerprint.as_str()));
    let (own, trusted): (Vec<_>, Vec<_>) = roots.iter().partition(is_own);
    let root_ca = match own.as_slice() {
        [root] if !is_external => find_root(&root.fingerprint, cx).await,
        _ => Value::Null,
    };
    let pem = |roots: &[&CertificateFacts]| roots.iter().map(|root| root.pem.clone()).collect::<Vec<_>>();
    // What a configuration can't say of a CA that something else made, such as a subject without an organization, is left at its default.
    let validity_days = (facts.not_after - facts.not_before).whole_days();
    let is_ready_made = !is_external && record["ready_made"] == true;
    let is_issued = !is_external && !is_ready_made;
    let root_ca = if is_ready_made { Value::Null } else { root_ca };
    let is_default_name = facts.common_name == default_common_name(&cluster);
    Ok(ClusterCaModel {
        cluster: Value::Value(cluster.to_string()),
        namespace: Value::Value(namespace),
        root_certificate: (root_ca.is_null() && !is_external)
            .then(|| if trusted.is_empty() { bundle.roots.clone() } else { pem(&own).concat() })
            .into(),
        root_ca,
        trusted_roots: if trusted.is_empty() || is_external { Value::Null } else { crate::world::strings(&pem(&trusted)) },
        force_root_change: Value::Null,
        external: if is_external { Value::Value(true) } else { Value::Null },
        intermediate_certificate: is_ready_made.then(|| facts.pem.clone()).into(),
        request: if is_ready_made { find_request(&cluster, &bundle.key, cx).await } else { Value::Null },
        intermediate_private_key_wo: Value::Null,
        intermediate_private_key_wo_version: Value::Null,
        intermediate_chain: is_ready_made.then(|| inner_chain(&bundle, cx)).flatten().into(),
        // The key of a root is in no cluster, or stays there.
        root_private_key_wo: Value::Null,
        root_private_key_wo_version: Value::Null,
        common_name: if is_default_name || !is_issued || parse_subject(&facts.common_name).is_err() {
            Value::Null
        } else {
            Value::Value(facts.common_name)
        },
        organization: Some(facts.organization).filter(|text| is_issued && parse_subject(text).is_ok()).into(),
        validity_days: Some(validity_days).filter(|days| is_issued && *days > RENEW_BEFORE_DAYS).into(),
        renew_before_days: Value::Null,
        warn_before_days: Value::Null,
        key_algorithm: if is_issued { key_algorithm(&facts.algorithm, &record) } else { Value::Null },
        certificate: Value::Null,
        fingerprint: Value::Null,
        root_fingerprint: Value::Null,
        trusted_fingerprints: Value::Null,
        expires_at: Value::Null,
        drift: Value::Null,
        timeouts: Value::Null,
    })
}

/// Returns the certificates between a CA and its root, PEM; `None` if there are none.
fn inner_chain(bundle: &CaBundle, cx: &Cx<'_, World>) -> Option<String> {
    let read = |text: &str| cx.world.authority.inspect_all(text).unwrap_or_default();
    let ends: Vec<_> = read(&bundle.roots).into_iter().chain(read(&bundle.certificate).into_iter().take(1)).collect();
    let inner = read(&bundle.chain).into_iter().filter(|facts| ends.iter().all(|end| end.fingerprint != facts.fingerprint));
    Some(inner.map(|facts| facts.pem).collect::<String>()).filter(|chain| !chain.is_empty())
}

/// Returns the algorithm of a CA's key, unless it is the default, or none that the provider would generate.
fn key_algorithm(found: &str, record: &Json) -> Value<String> {
    let recorded = record["key_algorithm"].as_str().and_then(|name| KeyAlgorithm::parse(name).ok());
    let algorithm = recorded.or_else(|| KeyAlgorithm::parse(&found.replace(' ', "-").replace("P-", "P")).ok());
    algorithm.filter(|algorithm| *algorithm != KeyAlgorithm::default()).map(|algorithm| algorithm.name().to_owned()).into()
}

/// Returns the namespaces of a cluster that have a CA: one of this provider, or one that istiod reads.
pub(super) async fn namespaces_with_a_ca(cluster: &ClusterKey, cx: &Cx<'_, World>) -> Result<BTreeSet<String>, Failure> {
    let (ours, cluster) = (Owner::ClusterCa.selector(), cx.cluster(cluster));
    let (secrets, istiods) = tokio::try_join!(cluster.list(Kind::SECRET, None, &ours), cluster.releases_of(None, &[ISTIOD_CHART]))?;
    let mut namespaces: BTreeSet<_> =
        secrets.iter().filter_map(|secret| secret["metadata"]["namespace"].as_str().map(str::to_owned)).collect();
    for istiod in istiods {
        let secret = ObjectRef::namespaced(Kind::SECRET, &istiod.namespace, trust::CACERTS);
        if cluster.get(&secret).await?.is_some() {
            namespaces.insert(istiod.namespace);
        }
    }
    Ok(namespaces)
}

#[async_trait]
impl Discover for ClusterCa {
    async fn discover(cluster: &ClusterKey, cx: &Cx<'_, World>) -> Result<Vec<String>, Failure> {
        // Where istiod is, its CA may be somebody else's: that is what an import is for.
        Ok(namespaces_with_a_ca(cluster, cx).await?.into_iter().map(|namespace| format!("{cluster}/{namespace}")).collect())
    }
}
