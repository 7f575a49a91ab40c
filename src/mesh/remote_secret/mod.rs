//! A remote secret: what istiod of one cluster needs to read the Services and endpoints of another one. One Secret, with a kubeconfig in it.

mod kubeconfig;
mod replica;
mod server;
mod token;
mod token_secret;

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};

pub use crate::istio::well_known::{CLUSTERS_PAGE, ISTIOD_CONTAINER, ISTIOD_DEBUG_PORT, ISTIOD_PODS, NETWORKS_PAGE, REMOTE_SECRETS};
pub use kubeconfig::Kubeconfig;
pub use replica::{Reading, loses_endpoints, reading, replicas, told, version};
pub use server::ServerUrl;
pub use token::{RemoteGateway, Token, TokenPolicy, TokenRecord};
pub use token_secret::TokenSecret;

use super::{
    labels::{self, Owner, REMOTE_RECORD},
    manifest::{annotated, manifest},
    names::{ClusterKey, Namespace, ObjectName, ServiceAccountName, fnv1a, hashed},
};
use crate::{
    data::{Kind, ObjectRef, Secret},
    istio::well_known::{READER_ACCOUNT, REMOTE_CLUSTER, REMOTE_SECRET_PREFIX},
};

/// A service account of the cluster that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: ServiceAccountName,
}

impl Account {
    /// The name of the account that Istio's chart `base` makes.
    pub const DEFAULT: &str = READER_ACCOUNT;

    /// Returns the reference of the account.
    pub fn object(&self) -> ObjectRef {
        ObjectRef::namespaced(Kind::SERVICE_ACCOUNT, self.namespace.as_str(), self.name.as_str())
    }
}

/// Which Secret it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The namespace, which is istiod's.
    pub namespace: Namespace,
    /// The key, in the provider's `clusters`, of the cluster that is read.
    pub remote: ClusterKey,
    /// Istio's name for that cluster.
    pub name: ClusterKey,
}

impl Place {
    /// Returns the reference of the Secret. Its name is the one that `istioctl create-remote-secret` gives it.
    pub fn object(&self) -> ObjectRef {
        ObjectRef::namespaced(Kind::SECRET, self.namespace.as_str(), format!("{REMOTE_SECRET_PREFIX}{}", slug(self.name.as_str())))
    }

    /// Returns the manifest of the Secret.
    pub fn manifest(&self, kubeconfig: &Kubeconfig, record: &TokenRecord) -> Json {
        let data = json!({self.name.as_str(): STANDARD.encode(kubeconfig.render(&self.name).reveal())});
        let content = [("type", json!("Opaque")), ("data", data)];
        let mut manifest =
            manifest(Kind::SECRET, Some(&self.namespace), &self.object().name, &Owner::RemoteSecret(self.remote.clone()), &content);
        manifest["metadata"]["labels"][REMOTE_SECRETS] = "true".into();
        annotated(manifest, &BTreeMap::from([(REMOTE_CLUSTER, self.name.to_string()), (REMOTE_RECORD, record.render())]))
    }
}

/// A Secret of a cluster, as far as it is a remote secret.
#[derive(Clone, Debug)]
pub struct Live {
    /// The names of the clusters that it leads to, each with its kubeconfig if that can be read.
    clusters: BTreeMap<String, Option<Kubeconfig>>,
    /// What was recorded of its token.
    pub record: Option<TokenRecord>,
    is_ours: bool,
    is_read_by_istiod: bool,
    annotation: Option<String>,
}

impl Live {
    /// Reads a Secret.
    pub fn read(secret: &Json) -> Self {
        let metadata = &secret["metadata"];
        let clusters = secret["data"].as_object().into_iter().flatten().map(|(name, data)| {
            let text = data.as_str().and_then(|data| String::from_utf8(STANDARD.decode(data).ok()?).ok());
            (name.clone(), text.and_then(|text| Kubeconfig::read(&text)))
        });
        Self {
            clusters: clusters.collect(),
            record: metadata["annotations"][REMOTE_RECORD].as_str().and_then(TokenRecord::read),
            is_ours: labels::is_ours(secret),
            is_read_by_istiod: metadata["labels"][REMOTE_SECRETS] == "true",
            annotation: metadata["annotations"][REMOTE_CLUSTER].as_str().map(str::to_owned),
        }
    }

    /// Returns the cluster that it leads to, by Istio's name, if that is just one.
    pub fn only(&self) -> Option<(&str, &Kubeconfig)> {
        let mut clusters = self.clusters.iter();
        match (clusters.next(), clusters.next()) {
            (Some((name, Some(kubeconfig))), None) => Some((name, kubeconfig)),
            _ => None,
        }
    }

    /// Returns the names of the clusters that it leads to beside the one that is meant.
    pub fn others(&self, place: &Place) -> Vec<&str> {
        self.clusters.keys().map(String::as_str).filter(|name| *name != place.name.as_str()).collect()
    }

    /// Returns the token in it, if it is the one that was recorded.
    pub fn token(&self, place: &Place) -> Option<Token> {
        let kubeconfig = self.clusters.get(place.name.as_str())?.as_ref()?;
        let record = self.record.clone().filter(|record| self.is_ours && record.check == check(&kubeconfig.token))?;
        Some(Token { token: kubeconfig.token.clone(), issued_at: record.issued_at, expires_at: record.expires_at })
    }

