//! What the trust of the mesh consists of: identities, the root's Secret, and each cluster's bundle for istiod.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};

use super::{
    labels::Owner,
    manifest::manifest,
    names::{Namespace, ObjectName, ServiceAccountName, TrustDomain},
};
use crate::{
    data::{Certificate, Kind, Secret},
    istio::well_known,
};

/// The Secret of which istiod takes its CA.
pub const CACERTS: &str = well_known::CACERTS;

const ROOT_CERTIFICATE: &str = "tls.crt";
const ROOT_KEY: &str = "tls.key";

/// A workload's identity: `spiffe://corp.local/ns/echo/sa/echo`.
pub fn spiffe_id(trust_domain: &TrustDomain, namespace: &Namespace, account: &ServiceAccountName) -> String {
    format!("spiffe://{trust_domain}/ns/{namespace}/sa/{account}")
}

/// What istiod of one cluster signs with, and what it trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterBundle {
    /// The intermediate's certificate, PEM.
    pub certificate: String,
    /// Its key, PEM.
    pub key: Secret,
    /// The root's certificate, PEM.
    pub root_certificate: String,
}

/// The root's Secret.
pub fn root_secret(namespace: &Namespace, name: &ObjectName, root: &Certificate) -> Json {
    let data = json!({ROOT_CERTIFICATE: STANDARD.encode(&root.certificate), ROOT_KEY: STANDARD.encode(root.key.reveal())});
    manifest(Kind::SECRET, Some(namespace), name.as_str(), &Owner::RootCa, &[("type", json!("kubernetes.io/tls")), ("data", data)])
}

/// Reads the root's Secret.
///
/// # Errors
/// A sentence on the key that is missing or damaged.
pub fn read_root_secret(secret: &Json) -> Result<Certificate, String> {
    Ok(Certificate { certificate: text(secret, ROOT_CERTIFICATE)?, key: Secret::new(text(secret, ROOT_KEY)?) })
}

/// The Secret `cacerts`. istiod wants all four keys: without one of them it doesn't start.
pub fn cacerts_secret(namespace: &Namespace, bundle: &ClusterBundle) -> Json {
    let chain = format!("{}{}", with_newline(&bundle.certificate), with_newline(&bundle.root_certificate));
    let data = json!({
        "ca-cert.pem": STANDARD.encode(&bundle.certificate),
        "ca-key.pem": STANDARD.encode(bundle.key.reveal()),
        "root-cert.pem": STANDARD.encode(&bundle.root_certificate),
        "cert-chain.pem": STANDARD.encode(chain),
    });
    manifest(Kind::SECRET, Some(namespace), CACERTS, &Owner::ClusterCa, &[("type", json!("Opaque")), ("data", data)])
}

/// Reads the Secret `cacerts`.
///
/// # Errors
/// A sentence on the key that is missing or damaged.
pub fn read_cacerts(secret: &Json) -> Result<ClusterBundle, String> {
    Ok(ClusterBundle {
        certificate: text(secret, "ca-cert.pem")?,
        key: Secret::new(text(secret, "ca-key.pem")?),
        root_certificate: text(secret, "root-cert.pem")?,
    })
}

/// The trust domain in istiod's ConfigMap `istio`, which holds the mesh's configuration as YAML.
pub fn trust_domain_of_mesh_config(config: &Json) -> Option<TrustDomain> {
    let mesh: Json = serde_saphyr::from_str(config["data"]["mesh"].as_str()?).ok()?;
    TrustDomain::parse(mesh["trustDomain"].as_str().unwrap_or("cluster.local")).ok()
}

fn with_newline(pem: &str) -> String {
    format!("{}\n", pem.trim_end())
}

fn text(secret: &Json, key: &str) -> Result<String, String> {
    let encoded = secret["data"][key].as_str().ok_or_else(|| format!("it has no key {key}."))?;
    let bytes = STANDARD.decode(encoded).map_err(|_| format!("its key {key} is not base64."))?;
    String::from_utf8(bytes).map_err(|_| format!("its key {key} is no text."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace() -> Namespace {
        Namespace::parse("istio-system").unwrap()
    }

    #[test]
    fn a_bundle_is_read_as_it_was_written() {
        let bundle = ClusterBundle { certificate: "INT".into(), key: Secret::new("KEY"), root_certificate: "ROOT\n".into() };
        let secret = cacerts_secret(&namespace(), &bundle);
        assert_eq!(read_cacerts(&secret), Ok(bundle));
        assert_eq!(STANDARD.decode(secret["data"]["cert-chain.pem"].as_str().unwrap()).unwrap(), b"INT\nROOT\n");
        assert_eq!(read_cacerts(&json!({"data": {}})).unwrap_err(), "it has no key ca-cert.pem.");
    }

    #[test]
    fn a_root_is_read_as_it_was_written() {
        let root = Certificate { certificate: "ROOT".into(), key: Secret::new("KEY") };
        let secret = root_secret(&namespace(), &ObjectName::parse("mesh-root-ca").unwrap(), &root);
        assert_eq!(read_root_secret(&secret), Ok(root));
    }

    #[test]
    fn the_trust_domain_stands_in_the_mesh_configuration() {
        let config = json!({"data": {"mesh": "defaultConfig: {}\ntrustDomain: corp.local\n"}});
        assert_eq!(trust_domain_of_mesh_config(&config).unwrap().as_str(), "corp.local");
        assert_eq!(trust_domain_of_mesh_config(&json!({"data": {"mesh": "{}"}})).unwrap().as_str(), "cluster.local");
        assert_eq!(trust_domain_of_mesh_config(&json!({})), None);
    }

    #[test]
    fn an_identity_is_a_spiffe_id() {
        let id = spiffe_id(
            &TrustDomain::parse("corp.local").unwrap(),
            &Namespace::parse("echo").unwrap(),
            &ServiceAccountName::parse("echo").unwrap(),
        );
        assert_eq!(id, "spiffe://corp.local/ns/echo/sa/echo");
    }
}
