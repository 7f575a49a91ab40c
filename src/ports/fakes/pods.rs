//! Pods of istiod that have read every remote secret at once, unless a test lets them answer otherwise; and API servers with addresses.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use framework::Deadline;
use serde_json::json;

use super::FakeObjects;
use crate::{
    data::{Kind, ObjectRef},
    ports::{ApiServer, ApiServers, Failure, Objects as _, Pods},
};

/// What pods and API servers are said to be, by cluster.
#[derive(Default)]
pub(super) struct Scripted {
    /// What each pod answers.
    answers: Mutex<BTreeMap<String, Result<String, Failure>>>,
    /// What each pod has logged.
    log: Mutex<String>,
    /// API servers that aren't the usual ones.
    servers: Mutex<BTreeMap<String, ApiServer>>,
}

impl FakeObjects {
    /// From now on the pods of a cluster answer this.
    pub fn let_answer(&self, cluster: &str, answer: Result<String, Failure>) {
        self.scripted.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(cluster.to_owned(), answer);
    }

    /// From now on this is in the log of each pod.
    pub fn set_log(&self, log: &str) {
        log.clone_into(&mut self.scripted.log.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// From now on the provider's configuration has this API server.
    pub fn set_api_server(&self, cluster: &str, server: ApiServer) {
        self.scripted.servers.lock().unwrap_or_else(PoisonError::into_inner).insert(cluster.to_owned(), server);
    }
}

#[async_trait]
impl Pods for FakeObjects {
    async fn ask(&self, cluster: &str, pod: &ObjectRef, _: u16, _: &str, deadline: &Deadline) -> Result<String, Failure> {
        if let Some(answer) = self.scripted.answers.lock().unwrap_or_else(PoisonError::into_inner).get(cluster) {
            return answer.clone();
        }
        let secrets = self.list(cluster, Kind::SECRET, pod.namespace.as_deref(), "istio/multiCluster=true", deadline).await?;
        let known = secrets.iter().flat_map(|secret| {
            let name =
                format!("{}/{}", pod.namespace.as_deref().unwrap_or_default(), secret["metadata"]["name"].as_str().unwrap_or_default());
            let keys = secret["data"].as_object().into_iter().flatten().map(|(key, _)| key.clone());
            keys.map(move |key| json!({"id": key, "secretName": name, "syncStatus": "synced"}))
        });
        Ok(json!(known.collect::<Vec<_>>()).to_string())
    }

    async fn log(&self, _: &str, _: &ObjectRef, _: &str, _: u32, _: &Deadline) -> Result<String, Failure> {
        Ok(self.scripted.log.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl ApiServers for FakeObjects {
    fn api_server(&self, cluster: &str) -> Result<ApiServer, Failure> {
        let usual = || ApiServer {
            url: format!("https://{cluster}.example.com:6443"),
            ca_certificate: Some(format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(cluster))),
            tls_server_name: None,
            is_insecure: false,
        };
        Ok(self.scripted.servers.lock().unwrap_or_else(PoisonError::into_inner).get(cluster).cloned().unwrap_or_else(usual))
    }
}
