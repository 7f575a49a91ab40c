//! What is called: a URL.

use std::fmt;

use http::Uri;

/// How a host is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// A request in HTTP.
    Http,
    /// A request in HTTPS, with TLS of the caller's own.
    Https,
    /// A connection, and what the server says first.
    Tcp,
}

impl Scheme {
    const ALL: [Self; 3] = [Self::Http, Self::Https, Self::Tcp];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Tcp => "tcp",
        }
    }

    const fn default_port(self) -> Option<u16> {
        match self {
            Self::Http => Some(80),
            Self::Https => Some(443),
            Self::Tcp => None,
        }
    }
}

/// A URL that can be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    url: String,
    /// How it is called.
    pub scheme: Scheme,
    /// The host, in lower case.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Target {
    /// Parses a URL: `http://HOST[:PORT][/PATH]`, the same with `https`, or `tcp://HOST:PORT`.
    ///
    /// # Errors
    /// A message that says what is wrong and what would be valid. It doesn't show a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        const FORM: &str = "must be a URL, for example \"http://echo.eu.mesh.local/\" or \"tcp://db.eu.mesh.local:5432\"";
        let uri: Uri = text.parse().map_err(|error| format!("{FORM}: {error}."))?;
        let scheme = Scheme::ALL.into_iter().find(|scheme| Some(scheme.as_str()) == uri.scheme_str());
        let Some(scheme) = scheme else { return Err(format!("{FORM}; the schemes are http, https and tcp.")) };
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err("must not have a user or a password: it would be in the state and in the arguments of a process.".to_owned());
        }
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let is_of_a_name = |character: char| character.is_ascii_alphanumeric() || "-._:[]".contains(character);
        if host.is_empty() || !host.chars().all(is_of_a_name) {
            return Err(format!("{FORM}; its host {host:?} is not valid."));
        }
        let Some(port) = uri.port_u16().or(scheme.default_port()).filter(|port| *port > 0) else {
            return Err(
                "must have a port between 1 and 65535 if its scheme is tcp, for example \"tcp://db.eu.mesh.local:5432\".".to_owned()
            );
        };
        if scheme == Scheme::Tcp && uri.path_and_query().is_some_and(|path| path.as_str() != "/") {
            return Err("must not have a path if its scheme is tcp.".to_owned());
        }
        Ok(Self { url: text.to_owned(), scheme, host, port })
    }

    /// The URL as curl wants it.
    pub(super) fn of_curl(&self) -> String {
        match self.scheme {
            Scheme::Http | Scheme::Https => self.url.clone(),
            Scheme::Tcp => format!("telnet://{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_scheme_host_and_port() {
        for (text, scheme, host, port) in [
            ("http://echo.eu.mesh.local", Scheme::Http, "echo.eu.mesh.local", 80),
            ("http://Echo.eu.mesh.local:8080/a?b=c", Scheme::Http, "echo.eu.mesh.local", 8080),
            ("https://198.51.100.7/", Scheme::Https, "198.51.100.7", 443),
            ("tcp://db.eu.mesh.local:5432", Scheme::Tcp, "db.eu.mesh.local", 5432),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!((target.scheme, target.host.as_str(), target.port), (scheme, host, port), "{text}");
            assert_eq!(target.to_string(), text);
        }
        assert_eq!(Target::parse("tcp://db:1").unwrap().of_curl(), "telnet://db:1");
    }

    #[test]
    fn what_is_no_url_is_refused_and_a_password_is_not_shown() {
        for (text, words) in [
            ("", "must be a URL"),
            ("echo.eu.mesh.local", "the schemes are"),
            ("ftp://a", "the schemes are"),
            ("file:///etc/passwd", "must be a URL"),
            ("-o/tmp/x", "must be a URL"),
            ("http://", "must be a URL"),
            ("http://a{1,2}/", "must be a URL"),
            ("http://me:s3cret@a/", "must not have a user"),
            ("tcp://a", "must have a port"),
            ("http://a:0/", "must have a port"),
            ("tcp://a:1/x", "must not have a path"),
        ] {
            let error = Target::parse(text).unwrap_err();
            assert!(error.starts_with(words) || error.contains(words), "{text}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
