//! Ports of a Service, and the protocol of each.

use std::fmt;

use serde_json::Value as Json;

use crate::istio::EntryPort;

/// A port at which a service is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// The port that callers use; never 0.
    pub number: u16,
    /// Its name: an RFC 1123 label.
    pub name: String,
    /// What is spoken there.
    pub protocol: Protocol,
    /// The pods' port when it is another.
    pub target_port: Option<u16>,
}

impl ServicePort {
    /// A port from its parts. Without a name it gets one of its protocol and number: `http-80`.
    ///
    /// # Errors
    /// Those of [`number`] and [`name`].
    pub fn new(port: i64, name: Option<&str>, protocol: Protocol, target_port: Option<i64>) -> Result<Self, String> {
        Ok(Self::of(number(port)?, name.map(self::name).transpose()?, protocol, target_port.map(number).transpose()?))
    }

    /// A port from parts that were read already.
    pub fn of(number: u16, name: Option<String>, protocol: Protocol, target_port: Option<u16>) -> Self {
        let name = name.unwrap_or_else(|| protocol.default_name(number));
        Self { number, name, protocol, target_port: target_port.filter(|target| *target != number) }
    }

    /// As a port of the registry of its own cluster.
    pub fn exported(&self) -> EntryPort {
        EntryPort { target_port: self.target_port, ..self.imported() }
    }

