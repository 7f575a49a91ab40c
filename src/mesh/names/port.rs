//! Ports of a Service, and the protocol of each.

use std::fmt;

use crate::istio::EntryPort;

/// A port at which a service is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// The port that callers use; never 0.
    pub number: u16,
    /// Its name: an RFC 1123 label.
    pub name: String,
    /// Its protocol.
    pub protocol: Protocol,
    /// The pods' port when it is another.
    pub target_port: Option<u16>,
}

impl ServicePort {
    /// Checks the parts of a port. Without a name it gets one made of its protocol and number: `http-80`.
    ///
    /// # Errors
    /// Those of [`number`] and [`name`].
    pub fn new(port: i64, name: Option<&str>, protocol: Protocol, target_port: Option<i64>) -> Result<Self, String> {
        Ok(Self::of(number(port)?, name.map(self::name).transpose()?, protocol, target_port.map(number).transpose()?))
    }

    /// Returns a port made of parts that were parsed already.
    pub fn of(number: u16, name: Option<String>, protocol: Protocol, target_port: Option<u16>) -> Self {
        let name = name.unwrap_or_else(|| protocol.default_name(number));
        Self { number, name, protocol, target_port: target_port.filter(|target| *target != number) }
    }

    /// Returns the port for the ServiceEntry of its own cluster.
    pub fn exported(&self) -> EntryPort {
        EntryPort { target_port: self.target_port, ..self.imported() }
    }

    /// Returns the port for the ServiceEntry of another cluster, which has no use for the pods' port.
    pub fn imported(&self) -> EntryPort {
        EntryPort { number: self.number, name: self.name.clone(), protocol: self.protocol.as_str(), target_port: None }
    }

    /// Returns the port as clients call it: its target is the own matter of the cluster that has the pods.
    #[must_use]
    pub fn called(&self) -> Self {
        Self { target_port: None, ..self.clone() }
    }
}

/// Reads a port's number.
///
/// # Errors
/// Anything outside of 1 to 65535.
pub fn number(port: i64) -> Result<u16, String> {
    u16::try_from(port).ok().filter(|port| *port > 0).ok_or_else(|| format!("A port must be between 1 and 65535, got {port}."))
}

/// Reads a port's name.
///
/// # Errors
/// A name that is not an RFC 1123 label.
pub fn name(text: &str) -> Result<String, String> {
    match super::Namespace::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(format!(
            "{text:?} is not a valid port name: it must have at most 63 lower-case letters, digits and dashes, and start and end with a \
             letter or digit, such as \"http-80\""
        )),
    }
}

/// The protocols that Istio distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, and HTTP/2 by upgrade.
    Http,
    /// HTTP/2.
    Http2,
    /// gRPC.
    Grpc,
    /// gRPC-Web.
    GrpcWeb,
    /// HTTP in the service's own TLS.
    Https,
    /// The service's own TLS.
    Tls,
    /// Any bytes.
    Tcp,
    /// `MongoDB`.
    Mongo,
    /// Redis.
    Redis,
    /// `MySQL`.
    Mysql,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Self; 10] =
        [Self::Http, Self::Http2, Self::Grpc, Self::GrpcWeb, Self::Https, Self::Tls, Self::Tcp, Self::Mongo, Self::Redis, Self::Mysql];

    /// Its name in Istio.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Http2 => "HTTP2",
            Self::Grpc => "GRPC",
            Self::GrpcWeb => "GRPC-WEB",
            Self::Https => "HTTPS",
            Self::Tls => "TLS",
            Self::Tcp => "TCP",
            Self::Mongo => "MONGO",
            Self::Redis => "REDIS",
            Self::Mysql => "MYSQL",
        }
    }

    /// Reads a protocol's name, in whichever case.
    ///
    /// # Errors
    /// A sentence that lists the protocols.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::named(text)
            .ok_or_else(|| format!("{text:?} is not a valid protocol: it must be one of {}", Self::ALL.map(Self::as_str).join(", ")))
    }

    /// Returns the protocol that a Service declares for a port, as Istio reads it: by `appProtocol`, else by the beginning of the port's
    /// name. `None` where Istio would inspect the bytes.
    ///
    /// Source: Istio, `pkg/config/kube/conversion.go`, `ConvertProtocol`.
    pub fn declared(app_protocol: Option<&str>, port_name: &str) -> Option<Self> {
        let text = match app_protocol {
            Some("kubernetes.io/h2c") => return Some(Self::Http2),
            Some("kubernetes.io/ws") => return Some(Self::Http),
            Some("kubernetes.io/wss") => return Some(Self::Https),
            Some(app_protocol) => app_protocol,
            None => port_name,
        }
        .to_ascii_lowercase();
        if text.starts_with("grpc-web") {
            return Some(Self::GrpcWeb);
        }
        Self::named(text.split('-').next().unwrap_or_default())
    }

    fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.as_str().eq_ignore_ascii_case(text))
    }

    fn default_name(self, port: u16) -> String {
        format!("{}-{port}", self.as_str().to_ascii_lowercase())
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_declared_as_istio_reads_them() {
        for (app, name, protocol) in [
            (None, "http", Some(Protocol::Http)),
            (None, "http-web", Some(Protocol::Http)),
            (None, "http2", Some(Protocol::Http2)),
            (None, "grpc-api", Some(Protocol::Grpc)),
            (None, "grpc-web", Some(Protocol::GrpcWeb)),
            (None, "GRPC", Some(Protocol::Grpc)),
            (None, "tcp-db", Some(Protocol::Tcp)),
            (None, "https", Some(Protocol::Https)),
            (None, "mongo", Some(Protocol::Mongo)),
            (None, "mysql-main", Some(Protocol::Mysql)),
            (None, "httpx", None),
            (None, "web", None),
            (None, "", None),
            (Some("http"), "tcp-x", Some(Protocol::Http)),
            (Some("kubernetes.io/h2c"), "web", Some(Protocol::Http2)),
            (Some("kubernetes.io/wss"), "web", Some(Protocol::Https)),
            (Some("corp.example/own"), "http", None),
        ] {
            assert_eq!(Protocol::declared(app, name), protocol, "{app:?} {name}");
        }
    }

    #[test]
    fn a_port_is_checked_and_named() {
        let port = ServicePort::new(80, None, Protocol::Http, Some(8080)).unwrap();
        assert_eq!((port.name.as_str(), port.target_port), ("http-80", Some(8080)));
        assert_eq!(ServicePort::new(80, Some("web"), Protocol::Http, Some(80)).unwrap().target_port, None);
        assert!(ServicePort::new(0, None, Protocol::Tcp, None).unwrap_err().contains("between 1 and 65535, got 0"));
        assert!(ServicePort::new(80, None, Protocol::Tcp, Some(65_536)).unwrap_err().contains("65536"));
        assert!(ServicePort::new(80, Some("Web_1"), Protocol::Tcp, None).unwrap_err().contains("\"http-80\""));
        assert!(Protocol::parse("udp").unwrap_err().contains("GRPC-WEB"));
        assert_eq!(Protocol::parse("grpc"), Ok(Protocol::Grpc));
    }
}
