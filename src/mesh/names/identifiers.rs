//! Names: one type each, so that a namespace can't stand where a network belongs. A value of such a type is valid.

use std::fmt;

/// What a name may consist of.
struct Rule {
    /// The characters, in words.
    characters: &'static str,
    /// Whether a character is one of them.
    allowed: fn(char) -> bool,
    /// Whether dots part it into labels that each begin and end with a letter or digit.
    dotted: bool,
    /// Most characters.
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
    /// What is wrong with a text; none when nothing is.
    fn fault(&self, text: &str) -> Option<String> {
        if text.is_empty() {
            return Some("it is empty".to_owned());
        }
        if let Some((at, character)) = text.chars().enumerate().find(|(_, c)| !(self.allowed)(*c)) {
            return Some(format!("it has {character:?} at position {}", at + 1));
        }
        if text.len() > self.longest {
            return Some(format!("it has {} characters", text.len()));
        }
        let ends = |part: &str| {
            let alphanumeric = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
            alphanumeric(part.chars().next()) && alphanumeric(part.chars().next_back())
        };
        if self.dotted {
            text.split('.').find(|part| !ends(part)).map(|part| format!("its part {part:?} doesn't begin and end with a letter or digit"))
        } else {
            (!ends(text)).then(|| "it doesn't begin and end with a letter or digit".to_owned())
        }
    }

    /// The rule in words.
    fn words(&self) -> String {
        let whole = if self.dotted { "each part between dots begins and ends" } else { "it begins and ends" };
        format!("It consists of {}, {whole} with a letter or digit, and it has at most {} characters", self.characters, self.longest)
    }

    /// A text that obeys the rule and looks like the given one; none when there is no such text.
    fn nearest(&self, text: &str) -> Option<String> {
        let lower = if (self.allowed)('A') { text.to_owned() } else { text.to_ascii_lowercase() };
        let replaced: String = lower.chars().map(|c| if (self.allowed)(c) { c } else { '-' }).take(self.longest).collect();
        let nearest = replaced.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned();
        (nearest != text && self.fault(&nearest).is_none()).then_some(nearest)
    }

    fn check(&self, what: &str, text: &str) -> Result<String, String> {
        let Some(fault) = self.fault(text) else { return Ok(text.to_owned()) };
        let nearest = self.nearest(text).map_or_else(String::new, |nearest| format!(" For example: {nearest:?}."));
        Err(format!("{text:?} is no {what}: {fault}. {}.{nearest}", self.words()))
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $what:literal $rule:ident $example:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $name(String);

            impl $name {
                /// Reads a text.
                ///
                /// # Errors
                /// A sentence that says what is wrong and what would be right.
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
            fn every_name_takes_its_example_and_no_empty_text() {
                $(
                    assert_eq!($name::parse($example).unwrap().to_string(), $example);
                    assert!($name::parse("").unwrap_err().contains(concat!("is no ", $what, ": it is empty")));
                    assert!($name::parse("-").is_err());
                    assert!($name::parse(&"a".repeat($rule.longest + 1)).is_err());
                )*
            }
        }
    };
}

names! {
    /// The key of a cluster in the provider's `clusters`; also Istio's id of the cluster, which is a label's value and a key in Secrets.
    ClusterKey = "key of a cluster" LABEL_VALUE "us";
    /// A namespace.
    Namespace = "namespace" LABEL "istio-system";
    /// The name of an object: a Service, a Secret.
    ObjectName = "name of an object in Kubernetes" SUBDOMAIN "echo";
    /// The name of a service account.
    ServiceAccountName = "name of a service account" SUBDOMAIN "echo";
    /// The name of a Helm release.
    ReleaseName = "name of a Helm release" RELEASE "istio-eastwestgateway";
    /// The name of a network: clusters of one name reach each other's pods directly.
    NetworkName = "name of a network" LABEL_VALUE "us-net";
    /// The mesh's id, the same in all its clusters.
    MeshId = "id of a mesh" LABEL_VALUE "training-mesh";
    /// The trust domain: the first part of each SPIFFE identity of the mesh.
    TrustDomain = "trust domain" TRUST_DOMAIN "corp.local";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_with_its_place_the_rule_and_a_way_out() {
        assert_eq!(
            Namespace::parse("Prod_EU").unwrap_err(),
            "\"Prod_EU\" is no namespace: it has 'P' at position 1. It consists of lower-case letters, digits and dashes, it begins and \
             ends with a letter or digit, and it has at most 63 characters. For example: \"prod-eu\"."
        );
        assert!(ObjectName::parse("a..b").unwrap_err().contains("its part \"\" doesn't begin and end"));
        assert!(ReleaseName::parse(&"a".repeat(54)).unwrap_err().contains("it has 54 characters"));
        assert!(TrustDomain::parse("spiffe://corp.local").unwrap_err().contains("':' at position 7"));
    }

    #[test]
    fn case_matters_where_istio_minds_it() {
        assert!(NetworkName::parse("US_net.1").is_ok());
        assert!(TrustDomain::parse("Corp.local").unwrap_err().contains("\"corp.local\""));
    }
}
