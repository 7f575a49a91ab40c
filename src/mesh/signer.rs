//! The CA that istiod signs with: it has issued istiod's own certificate, which istiod presents together with those of its issuers, and obtains
//! anew as soon as it takes up another CA.
//!
//! Source: Istio, `updateRootCertAndGenKeyCert` in `pilot/pkg/bootstrap/istio_ca.go`.

use serde_json::Value as Json;

pub use crate::istio::well_known::ISTIOD_PODS;

use super::pod;
use crate::data::{CertificateFacts, ObjectRef};

/// The port at which istiod signs and serves configuration.
pub const PORT: u16 = 15012;

/// Returns the pods of istiod that serve.
pub fn serving(pods: &[Json]) -> Vec<ObjectRef> {
    pods.iter().filter(|pod| pod::is_serving(pod)).filter_map(|pod| ObjectRef::of(pod, "")).collect()
}

/// Returns the issuer of the first certificate among those that were presented with it, and the roots; `None` if it is none of them.
pub fn of<'a>(presented: &'a [CertificateFacts], roots: &'a [CertificateFacts]) -> Option<&'a CertificateFacts> {
    let (own, issuers) = presented.split_first()?;
    issuers.iter().chain(roots).find(|issuer| issuer.subject.der == own.issuer.der)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mesh::inventory::fixture;

    #[test]
    fn the_issuer_of_istiods_certificate_signs() {
        let named = |subject: &str, issuer: &str| {
            let mut facts = fixture::certificate(subject, time::macros::datetime!(2040-01-01 00:00 UTC));
            (facts.subject.der, facts.issuer.der) = (subject.into(), issuer.into());
            facts
        };
        let (own, intermediate, root) = (named("istiod", "int"), named("int", "root"), named("root", "root"));
        let roots = [root.clone()];
        let found = |presented: &[CertificateFacts]| of(presented, &roots).map(|facts| facts.fingerprint.clone());
        assert_eq!(found(&[own.clone(), intermediate, root.clone()]).as_deref(), Some("int"));
        assert_eq!(found(&[named("istiod", "root")]).as_deref(), Some("root"), "istiod's own root");
        assert_eq!(found(&[own]), None);
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn pods_that_end_or_begin_are_left_out() {
        let pod = |name: &str, ready: &str| {
            json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "istio-system"},
                "status": {"conditions": [{"type": "Ready", "status": ready}]},
            })
        };
        let mut ending = pod("c", "True");
        ending["metadata"]["deletionTimestamp"] = json!("2030-01-01T00:00:00Z");
        let names: Vec<_> = serving(&[pod("a", "True"), pod("b", "False"), ending]).into_iter().map(|pod| pod.name).collect();
        assert_eq!(names, ["a"]);
    }
}
