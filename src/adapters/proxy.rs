//! Which proxy leads to an API server: the rules of Go's `net/http`, by which kubectl and Helm go too.

use std::net::IpAddr;

use ipnet::IpNet;

/// The environment variables that name proxies.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment {
    https_proxy: String,
    http_proxy: String,
    no_proxy: String,
}

impl Environment {
    /// Reads the variables of the process.
    pub(super) fn read() -> Self {
        let of = |names: [&str; 2]| names.into_iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
        Self {
            https_proxy: of(["HTTPS_PROXY", "https_proxy"]).unwrap_or_default(),
            http_proxy: of(["HTTP_PROXY", "http_proxy"]).unwrap_or_default(),
            no_proxy: of(["NO_PROXY", "no_proxy"]).unwrap_or_default(),
        }
    }
}

/// Returns the URL of the proxy for a server: the configured one, which NO_PROXY doesn't touch, else the environment's.
pub(super) fn proxy_for(server: &http::Uri, configured: Option<&str>, environment: &Environment) -> Option<String> {
    if let Some(configured) = configured.filter(|url| !url.is_empty()) {
        return Some(with_scheme(configured));
    }
    let is_tls = server.scheme_str() != Some("http");
    let proxy = if is_tls { &environment.https_proxy } else { &environment.http_proxy };
    let host = server.host()?.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let port = server.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    (!proxy.is_empty() && !is_direct(&host, port, &environment.no_proxy)).then(|| with_scheme(proxy))
}

/// The schemes of proxies that kube can use.
const SCHEMES: [&str; 3] = ["http", "https", "socks5"];

/// Checks that a string is the URL of a proxy. An error doesn't show it, as it may contain a password.
pub fn parse_proxy_url(url: &str) -> Result<String, String> {
    match url.parse::<http::Uri>() {
        Ok(uri) if uri.scheme_str().is_some_and(|scheme| !SCHEMES.contains(&scheme)) => Err(format!(
            "must have one of the schemes {}, got `{}`.",
            SCHEMES.map(|scheme| format!("`{scheme}`")).join(", "),
            uri.scheme_str().unwrap_or_default()
        )),
        Ok(uri) if uri.scheme().is_some() && uri.host().is_some_and(|host| !host.is_empty()) => Ok(url.to_owned()),
        _ => Err("must be the URL of a proxy, for example `http://proxy.example.com:3128`.".to_owned()),
    }
}

fn with_scheme(proxy: &str) -> String {
    if proxy.contains("://") { proxy.to_owned() } else { format!("http://{proxy}") }
}

/// Returns whether a server is reached without a proxy. This machine always is.
fn is_direct(host: &str, port: u16, no_proxy: &str) -> bool {
    let address = host.parse::<IpAddr>().ok();
    host == "localhost"
        || address.is_some_and(|address| address.is_loopback())
        || no_proxy.split(',').map(|entry| entry.trim().to_ascii_lowercase()).any(|entry| exempts(&entry, host, address, port))
}

/// Returns whether an entry of NO_PROXY (`*`, a network, an address, a domain; the latter two with a port or without) exempts a server.
fn exempts(entry: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    if let Ok(network) = entry.parse::<IpNet>() {
        return address.is_some_and(|address| network.contains(&address));
    }
    let (name, only_port) = split_port(entry);
    if only_port.is_some_and(|only| only.parse() != Ok(port)) {
        return false;
    }
    if let Ok(exempt) = name.parse::<IpAddr>() {
        return address == Some(exempt);
    }
    // `example` exempts itself and what is below it; `.example` and `*.example` only what is below.
    match name.strip_prefix("*.").or_else(|| name.strip_prefix('.')) {
        Some(domain) => !domain.is_empty() && is_below(host, domain),
        None => !name.is_empty() && (host == name || is_below(host, name)),
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// Splits off a port. An IPv6 address has one only if it is in brackets.
fn split_port(entry: &str) -> (&str, Option<&str>) {
    if let Some((address, rest)) = entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (address, rest.strip_prefix(':'));
    }
    match entry.split_once(':') {
        Some((name, port)) if !port.contains(':') => (name, Some(port)),
        _ => (entry, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(server: &str, https: &str, no_proxy: &str) -> Option<String> {
        let environment = Environment { https_proxy: https.to_owned(), http_proxy: String::new(), no_proxy: no_proxy.to_owned() };
        proxy_for(&server.parse().unwrap(), None, &environment)
    }

    #[test]
    fn no_proxy_is_read_as_go_reads_it() {
        // Of the table of golang.org/x/net/http/httpproxy, and what users have in their environments.
        const LIST: &str = "foobar.com, .barbaz.net, *.wild.org, 192.168.1.1, 192.168.1.2:81, 10.0.0.0/30, 2001:db8::52:0:1, [2001:db8::52:0:2]:443, \
                            [2001:db8::52:0:3]:80, 2002:db8:a::45/64, some.com:6443, , /var/run/docker.sock";
        for (host, is_proxied) in [
            ("localhost", false),
            ("127.0.0.1", false),
            ("127.0.0.2", false),
            ("[::1]", false),
            ("[::2]", true),
            ("192.168.1.1", false),
            ("192.168.1.2", true),
            ("192.168.1.3", true),
            ("10.0.0.2", false),
            ("10.0.0.4", true),
            ("[2001:db8::52:0:1]", false),
            ("[2001:db8::52:0:2]", false),
            ("[2001:db8::52:0:3]", true),
            ("[2002:db8:a::123]", false),
            ("[fe80::424b:c8be:1643:a1b6]", true),
            ("barbaz.net", true),
            ("www.barbaz.net", false),
            ("foobar.com", false),
            ("www.foobar.com", false),
            ("foofoobar.com", true),
            ("baz.com", true),
            ("localhost.net", true),
            ("wild.org", true),
            ("a.b.wild.org", false),
            ("FOOBAR.com", false),
            ("some.com:6443", false),
            ("some.com:443", true),
            ("var", true),
        ] {
            let proxied = proxy(&format!("https://{host}"), "http://proxy:3128", LIST);
            assert_eq!(proxied.is_some(), is_proxied, "{host}");
        }
        assert_eq!(proxy("https://eu.example", "http://proxy", "*"), None);
        assert!(proxy("https://eu.example", "http://proxy", "").is_some());
        assert_eq!(proxy("https://eu.example", "", ""), None);
    }

    #[test]
    fn no_proxy_is_about_the_server_and_not_about_the_proxy() {
        assert_eq!(proxy("https://eu.example", "http://10.1.2.3:3128", "10.0.0.0/8").as_deref(), Some("http://10.1.2.3:3128"));
    }

    #[test]
    fn a_proxy_without_a_scheme_speaks_http() {
        assert_eq!(proxy("https://eu.example", "proxy.corp:3128", "").as_deref(), Some("http://proxy.corp:3128"));
    }

    #[test]
    fn a_configured_proxy_is_used_whatever_the_environment_says() {
        let environment = Environment { no_proxy: "*".to_owned(), https_proxy: "http://other".to_owned(), ..Environment::default() };
        let server = "https://localhost:8443".parse().unwrap();
        assert_eq!(proxy_for(&server, Some("socks5://bastion:1080"), &environment).as_deref(), Some("socks5://bastion:1080"));
    }
}
