//! The CA that istiod signs with: it has issued istiod's own certificate, which istiod presents together with those of its issuers, and obtains
//! anew as soon as it takes up another CA.
//!
//! Source: Istio, `updateRootCertAndGenKeyCert` in `pilot/pkg/bootstrap/istio_ca.go`.

pub use crate::istio::well_known::ISTIOD_PODS;

use crate::data::CertificateFacts;

/// The port at which istiod signs and serves configuration.
pub const PORT: u16 = 15012;

/// The name by which a pod of istiod is asked: it presents one certificate, whatever the name.
pub const SERVER_NAME: &str = "localhost";

/// Returns the issuer of the first certificate among those that were presented with it, and the roots; `None` if it is none of them.
pub fn of<'a>(presented: &'a [CertificateFacts], roots: &'a [CertificateFacts]) -> Option<&'a CertificateFacts> {
    let (own, issuers) = presented.split_first()?;
    issuers.iter().chain(roots).find(|issuer| issuer.subject.der == own.issuer.der)
}

#[cfg(test)]
mod tests {
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
}
