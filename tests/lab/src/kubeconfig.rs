//! The kubeconfigs of the clusters: one for each, and one with both as contexts.

use std::path::Path;

use anyhow::Result;
use base64::Engine as _;
use serde_json::{Value, json};

use crate::{cluster::ClusterName, command::write_file, pki::Pki};

/// How one user enters one cluster.
pub(crate) struct Access<'a> {
    pub(crate) cluster: ClusterName,
    pub(crate) pki: &'a Pki,
    /// The name of the credentials in the cluster's PKI.
    pub(crate) user: &'a str,
}

/// Writes a kubeconfig with a context for each access; the first is the current one. JSON is YAML too.
pub(crate) fn write(file: &Path, accesses: &[Access<'_>]) -> Result<()> {
    let (mut clusters, mut users, mut contexts) = (Vec::new(), Vec::new(), Vec::new());
    for Access { cluster, pki, user } in accesses {
        let name = cluster.to_string();
        let login = format!("{name}-{user}");
        clusters.push(json!({"name": name, "cluster": {
            "server": cluster.server(),
            "certificate-authority-data": base64(&pki.read("ca.crt")?),
        }}));
        users.push(json!({"name": login, "user": {
            "client-certificate-data": base64(&pki.read(&format!("{user}.crt"))?),
            "client-key-data": base64(&pki.read(&format!("{user}.key"))?),
        }}));
        contexts.push(json!({"name": name, "context": {"cluster": name, "user": login}}));
    }
    let current = accesses.first().map(|access| access.cluster.to_string());
    let config: Value = json!({
        "apiVersion": "v1", "kind": "Config",
        "clusters": clusters, "users": users, "contexts": contexts, "current-context": current,
    });
    write_file(file, serde_json::to_vec_pretty(&config)?)
}

fn base64(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}
