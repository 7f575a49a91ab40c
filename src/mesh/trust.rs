//! SPIFFE identities, the Secrets of the root CA and of signing requests, and the Secret `cacerts` of each cluster's CA.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};

use super::{
    labels::{CA_RECORD, Owner, TRUST_RECORD},
    manifest::{annotated, manifest},
    names::{Namespace, ObjectName, ServiceAccountName, TrustDomain},
    rotation::TrustRecord,
};
use crate::{
    data::{CaBundle, CaPart, Certificate, Kind, ObjectRef, Secret, SigningRequest},
    istio::well_known,
};

/// The Secret of which istiod takes its CA.
pub const CACERTS: &str = well_known::CACERTS;

const CA_CERTIFICATE: &str = "ca-cert.pem";
const CA_KEY: &str = "ca-key.pem";
const CHAIN: &str = "cert-chain.pem";
const ROOTS: &str = "root-cert.pem";

/// The keys of a Secret of type `kubernetes.io/tls`.
const TLS_CERTIFICATE: &str = "tls.crt";
const TLS_KEY: &str = "tls.key";
const TLS_ROOTS: &str = "ca.crt";

/// The key of a signing request's Secret that holds the request.
const REQUEST: &str = "tls.csr";

/// A workload's identity: `spiffe://corp.local/ns/echo/sa/echo`.
pub fn spiffe_id(trust_domain: &TrustDomain, namespace: &Namespace, account: &ServiceAccountName) -> String {
    format!("spiffe://{trust_domain}/ns/{namespace}/sa/{account}")
}

/// Reads an identity of that form.
pub fn parse_spiffe_id(text: &str) -> Option<(TrustDomain, Namespace, ServiceAccountName)> {
    let (trust_domain, rest) = text.strip_prefix("spiffe://")?.split_once("/ns/")?;
    let (namespace, account) = rest.split_once("/sa/")?;
    Some((TrustDomain::parse(trust_domain).ok()?, Namespace::parse(namespace).ok()?, ServiceAccountName::parse(account).ok()?))
}

/// The root's Secret, with a record of what the root was made for.
pub fn root_secret(namespace: &Namespace, name: &ObjectName, root: &Certificate, record: &Json) -> Json {
    let data = json!({TLS_CERTIFICATE: STANDARD.encode(&root.certificate), TLS_KEY: STANDARD.encode(root.key.reveal())});
    let content = [("type", json!("kubernetes.io/tls")), ("data", data)];
    recorded(manifest(Kind::SECRET, Some(namespace), name.as_str(), &Owner::RootCa, &content), record)
}

/// The Secret of a signing request, with a record of what the request was made for.
pub fn request_secret(namespace: &Namespace, name: &ObjectName, request: &SigningRequest, record: &Json) -> Json {
    let data = json!({REQUEST: STANDARD.encode(&request.request), TLS_KEY: STANDARD.encode(request.key.reveal())});
    let content = [("type", json!("Opaque")), ("data", data)];
    recorded(manifest(Kind::SECRET, Some(namespace), name.as_str(), &Owner::CaRequest, &content), record)
}

/// Reads the Secret of a signing request.
///
/// # Errors
/// A sentence on the key that is missing or damaged.
pub fn read_request_secret(secret: &Json) -> Result<SigningRequest, String> {
    Ok(SigningRequest { request: text(secret, REQUEST)?, key: Secret::new(text(secret, TLS_KEY)?) })
}

fn recorded(secret: Json, record: &Json) -> Json {
    annotated(secret, &BTreeMap::from([(CA_RECORD, record.to_string())]))
}

/// Returns what the CA in a Secret was issued for; `None` if no release of the provider has recorded it.
pub fn ca_record(secret: &Json) -> Option<Json> {
    serde_json::from_str(secret["metadata"]["annotations"][CA_RECORD].as_str()?).ok()
}

/// Names what else writes a Secret, as far as it says so.
pub fn writer_of(secret: &Json) -> Option<String> {
    let metadata = &secret["metadata"];
    let owner = metadata["ownerReferences"].as_array().and_then(|owners| owners.first());
    if let Some(owner) = owner.and_then(|owner| Some(format!("{} {}", owner["kind"].as_str()?, owner["name"].as_str()?))) {
        return Some(owner);
    }
    if let Some(certificate) = metadata["annotations"]["cert-manager.io/certificate-name"].as_str() {
        return Some(format!("cert-manager's Certificate {certificate}"));
    }
    secret["data"][TLS_CERTIFICATE].is_string().then(|| format!("the writer of its key {TLS_CERTIFICATE}"))
}

