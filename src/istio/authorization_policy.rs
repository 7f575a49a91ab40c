//! security.istio.io/v1 `AuthorizationPolicy`.

use serde::Serialize;

use super::MatchLabels;

/// Which calls workloads accept.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizationPolicy {
    /// The workloads, in the policy's namespace.
    pub selector: MatchLabels,
    /// What happens to calls that match a rule.
    pub action: PolicyAction,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// What happens to calls that match a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PolicyAction {
    /// They are refused.
    Deny,
}

/// A rule: a call matches it if one of the sources and all of the conditions match.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rule {
    /// The sources. Empty: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<From>,
    /// The conditions.
    pub when: Vec<Condition>,
}

/// Where a call comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct From {
    /// The source.
    pub source: Source,
}

/// A source, by the identity in its certificate.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// Identities that it doesn't have, without `spiffe://`. A call without a certificate has none of them.
    pub not_principals: Vec<String>,
}

/// A condition on an attribute of a call.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Condition {
    /// The attribute.
    pub key: &'static str,
    /// Its values; one of them must match.
    pub values: Vec<String>,
}
