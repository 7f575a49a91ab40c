//! The address of an API server, as istiod of another cluster reaches it.

use std::net::IpAddr;

/// The URL of an API server that another cluster's pods can reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl(String);

impl ServerUrl {
    /// Parses a URL. An error doesn't show one with a password.
    ///
    /// # Errors
    /// A message that says what is wrong and what to do.
    pub fn parse(text: &str) -> Result<Self, String> {
        let uri = text.parse::<http::Uri>().ok().filter(|uri| uri.scheme_str() == Some("https") && !text.contains('@'));
        let Some(host) = uri.as_ref().and_then(http::Uri::host) else {
            let got = if text.contains('@') { String::new() } else { format!(", got `{text}`") };
            return Err(format!("must be the URL of an API server without a user name, for example `https://eu.example.com:6443`{got}"));
        };
        let bare = host.trim_matches(['[', ']']);
        let is_here = bare
            .parse::<IpAddr>()
            .map_or(bare == "localhost" || bare.ends_with(".localhost"), |ip| ip.is_loopback() || ip.is_unspecified());
        if is_here {
            return Err(format!(
                "The API server's address {text} leads, in a pod of the other cluster, to that pod itself. Set `server` to an address that the pods \
                 can reach: that of the API server's load balancer or node, or for a cluster of kind `https://CONTAINER-IP:6443`."
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_the_machine_itself_is_refused() {
        for url in ["https://127.0.0.1:6443", "https://localhost:6443", "https://[::1]:6443", "https://0.0.0.0", "https://kind.localhost"] {
            assert!(ServerUrl::parse(url).unwrap_err().contains("Set `server`"), "{url}");
        }
        for url in ["http://eu.example.com", "eu.example.com", "", "https://"] {
            assert!(ServerUrl::parse(url).unwrap_err().contains("for example `https://eu.example.com:6443`"), "{url}");
        }
        assert!(!ServerUrl::parse("https://ann:s3cret@eu.example.com").unwrap_err().contains("s3cret"));
        assert_eq!(ServerUrl::parse("https://[2001:db8::1]:6443").unwrap().as_str(), "https://[2001:db8::1]:6443");
    }
}