    /// Describes how it differs from what is wanted, a line each. Of the token only that it is another one is said. `None` for a server that
    /// isn't known yet.
    pub fn differences(&self, place: &Place, wanted: Option<&Kubeconfig>) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.is_ours {
            lines.push("its label says that this provider doesn't manage it".to_owned());
        }
        if !self.is_read_by_istiod {
            lines.push(format!("metadata.labels[\"{REMOTE_SECRETS}\"]: it is not \"true\", so istiod doesn't read it"));
        }
        if self.annotation.as_deref() != Some(place.name.as_str()) {
            lines.push(format!("metadata.annotations[\"{REMOTE_CLUSTER}\"]: \"{}\" wanted", place.name));
        }
        lines.extend(self.others(place).into_iter().map(|name| format!("data.{name}: it was added")));
        match self.clusters.get(place.name.as_str()) {
            None => lines.push(format!("data.{}: it is gone", place.name)),
            Some(None) => lines.push(format!("data.{}: it is not a kubeconfig with a token", place.name)),
            Some(Some(found)) => {
                lines.extend(wanted.map(|wanted| wanted.differences(found)).unwrap_or_default());
                if self.token(place).is_none() {
                    lines.push("the token: it is not the one that was written".to_owned());
                }
            }
        }
        lines
    }
}

/// Returns a name as an object may have it. A cluster's may have capitals and underscores.
fn slug(name: &str) -> String {
    if ObjectName::parse(name).is_ok() { name.to_owned() } else { hashed(&name.to_ascii_lowercase().replace('_', "-"), name) }
}

/// Returns a number by which a token is recognized. It says nothing of the token, which is longer and random.
pub fn check(token: &Secret) -> String {
    format!("{:016x}", fnv1a(token.reveal().as_bytes()))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn place(name: &str) -> Place {
        let key = |text| ClusterKey::parse(text).unwrap();
        Place { namespace: Namespace::parse("istio-system").unwrap(), remote: key("europe"), name: key(name) }
    }

    fn kubeconfig(token: &str) -> Kubeconfig {
        Kubeconfig {
            server: "https://eu.example.com:6443".to_owned(),
            ca_certificate: Some("-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n".to_owned()),
            tls_server_name: None,
            token: Secret::new(token),
        }
    }

    fn record(token: &str) -> TokenRecord {
        TokenRecord {
            account: Account { namespace: Namespace::parse("istio-system").unwrap(), name: ServiceAccountName::parse("reader").unwrap() },
            lifetime_hours: 24,
            rotation: Some(1),
            issued_at: datetime!(2030-01-01 00:00 UTC),
            expires_at: Some(datetime!(2030-01-02 00:00 UTC)),
            check: check(&Secret::new(token)),
            gateway: Some(RemoteGateway { cluster: "europe".to_owned(), addresses: vec!["198.51.100.9".to_owned()] }),
        }
    }

    #[test]
    fn a_secret_is_as_istioctl_makes_it_and_is_read_back() {
        let place = place("eu");
        let manifest = place.manifest(&kubeconfig("t0ken"), &record("t0ken"));
        assert_eq!(manifest["metadata"]["name"], "istio-remote-secret-eu");
        assert_eq!(manifest["metadata"]["labels"]["istio/multiCluster"], "true");
        assert_eq!(manifest["metadata"]["annotations"]["networking.istio.io/cluster"], "eu");
        assert!(!manifest["metadata"].to_string().contains("t0ken"));
        let live = Live::read(&manifest);
        assert_eq!(live.only().unwrap(), ("eu", &kubeconfig("t0ken")));
        assert_eq!(live.record, Some(record("t0ken")));
        assert_eq!(live.token(&place).unwrap().token.reveal(), "t0ken");
        assert_eq!(live.differences(&place, Some(&kubeconfig("t0ken"))), [""; 0]);
    }

    #[test]
    fn each_manual_change_is_described_without_the_token() {
        let place = place("eu");
        let changed = |change: &dyn Fn(&mut Json)| {
            let mut secret = place.manifest(&kubeconfig("t0ken"), &record("t0ken"));
            change(&mut secret);
            let lines = Live::read(&secret).differences(&place, Some(&kubeconfig("t0ken"))).join("\n");
            assert!(!lines.contains("t0ken") && !lines.contains("0ther"), "{lines}");
            lines
        };
        let encoded = |kubeconfig: &Kubeconfig| json!(STANDARD.encode(kubeconfig.render(&place.name).reveal()));
        let moved = Kubeconfig { server: "https://elsewhere".to_owned(), ca_certificate: None, ..kubeconfig("t0ken") };
        let lines = changed(&|secret| secret["data"]["eu"] = encoded(&moved));
        assert!(
            lines.contains("\"https://eu.example.com:6443\" wanted, \"https://elsewhere\" found") && lines.contains("certificate"),
            "{lines}"
        );
        assert_eq!(
            changed(&|secret| secret["data"]["eu"] = encoded(&kubeconfig("0ther"))),
            "the token: it is not the one that was written"
        );
        assert_eq!(changed(&|secret| secret["data"]["eu"] = json!("!")), "data.eu: it is not a kubeconfig with a token");
        assert_eq!(changed(&|secret| secret["data"] = json!({})), "data.eu: it is gone");
        assert_eq!(changed(&|secret| secret["data"]["ap"] = json!("")), "data.ap: it was added");
        assert!(changed(&|secret| secret["metadata"]["labels"] = json!({})).contains("istiod doesn't read it"));
        assert!(
            changed(&|secret| secret["metadata"]["annotations"]["networking.istio.io/cluster"] = json!("us")).contains("\"eu\" wanted")
        );
    }

    #[test]
    fn names_of_clusters_that_no_object_can_have_dont_meet() {
        let name = |text| place(text).object().name;
        assert_eq!(name("eu"), "istio-remote-secret-eu");
        assert!(name("EU_1") != name("eu_1") && ObjectName::parse(&name("EU_1")).is_ok());
    }
}