/// The ConfigMap of a namespace with the roots that istiod serves.
pub fn served_roots(namespace: &str) -> ObjectRef {
    ObjectRef::namespaced(Kind::CONFIG_MAP, namespace, well_known::ROOT_CONFIG_MAP)
}

/// Reads the roots of that ConfigMap, PEM.
pub fn read_served_roots(served: &Json) -> Option<&str> {
    served["data"][ROOTS].as_str()
}

/// Reads the root's Secret.
///
/// # Errors
/// A sentence on the key that is missing or damaged.
pub fn read_root_secret(secret: &Json) -> Result<Certificate, String> {
    Ok(Certificate { certificate: text(secret, TLS_CERTIFICATE)?, key: Secret::new(text(secret, TLS_KEY)?) })
}

/// The bundle for istiod of an intermediate. `between` holds the certificates from the intermediate's issuer on towards the root, the root
/// not included; empty if the root itself is the issuer.
pub fn bundle(intermediate: &Certificate, between: &str, roots: &str) -> CaBundle {
    let mut chain = with_newline(&intermediate.certificate);
    if !between.trim().is_empty() {
        chain.push_str(&with_newline(between));
    }
    // A peer has the roots already. A single one follows by Istio's custom; of several, each handshake would carry them all.
    if roots.matches("-----BEGIN ").count() <= 1 {
        chain.push_str(&with_newline(roots));
    }
    CaBundle { certificate: intermediate.certificate.clone(), key: intermediate.key.clone(), chain, roots: roots.to_owned() }
}

/// The Secret `cacerts`, with a record of what the CA was issued for, and one of its roots. istiod needs all four keys: without one of them
/// it doesn't start.
pub fn cacerts_secret(namespace: &Namespace, bundle: &CaBundle, record: &Json, trust: &TrustRecord) -> Json {
    let data = json!({
        CA_CERTIFICATE: STANDARD.encode(&bundle.certificate),
        CA_KEY: STANDARD.encode(bundle.key.reveal()),
        ROOTS: STANDARD.encode(&bundle.roots),
        CHAIN: STANDARD.encode(&bundle.chain),
    });
    let content = [("type", json!("Opaque")), ("data", data)];
    let mut annotations = BTreeMap::from([(CA_RECORD, record.to_string())]);
    annotations.extend(trust.annotation().map(|record| (TRUST_RECORD, record)));
    annotated(manifest(Kind::SECRET, Some(namespace), CACERTS, &Owner::ClusterCa, &content), &annotations)
}

/// Reads the Secret `cacerts`, in either of the forms that istiod knows: its own with four keys, or, preferred if both are there, that of
/// cert-manager and other writers of `kubernetes.io/tls` Secrets.
///
/// # Errors
/// A sentence on the key that is missing or damaged.
pub fn read_cacerts(secret: &Json) -> Result<CaBundle, String> {
    if secret["data"][TLS_CERTIFICATE].is_string() {
        let certificate = text(secret, TLS_CERTIFICATE)?;
        let roots = text(secret, TLS_ROOTS)?;
        let chain = format!("{}{}", with_newline(&certificate), with_newline(&roots));
        return Ok(CaBundle { key: Secret::new(text(secret, TLS_KEY)?), certificate, chain, roots });
    }
    Ok(CaBundle {
        certificate: text(secret, CA_CERTIFICATE)?,
        key: Secret::new(text(secret, CA_KEY)?),
        chain: text(secret, CHAIN)?,
        roots: text(secret, ROOTS)?,
    })
}

/// The key of the Secret `cacerts` that holds a part of the bundle.
pub fn key_of(secret: &Json, part: CaPart) -> &'static str {
    match (part, secret["data"][TLS_CERTIFICATE].is_string()) {
        (CaPart::Certificate, false) => CA_CERTIFICATE,
        (CaPart::Key, false) => CA_KEY,
        (CaPart::Chain, false) => CHAIN,
        (CaPart::Roots, false) => ROOTS,
        (CaPart::Certificate | CaPart::Chain, true) => TLS_CERTIFICATE,
        (CaPart::Key, true) => TLS_KEY,
        (CaPart::Roots, true) => TLS_ROOTS,
    }
}

/// Reads istiod's ConfigMap `istio`, which holds the mesh's configuration as YAML.
pub fn mesh_config(config: &Json) -> Option<Json> {
    serde_saphyr::from_str(config["data"]["mesh"].as_str()?).ok()
}

/// Reads the trust domain of istiod's ConfigMap `istio`.
pub fn trust_domain_of_mesh_config(config: &Json) -> Option<TrustDomain> {
    let mesh = mesh_config(config)?;
    TrustDomain::parse(mesh["trustDomain"].as_str().unwrap_or(TrustDomain::DEFAULT)).ok()
}

