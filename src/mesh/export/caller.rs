//! Who may call an exported host: identities, and the policy that refuses everyone else.
//!
//! The server name that a sidecar sends for a host passes through the gateway to the sidecar of the exported pod. So a policy there tells calls by
//! the exported name from those by the Service's own name, which it leaves alone.

use std::fmt;

use crate::{
    istio::{AuthorizationPolicy, Condition, From, MatchLabels, PolicyAction, Rule, Source},
    mesh::names::{Host, Namespace, ServiceAccountName, TrustDomain},
};

/// An identity that may call: that of a service account, or of all of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caller {
    trust_domain: TrustDomain,
    namespace: Namespace,
    /// `None` for all accounts of the namespace.
    account: Option<ServiceAccountName>,
}

impl Caller {
    /// Parses a SPIFFE ID as Istio makes them, with `*` for all service accounts of a namespace.
    ///
    /// # Errors
    /// A sentence that describes the form.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is not the identity of a workload. The format is `spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT`, with `*` for all \
                 service accounts of the namespace; the function `spiffe_id` returns it."
            )
        };
        let parts: Vec<_> = text.strip_prefix("spiffe://").ok_or_else(wrong)?.split('/').collect();
        let [trust_domain, "ns", namespace, "sa", account] = parts[..] else { return Err(wrong()) };
        Ok(Self {
            trust_domain: TrustDomain::parse(trust_domain)?,
            namespace: Namespace::parse(namespace)?,
            account: if account == "*" { None } else { Some(ServiceAccountName::parse(account)?) },
        })
    }

    /// Returns the identity as Istio's policies write it.
    fn principal(&self) -> String {
        let account = self.account.as_ref().map_or("*", ServiceAccountName::as_str);
        format!("{}/ns/{}/sa/{account}", self.trust_domain, self.namespace)
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}", self.principal())
    }
}

/// Returns the policy that refuses calls of the host, on each of its ports, by everyone but these callers.
pub(super) fn policy<'a>(host: &Host, pods: MatchLabels, callers: impl IntoIterator<Item = &'a Caller>) -> AuthorizationPolicy {
    let not_principals: Vec<_> = callers.into_iter().map(Caller::principal).collect();
    // Without callers the rule has no source, so that it matches everyone.
    let from = if not_principals.is_empty() { Vec::new() } else { vec![From { source: Source { not_principals } }] };
    // `outbound_.PORT_.SUBSET_.HOST`: a subset is no way around the policy.
    let server_name = Condition { key: "connection.sni", values: vec![format!("*_.{host}")] };
    AuthorizationPolicy { selector: pods, action: PolicyAction::Deny, rules: vec![Rule { from, when: vec![server_name] }] }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rendered(callers: &[&str]) -> serde_json::Value {
        let callers: Vec<_> = callers.iter().map(|caller| Caller::parse(caller).unwrap()).collect();
        let pods = MatchLabels { match_labels: [("app".to_owned(), "echo".to_owned())].into() };
        json!(policy(&Host::parse("echo.eu.mesh.local").unwrap(), pods, &callers))
    }

    #[test]
    fn everyone_but_the_callers_is_refused_by_the_exported_name() {
        let when = json!([{"key": "connection.sni", "values": ["*_.echo.eu.mesh.local"]}]);
        let selector = json!({"matchLabels": {"app": "echo"}});
        let others = json!([{"source": {"notPrincipals": ["corp.local/ns/echo/sa/client", "corp.local/ns/shop/sa/*"]}}]);
        assert_eq!(
            rendered(&["spiffe://corp.local/ns/echo/sa/client", "spiffe://corp.local/ns/shop/sa/*"]),
            json!({"selector": selector, "action": "DENY", "rules": [{"from": others, "when": when}]})
        );
        assert_eq!(rendered(&[]), json!({"selector": selector, "action": "DENY", "rules": [{"when": when}]}), "nobody");
        assert!(Host::parse("echo.eu.mesh.local").unwrap().sni(80).ends_with("_.echo.eu.mesh.local"));
    }

    #[test]
    fn an_identity_that_no_workload_has_is_refused() {
        for text in
            ["corp.local/ns/a/sa/b", "spiffe://corp.local/ns/a", "spiffe://corp.local/ns/A/sa/b", "spiffe://corp.local/ns/a/sa/b/c", "*"]
        {
            assert!(Caller::parse(text).is_err(), "{text}");
        }
        assert_eq!(Caller::parse("spiffe://corp.local/ns/a/sa/b").unwrap().to_string(), "spiffe://corp.local/ns/a/sa/b");
    }
}