    /// As a port of the registry of another cluster, which has no use for the pods' port.
    pub fn imported(&self) -> EntryPort {
        EntryPort { number: self.number, name: self.name.clone(), protocol: self.protocol.as_str(), target_port: None }
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

    /// The protocol of a Service's port, chosen as Istio chooses: by `appProtocol`, else by the beginning of the port's name.
    ///
    /// Where Istio would detect the protocol, this returns TCP: a gateway passes what it can't look into, so both sides must agree
    /// beforehand, and TCP carries everything.
    /// Source: Istio, `pkg/config/kube/conversion.go`, `ConvertProtocol`.
    pub fn of_service(app_protocol: Option<&str>, port_name: &str) -> Self {
        let text = match app_protocol {
            Some("kubernetes.io/h2c") => return Self::Http2,
            Some("kubernetes.io/ws") => return Self::Http,
            Some("kubernetes.io/wss") => return Self::Https,
            Some(app_protocol) => app_protocol,
            None => port_name,
        }
        .to_ascii_lowercase();
        if text.starts_with("grpc-web") {
            return Self::GrpcWeb;
        }
        Self::named(text.split('-').next().unwrap_or_default()).unwrap_or(Self::Tcp)
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

/// What an export takes from a live Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// Labels of its pods.
    pub selector: std::collections::BTreeMap<String, String>,
}

/// Reads ports and selector off a Service. Ports that it names only (`targetPort: web`) are looked up in the containers of its pods.
///
/// # Errors
/// Services that can't be exported (headless, `ExternalName`, without selector, UDP) and names that the pods don't resolve: what is
/// in the way, and what to do.
pub fn discover(service: &Json, pods: &[Json]) -> Result<Discovered, String> {
    let spec = &service["spec"];
    let name = service["metadata"]["name"].as_str().unwrap_or("?");
    if spec["type"] == "ExternalName" {
        return Err(format!(
            "Service {name} is of type ExternalName: a DNS alias without pods. Export the Service that it points to, in the cluster \
             where its pods run."
        ));
    }
    if spec["clusterIP"] == "None" {
        return Err(format!(
            "Service {name} is headless (clusterIP: None): its callers choose single pods, which an export can't pass on. Make a second \
             Service with the same selector and a cluster IP, and export that."
        ));
    }
    let selector: std::collections::BTreeMap<String, String> = spec["selector"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect();
    if selector.is_empty() {
        return Err(format!(
            "Service {name} has no selector: its endpoints are managed manually, so there are no pods with sidecars to export. Give it a \
             selector."
        ));
    }
    let ports = spec["ports"].as_array().into_iter().flatten().map(|port| of_service_port(name, port, pods)).collect::<Result<_, _>>()?;
    Ok(Discovered { ports, selector })
}

fn of_service_port(service: &str, port: &Json, pods: &[Json]) -> Result<ServicePort, String> {
    let number = port["port"].as_i64().unwrap_or_default();
    if port["protocol"].as_str().is_some_and(|transport| transport != "TCP") {
        return Err(format!(
            "Service {service}'s port {number} is {}; a mesh carries TCP only. List the ports to export in `ports`.",
            port["protocol"].as_str().unwrap_or_default()
        ));
    }
    let name = port["name"].as_str();
    let protocol = Protocol::of_service(port["appProtocol"].as_str(), name.unwrap_or_default());
    let target = match &port["targetPort"] {
        Json::String(named) => Some(resolve(service, named, pods)?),
        other => other.as_i64().filter(|target| *target != 0),
    };
    ServicePort::new(number, name, protocol, target).map_err(|fault| format!("Service {service}: {fault}"))
}

/// The number of a containers' port by its name.
fn resolve(service: &str, named: &str, pods: &[Json]) -> Result<i64, String> {
    if let Ok(number) = named.parse() {
        return Ok(number);
    }
    let containers = || {
        // A sidecar that was injected as a native one stands among the init containers, and so may the user's.
        pods.iter().flat_map(|pod| [&pod["spec"]["containers"], &pod["spec"]["initContainers"]]).filter_map(Json::as_array).flatten()
    };
    let numbers: std::collections::BTreeSet<i64> = containers()
        .filter_map(|container| container["ports"].as_array())
        .flatten()
        .filter(|port| port["name"] == *named)
        .filter_map(|port| port["containerPort"].as_i64())
        .collect();
    match (numbers.first(), numbers.len()) {
        (Some(number), 1) => Ok(*number),
        (None, _) if pods.is_empty() => Err(format!(
            "Service {service}'s target port {named:?} is a name, and there is no pod yet to look its number up. Start the Service's \
             pods first, or list the ports, with `target_port`, in `ports`."
        )),
        (None, _) => Err(format!(
            "Service {service}'s target port {named:?} is a name that no container of its {} pods has. Correct the Service, or list \
             the ports in `ports`.",
            pods.len()
        )),
        (Some(_), _) => Err(format!(
            "Service {service}'s target port {named:?} has another number in different pods: {numbers:?}. Wait until a rollout is over, \
             or list the ports, with `target_port`, in `ports`."
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn protocols_are_chosen_as_istio_does() {
        for (app, name, protocol) in [
            (None, "http", Protocol::Http),
            (None, "http-web", Protocol::Http),
            (None, "http2", Protocol::Http2),
            (None, "grpc-api", Protocol::Grpc),
            (None, "grpc-web", Protocol::GrpcWeb),
            (None, "GRPC", Protocol::Grpc),
            (None, "tcp-db", Protocol::Tcp),
            (None, "https", Protocol::Https),
            (None, "mongo", Protocol::Mongo),
            (None, "mysql-main", Protocol::Mysql),
            (None, "httpx", Protocol::Tcp),
            (None, "web", Protocol::Tcp),
            (None, "", Protocol::Tcp),
            (Some("http"), "tcp-x", Protocol::Http),
            (Some("kubernetes.io/h2c"), "web", Protocol::Http2),
            (Some("kubernetes.io/wss"), "web", Protocol::Https),
            (Some("corp.example/own"), "http", Protocol::Tcp),
        ] {
            assert_eq!(Protocol::of_service(app, name), protocol, "{app:?} {name}");
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

    fn service(spec: &Json) -> Json {
        json!({"metadata": {"name": "echo"}, "spec": spec})
    }

    #[test]
    fn a_service_is_discovered() {
        let service = service(&json!({
            "clusterIP": "10.0.0.9",
            "selector": {"app": "echo"},
            "ports": [
                {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080},
                {"name": "api", "appProtocol": "grpc", "port": 9090, "targetPort": "grpc"},
                {"port": 5432},
            ],
        }));
        let pods = [json!({"spec": {"containers": [{"ports": [{"name": "grpc", "containerPort": 9091}]}]}})];
        let found = discover(&service, &pods).unwrap();
        let shapes: Vec<_> = found.ports.iter().map(|p| (p.number, p.name.as_str(), p.protocol, p.target_port)).collect();
        assert_eq!(
            shapes,
            [(80, "http", Protocol::Http, Some(8080)), (9090, "api", Protocol::Grpc, Some(9091)), (5432, "tcp-5432", Protocol::Tcp, None)]
        );
        assert_eq!(found.selector["app"], "echo");
    }

    #[test]
    fn a_service_that_cant_be_exported_is_explained() {
        let named = json!({"selector": {"a": "b"}, "ports": [{"port": 80, "targetPort": "web"}]});
        let pod = |port: i64| json!({"spec": {"containers": [{"ports": [{"name": "web", "containerPort": port}]}]}});
        for (spec, pods, words) in [
            (json!({"type": "ExternalName", "externalName": "x.y"}), vec![], "DNS alias"),
            (json!({"clusterIP": "None", "selector": {"a": "b"}}), vec![], "headless"),
            (json!({"ports": [{"port": 80}]}), vec![], "no selector"),
            (json!({"selector": {"a": "b"}, "ports": [{"port": 53, "protocol": "UDP"}]}), vec![], "is UDP"),
            (named.clone(), vec![], "no pod yet"),
            (named.clone(), vec![json!({})], "no container of its 1 pods"),
            (named.clone(), vec![pod(1), pod(2)], "{1, 2}"),
        ] {
            let error = discover(&service(&spec), &pods).unwrap_err();
            assert!(error.contains(words), "{words}: {error}");
        }
    }
}