fn with_newline(pem: &str) -> String {
    format!("{}\n", pem.trim_end())
}

fn text(secret: &Json, key: &str) -> Result<String, String> {
    let encoded = secret["data"][key].as_str().ok_or_else(|| format!("it has no key {key}."))?;
    let bytes = STANDARD.decode(encoded).map_err(|_| format!("its key {key} is not base64."))?;
    String::from_utf8(bytes).map_err(|_| format!("its key {key} is not valid UTF-8."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace() -> Namespace {
        Namespace::parse("istio-system").unwrap()
    }

    #[test]
    fn a_bundle_is_read_as_it_was_written() {
        let intermediate = Certificate { certificate: "INT".into(), key: Secret::new("KEY") };
        let bundle = bundle(&intermediate, "", "ROOT\n");
        let secret = cacerts_secret(&namespace(), &bundle, &json!({"roots": []}), &TrustRecord::default());
        assert_eq!(read_cacerts(&secret), Ok(bundle));
        assert_eq!(ca_record(&secret), Some(json!({"roots": []})));
        assert_eq!(writer_of(&secret), None);
        assert_eq!(STANDARD.decode(secret["data"]["cert-chain.pem"].as_str().unwrap()).unwrap(), b"INT\nROOT\n");
        assert_eq!(read_cacerts(&json!({"data": {}})).unwrap_err(), "it has no key ca-cert.pem.");
    }

    #[test]
    fn a_bundle_without_its_chain_is_damaged() {
        let intermediate = Certificate { certificate: "INT".into(), key: Secret::new("KEY") };
        let mut secret = cacerts_secret(&namespace(), &bundle(&intermediate, "", "ROOT"), &json!({}), &TrustRecord::default());
        secret["data"].as_object_mut().unwrap().remove("cert-chain.pem");
        assert_eq!(read_cacerts(&secret).unwrap_err(), "it has no key cert-chain.pem.");
    }

    #[test]
    fn a_chain_leads_from_the_intermediate_to_a_single_root() {
        let intermediate = Certificate { certificate: "INT".into(), key: Secret::new("KEY") };
        assert_eq!(bundle(&intermediate, "ISSUING\n", "ROOT").chain, "INT\nISSUING\nROOT\n");
        let two = "-----BEGIN CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\n";
        assert_eq!(bundle(&intermediate, "ISSUING", two).chain, "INT\nISSUING\n");
    }

    #[test]
    fn a_bundle_of_cert_manager_is_read_as_istiod_reads_it() {
        let data = json!({
            "tls.crt": STANDARD.encode("INT\nISSUING\n"), "tls.key": STANDARD.encode("KEY"), "ca.crt": STANDARD.encode("ROOT"),
            "ca-cert.pem": STANDARD.encode("IGNORED"),
        });
        let secret = json!({"data": data});
        let bundle = read_cacerts(&secret).unwrap();
        assert_eq!((bundle.certificate.as_str(), bundle.chain.as_str()), ("INT\nISSUING\n", "INT\nISSUING\nROOT\n"));
        assert_eq!((bundle.roots.as_str(), bundle.key.reveal()), ("ROOT", "KEY"));
        assert_eq!(key_of(&secret, CaPart::Roots), "ca.crt");
        assert_eq!(writer_of(&secret).as_deref(), Some("the writer of its key tls.crt"));
        let owned = json!({"metadata": {"ownerReferences": [{"kind": "ExternalSecret", "name": "cacerts"}]}});
        assert_eq!(writer_of(&owned).as_deref(), Some("ExternalSecret cacerts"));
        assert_eq!(key_of(&json!({}), CaPart::Roots), "root-cert.pem");
    }

    #[test]
    fn a_root_is_read_as_it_was_written() {
        let root = Certificate { certificate: "ROOT".into(), key: Secret::new("KEY") };
        let secret = root_secret(&namespace(), &ObjectName::parse("mesh-root-ca").unwrap(), &root, &json!({}));
        assert_eq!(read_root_secret(&secret), Ok(root));
    }

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let request = SigningRequest { request: "CSR".into(), key: Secret::new("KEY") };
        let secret = request_secret(&namespace(), &ObjectName::parse("cacerts-request").unwrap(), &request, &json!({}));
        assert_eq!(read_request_secret(&secret), Ok(request));
        assert_eq!(read_request_secret(&json!({"data": {}})).unwrap_err(), "it has no key tls.csr.");
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
        let (trust_domain, namespace, account) = parse_spiffe_id(&id).unwrap();
        assert_eq!(spiffe_id(&trust_domain, &namespace, &account), id);
        assert_eq!(parse_spiffe_id("spiffe://corp.local/echo"), None);
    }
}
