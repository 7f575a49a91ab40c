//! Endpoint discovery: the remote secrets of a cluster, and whether istiod reads other clusters by them.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use time::OffsetDateTime;

use super::Objects;
use crate::{
    istio::well_known::REMOTE_CLUSTER,
    mesh::{
        labels::{self, REMOTE_RECORD},
        names::{ClusterKey, Namespace},
        remote_secret::{Place, Reading, TokenRecord, reading},
    },
};

/// A cluster that istiod discovers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveredCluster {
    /// Istio's name for it; that of the Secret if only the data have it.
    pub name: String,
    /// Its key in the provider's `clusters`, if it is one of them; where the Secret doesn't tell, Istio's name is taken for it.
    pub key: Option<ClusterKey>,
    /// `NAMESPACE/NAME` of the Secret.
    pub secret: String,
    /// For when its token is valid; `None` if it never ends, or that isn't recorded, as `istioctl` doesn't.
    pub token: Option<(OffsetDateTime, OffsetDateTime)>,
    /// By pod of istiod: whether it reads the cluster, or why it couldn't be asked. Empty if none may be asked.
    pub readings: BTreeMap<String, Result<Reading, String>>,
}

pub(super) fn of(objects: &Objects) -> Option<Vec<DiscoveredCluster>> {
    Some(objects.remote_secrets.as_ref()?.iter().filter_map(|secret| discovered(secret, &objects.clusters_pages)).collect())
}

fn discovered(secret: &Json, pages: &BTreeMap<String, Result<String, String>>) -> Option<DiscoveredCluster> {
    let metadata = &secret["metadata"];
    let (namespace, secret_name) = (metadata["namespace"].as_str()?, metadata["name"].as_str()?);
    let name = metadata["annotations"][REMOTE_CLUSTER].as_str().unwrap_or(secret_name);
    // Of a Secret with a name of its own istiod's answer can't be told from that for another Secret.
    let place = place(namespace, name).filter(|place| place.object().name == secret_name);
    let of_namespace = |place: Place| {
        let pages = pages.iter().filter(|(pod, _)| pod.split('/').next() == Some(namespace));
        pages.map(move |(pod, page)| (pod.clone(), page.as_ref().map(|page| reading(page, &place)).map_err(String::clone)))
    };
    let readings = place.into_iter().flat_map(of_namespace);
    let record = metadata["annotations"][REMOTE_RECORD].as_str().and_then(TokenRecord::read);
    Some(DiscoveredCluster {
        name: name.to_owned(),
        key: labels::remote_of(secret).or_else(|| ClusterKey::parse(name).ok()),
        secret: format!("{namespace}/{secret_name}"),
        token: record.and_then(|record| Some((record.issued_at, record.expires_at?))),
        readings: readings.collect(),
    })
}

fn place(namespace: &str, name: &str) -> Option<Place> {
    let key = ClusterKey::parse(name).ok()?;
    Some(Place { namespace: Namespace::parse(namespace).ok()?, remote: key.clone(), name: key })
}
