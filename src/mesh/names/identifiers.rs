//! Names of clusters, namespaces, networks and the like, one type each, so that they can't be mixed up. A value of such a type is valid.

use std::fmt;

use crate::istio::well_known;

/// The rule that a kind of name follows.
struct Rule {
    /// The characters, in words.
    characters: &'static str,
    /// Whether a character is one of them.
    allowed: fn(char) -> bool,
    /// Whether dots separate parts that each start and end with a letter or digit.
    dotted: bool,
    /// The greatest length.
    longest: usize,
}

/// RFC 1123 label: Kubernetes' namespaces.
const LABEL: Rule = Rule {
    characters: "lower-case letters, digits and dashes",
    allowed: |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-',
    dotted: false,
    longest: 63,
};

/// RFC 1123 subdomain: most names of objects in Kubernetes.
const SUBDOMAIN: Rule = Rule {
    characters: "lower-case letters, digits, dashes and dots",
    allowed: |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.',
    dotted: true,
    longest: 253,
};

/// A release's name is part of the name of Helm's Secrets, hence the 53.
const RELEASE: Rule = Rule { longest: 53, ..SUBDOMAIN };

/// A revision of istiod is part of the name of its release: `istiod-canary`.
const REVISION: Rule = Rule { longest: RELEASE.longest - "istiod-".len(), ..LABEL };

/// The value of a label in Kubernetes.
const LABEL_VALUE: Rule = Rule {
    characters: "letters, digits, dashes, underscores and dots",
    allowed: |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'),
    dotted: false,
    longest: 63,
};

/// A trust domain as SPIFFE has it.
const TRUST_DOMAIN: Rule = Rule {
    characters: "lower-case letters, digits, dashes, underscores and dots",
    allowed: |c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'),
    dotted: true,
    longest: 255,
};

impl Rule {
    /// Describes what is wrong with a name; `None` if it is valid.
    fn fault(&self, text: &str) -> Option<String> {
        if text.is_empty() {
            return Some("it is empty".to_owned());
        }
        if let Some((at, character)) = text.chars().enumerate().find(|(_, c)| !(self.allowed)(*c)) {
            return Some(format!("{character:?} (position {}) is not allowed", at + 1));
        }
        if text.len() > self.longest {
            return Some(format!("it has {} characters", text.len()));
        }
        let ends = |part: &str| {
            let alphanumeric = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
            alphanumeric(part.chars().next()) && alphanumeric(part.chars().next_back())
        };
        if self.dotted {
            text.split('.').find(|part| !ends(part)).map(|part| format!("its part {part:?} doesn't start and end with a letter or digit"))
        } else {
            (!ends(text)).then(|| "it doesn't start and end with a letter or digit".to_owned())
        }
    }

    /// The rule in words, as the predicate of a sentence.
    fn words(&self) -> String {
        let ends = if self.dotted { ", and each part between dots starts and ends" } else { ", and starts and ends" };
        format!("has at most {} {}{ends} with a letter or digit", self.longest, self.characters)
    }

    /// Returns a valid name that looks like the given one, if there is one.
    fn nearest(&self, text: &str) -> Option<String> {
        let lower = if (self.allowed)('A') { text.to_owned() } else { text.to_ascii_lowercase() };
        let replaced: String = lower.chars().map(|c| if (self.allowed)(c) { c } else { '-' }).take(self.longest).collect();
        let nearest = replaced.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned();
        (nearest != text && self.fault(&nearest).is_none()).then_some(nearest)
    }

    fn check(&self, what: &str, text: &str) -> Result<String, String> {
        let Some(fault) = self.fault(text) else { return Ok(text.to_owned()) };
        let nearest = self.nearest(text).map_or_else(String::new, |nearest| format!(" For example: {nearest:?}."));
        Err(format!("{text:?} is not a valid {what}: {fault}. A {what} {}.{nearest}", self.words()))
    }
}

