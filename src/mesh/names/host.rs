//! The DNS name by which clients in other clusters call an exported service.

use std::{fmt, net::IpAddr};

/// A DNS name of two labels or more that belongs to no Kubernetes Service: `echo.eu.mesh.local`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(String);

impl Host {
    /// Parses a host.
    ///
    /// # Errors
    /// A message that says what is wrong and what would be valid.
    pub fn parse(text: &str) -> Result<Self, String> {
        match fault(text) {
            None => Ok(Self(text.to_owned())),
            Some(fault) => Err(format!("{text:?} is not a valid host of an exported service: {fault}")),
        }
    }

    /// Returns the host as a string.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name for objects and labels: stable, of at most 48 lower-case letters, digits and dashes, another for each host.
    ///
    /// `echo.eu.mesh.local` → `echo-eu-mesh-local`. A host that has dashes itself, or is long, gets its hash appended, for
    /// `a-b.c` and `a.b-c` would else be one.
    pub fn slug(&self) -> String {
        let dashed = self.0.replace('.', "-");
        if dashed.len() <= LONGEST_SLUG && !self.0.contains('-') {
            return dashed;
        }
        hashed(&dashed, &self.0)
    }

    /// The SNI of a connection to a port of the host: `outbound_.80_._.echo.eu.mesh.local`. The subset, between the second and the third
    /// underscore, is empty.
    ///
    /// Source: Istio, `pilot/pkg/model/service.go`, `BuildDNSSrvSubsetKey`.
    pub fn sni(&self, port: u16) -> String {
        format!("outbound_.{port}_._.{self}")
    }
}

/// The greatest length of a slug, to which objects' names have prefixes.
const LONGEST_SLUG: usize = 48;

/// Returns the readable form of a name, cut and with the hash of the name itself, so that two names with one readable form differ.
pub(in crate::mesh) fn hashed(readable: &str, name: &str) -> String {
    let hash = format!("{:08x}", fnv1a(name.as_bytes()) & 0xffff_ffff);
    let kept: String = readable.chars().take(LONGEST_SLUG - hash.len() - 1).collect();
    format!("{}-{hash}", kept.trim_end_matches('-'))
}

/// FNV-1a, 64 bits: a hash that is the same in every release of the provider, because names and addresses are derived from it.
pub(in crate::mesh) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Describes what is wrong with a host; `None` if it is valid. The most common mistakes come first, each with its own advice.
fn fault(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("it is empty. Write a DNS name such as \"echo.eu.mesh.local\".".to_owned());
    }
    if text.contains("://") || text.contains('/') {
        return Some("it is a URL or path. Write the DNS name only, such as \"echo.eu.mesh.local\".".to_owned());
    }
    if text.parse::<IpAddr>().is_ok() {
        return Some("it is an IP address. Write a DNS name; set its address in `vip`.".to_owned());
    }
    if text.contains(':') {
        return Some("it has a port. Write the DNS name only, and set ports in `ports`.".to_owned());
    }
    if text.contains('*') {
        return Some("it has a wildcard. An export is one service; write its full DNS name.".to_owned());
    }
    if let Some(without) = text.strip_suffix('.') {
        return Some(format!("it ends with a dot. Write {without:?}."));
    }
    if text.chars().any(|c| c.is_ascii_uppercase()) {
        return Some(format!("it has upper-case letters. Write {:?}.", text.to_ascii_lowercase()));
    }
    if text.len() > 253 {
        return Some(format!("it has {} characters; a DNS name has at most 253.", text.len()));
    }
    let labels: Vec<&str> = text.split('.').collect();
    if let Some(label) = labels.iter().find(|label| !is_label(label)) {
        return Some(format!(
            "its label {label:?} is not valid. A label has 1 to 63 lower-case letters, digits and dashes, and starts and ends with a letter or digit."
        ));
    }
    if labels.len() < 2 {
        return Some(format!("it has one label only. Write two or more, such as \"{text}.mesh.local\"."));
    }
    if labels.last().is_some_and(|last| last.chars().all(|c| c.is_ascii_digit())) {
        return Some("its last label is a number, as in an IP address. Write a DNS name such as \"echo.eu.mesh.local\".".to_owned());
    }
    if labels.get(2) == Some(&"svc") || text.ends_with(".cluster.local") {
        return Some(format!(
            "names like it belong to Kubernetes Services, which each cluster resolves by itself. \
             Choose another name, such as \"{}.mesh.local\".",
            labels[0]
        ));
    }
    None
}

/// Whether a string is a label of a DNS name.
fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len()) && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dns_names_are_hosts() {
        for host in ["echo.eu.mesh.local", "a.b", "api.corp.example", "x1.y-z.local", "svc.eu.local"] {
            assert_eq!(Host::parse(host).unwrap().as_str(), host);
        }
    }

    #[test]
    fn a_mistake_is_reported_with_its_correction() {
        for (host, words) in [
            ("", "is empty"),
            ("http://echo.eu", "URL"),
            ("10.0.0.1", "`vip`"),
            ("fd00::1", "`vip`"),
            ("echo.eu:80", "`ports`"),
            ("*.eu.local", "wildcard"),
            ("echo.eu.", "Write \"echo.eu\""),
            ("Echo.eu", "Write \"echo.eu\""),
            ("echo", "\"echo.mesh.local\""),
            ("echo..eu", "label \"\""),
            ("-echo.eu", "label \"-echo\""),
            ("echo_1.eu", "label \"echo_1\""),
            ("1.2.3", "number"),
            ("echo.ns.svc.cluster.local", "Kubernetes Services"),
            ("echo.ns.svc", "Kubernetes Services"),
            ("a.cluster.local", "Kubernetes Services"),
        ] {
            let error = Host::parse(host).unwrap_err();
            assert!(error.contains(words), "{host}: {error}");
        }
    }

    #[test]
    fn slugs_are_readable_and_differ() {
        let slug = |host| Host::parse(host).unwrap().slug();
        assert_eq!(slug("echo.eu.mesh.local"), "echo-eu-mesh-local");
        assert_eq!(slug("a-b.c"), "a-b-c-31da627c");
        assert_ne!(slug("a-b.c"), slug("a.b-c"));
    }

    #[test]
    fn the_sni_is_the_one_that_istio_derives() {
        assert_eq!(Host::parse("echo.eu.mesh.local").unwrap().sni(80), "outbound_.80_._.echo.eu.mesh.local");
    }

    #[test]
    fn the_hash_matches_the_published_test_vectors() {
        // http://www.isthe.com/chongo/tech/comp/fnv/
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    proptest! {
        #[test]
        fn slugs_are_safe_names(host in "[a-z0-9]{1,20}(-[a-z0-9]{1,20})?(\\.[a-z]{1,30}){1,6}") {
            let Ok(host) = Host::parse(&host) else { return Ok(()) };
            prop_assert!(is_label(&host.slug()) && host.slug().len() <= 48, "{}", host.slug());
        }
    }
}
