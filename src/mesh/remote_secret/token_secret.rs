//! The Secret of a token that never ends. Kubernetes made one for each service account before 1.24, and still fills those that are asked for.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};

use super::{Account, slug};
use crate::{
    data::{Kind, ObjectRef, Secret},
    mesh::{
        labels::{self, Owner, reader_of},
        manifest::{annotated, manifest},
        names::ClusterKey,
    },
};

/// The annotation by which Kubernetes knows whose token it is.
const ACCOUNT: &str = "kubernetes.io/service-account.name";

/// Which Secret it is, in the cluster that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSecret {
    /// Whose token it is.
    pub account: Account,
    /// The key of the cluster that reads by it.
    pub reader: ClusterKey,
    /// The number that a user raises for a new token, which is in a Secret of its own: the former one is valid until nobody uses it.
    pub rotation: Option<i64>,
}

impl TokenSecret {
    /// Returns the reference of the Secret.
    pub fn object(&self) -> ObjectRef {
        let rotation = self.rotation.map(|rotation| format!("-{rotation}")).unwrap_or_default();
        let name = slug(&format!("{}-{}{rotation}", self.account.name, self.reader));
        ObjectRef::namespaced(Kind::SECRET, self.account.namespace.as_str(), name)
    }

    /// Returns the manifest of the Secret. Kubernetes adds the token.
    pub fn manifest(&self) -> Json {
        let content = [("type", json!("kubernetes.io/service-account-token"))];
        let owner = Owner::ReaderToken(self.reader.clone());
        let manifest = manifest(Kind::SECRET, Some(&self.account.namespace), &self.object().name, &owner, &content);
        annotated(manifest, &BTreeMap::from([(ACCOUNT, self.account.name.to_string())]))
    }

    /// Whether a Secret is this one.
    pub fn is(&self, live: &Json) -> bool {
        let is_of_account = live["metadata"]["annotations"][ACCOUNT] == self.account.name.as_str();
        labels::is_ours(live) && reader_of(live).as_ref() == Some(&self.reader) && is_of_account
    }

    /// Returns the token in a Secret; `None` until Kubernetes has added it.
    pub fn token(live: &Json) -> Option<Secret> {
        let data = STANDARD.decode(live["data"]["token"].as_str().filter(|data| !data.is_empty())?).ok()?;
        Some(Secret::new(String::from_utf8(data).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::names::{Namespace, ServiceAccountName};

    fn secret(reader: &str, rotation: Option<i64>) -> TokenSecret {
        let account = Account { namespace: Namespace::parse("istio-system").unwrap(), name: ServiceAccountName::parse("reader").unwrap() };
        TokenSecret { account, reader: ClusterKey::parse(reader).unwrap(), rotation }
    }

    #[test]
    fn each_reader_and_each_rotation_has_a_secret_of_its_own() {
        let name = |reader, rotation| secret(reader, rotation).object().name;
        assert_eq!((name("us", None).as_str(), name("us", Some(2)).as_str()), ("reader-us", "reader-us-2"));
        assert_ne!(name("US", None), name("us", None));
        let manifest = secret("us", None).manifest();
        assert_eq!(manifest["metadata"]["annotations"]["kubernetes.io/service-account.name"], "reader");
        assert!(secret("us", None).is(&manifest) && !secret("eu", None).is(&manifest));
        assert!(!secret("us", None).is(&json!({"metadata": {"labels": {}}})));
    }

    #[test]
    fn a_token_is_read_once_it_is_there() {
        let mut live = secret("us", None).manifest();
        assert!(TokenSecret::token(&live).is_none());
        live["data"] = json!({"token": STANDARD.encode("t0ken")});
        assert_eq!(TokenSecret::token(&live).unwrap().reveal(), "t0ken");
    }
}