/// Checks the key of a label or annotation: a name, or a domain, a slash and a name.
///
/// # Errors
/// A message that says what is wrong and what would be valid.
pub fn check_key(text: &str) -> Result<(), String> {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    prefix.map_or(Ok(String::new()), |prefix| SUBDOMAIN.check("prefix of a key", prefix))?;
    LABEL_VALUE.check("name of a key", name).map(|_| ())
}

/// Checks the value of a label.
///
/// # Errors
/// A message that says what is wrong and what would be valid.
pub fn check_label_value(text: &str) -> Result<(), String> {
    if text.is_empty() { Ok(()) } else { LABEL_VALUE.check("value of a label", text).map(|_| ()) }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $what:literal $rule:ident $example:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $name(String);

            impl $name {
                /// Parses a name.
                ///
                /// # Errors
                /// A message that says what is wrong and what would be valid.
                pub fn parse(text: &str) -> Result<Self, String> {
                    $rule.check($what, text).map(Self)
                }

                /// The text.
                pub fn as_str(&self) -> &str {
                    &self.0
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(&self.0)
                }
            }
        )*

        #[cfg(test)]
        mod declared {
            use super::*;

            #[test]
            fn every_name_accepts_its_example_and_rejects_an_empty_string() {
                $(
                    assert_eq!($name::parse($example).unwrap().to_string(), $example);
                    assert!($name::parse("").unwrap_err().contains(concat!("is not a valid ", $what, ": it is empty")));
                    assert!($name::parse("-").is_err());
                    assert!($name::parse(&"a".repeat($rule.longest + 1)).is_err());
                )*
            }
        }
    };
}

names! {
    /// The key of a cluster in the provider's `clusters`; also Istio's id of the cluster, which is a label's value and a key in Secrets.
    ClusterKey = "cluster key" LABEL_VALUE "us";
    /// A namespace.
    Namespace = "namespace" LABEL "istio-system";
    /// The name of an object: a Service, a Secret.
    ObjectName = "Kubernetes object name" SUBDOMAIN "echo";
    /// The name of a service account.
    ServiceAccountName = "service account name" SUBDOMAIN "echo";
    /// The name of a Helm release.
    ReleaseName = "Helm release name" RELEASE "istio-eastwestgateway";
    /// The name of a revision of istiod.
    Revision = "revision" REVISION "canary";
    /// The value of a label.
    LabelValue = "value of a label" LABEL_VALUE "eastwestgateway";
    /// The name of a network: clusters of one name reach each other's pods directly.
    NetworkName = "network name" LABEL_VALUE "us-net";
    /// The mesh's id, the same in all its clusters.
    MeshId = "mesh ID" LABEL_VALUE "training-mesh";
    /// The trust domain: the first part of each SPIFFE identity of the mesh.
    TrustDomain = "trust domain" TRUST_DOMAIN "corp.local";
}

impl Namespace {
    /// Istio's usual namespace.
    pub const ISTIO_SYSTEM: &str = well_known::SYSTEM_NAMESPACE;
}

impl TrustDomain {
    /// Istio's default.
    pub const DEFAULT: &str = "cluster.local";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_name_is_reported_with_the_position_the_rule_and_an_example() {
        assert_eq!(
            Namespace::parse("Prod_EU").unwrap_err(),
            "\"Prod_EU\" is not a valid namespace: 'P' (position 1) is not allowed. A namespace has at most 63 lower-case letters, digits and \
             dashes, and starts and ends with a letter or digit. For example: \"prod-eu\"."
        );
        assert!(ObjectName::parse("a..b").unwrap_err().contains("its part \"\" doesn't start and end"));
        assert!(ReleaseName::parse(&"a".repeat(54)).unwrap_err().contains("it has 54 characters"));
        assert!(TrustDomain::parse("spiffe://corp.local").unwrap_err().contains("':' (position 7)"));
    }

    #[test]
    fn case_matters_where_istio_minds_it() {
        assert!(NetworkName::parse("US_net.1").is_ok());
        assert!(TrustDomain::parse("Corp.local").unwrap_err().contains("\"corp.local\""));
    }
}
