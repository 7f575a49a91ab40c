//! Ports in the attributes of `mesh_service_export`: those that the configuration sets, and those that are exported.

use crate::mesh::{Protocol, ServicePort, export::PortRequest, names::port};
use framework::{AttributePath, Dynamic, Parse, Value, computed, decode, model, optional, required};

model! {
    /// A port of the exported service.
    pub struct PortModel {
        /// The port that clients call.
        number: i64 => required().between(1, 65535),
        /// The port's name, such as `http-web`; made of protocol and number if not set, such as `http-80`.
        name: String => optional(),
        /// The protocol: `HTTP`, `HTTP2`, `GRPC`, `GRPC-WEB`, `HTTPS`, `TLS`, `TCP`, `MONGO`, `REDIS` or `MYSQL`, in any case.
        protocol: String => required(),
        /// The port of the pods; `number` if not set.
        target_port: i64 => optional().between(1, 65535),
    }
}

model! {
    /// A port as it is exported.
    pub struct ExportedPortModel {
        /// The port that clients call.
        number: i64 => computed(),
        /// The port's name.
        name: String => computed(),
        /// The protocol.
        protocol: String => computed(),
        /// The port of the pods.
        target_port: i64 => computed(),
    }
}

/// Parses the ports that the configuration sets; `Some(None)` if it leaves them to the live Service.
pub(in crate::resources) fn parse_ports(ports: &Value<Vec<Value<PortModel>>>, parse: &mut Parse<'_>) -> Option<Option<Vec<PortRequest>>> {
    if ports.is_null() {
        return Some(None);
    }
    let read = parse.each_nested("ports", ports, |wanted, parse| {
        let number = parse.required("number", &wanted.number, |number| port::number(*number));
        let protocol = parse.required("protocol", &wanted.protocol, |text| Protocol::parse(text));
        let name = parse.optional("name", &wanted.name, |text| port::name(text));
        let target_port = parse.optional("target_port", &wanted.target_port, |number| port::number(*number));
        Some(PortRequest { number: number?, name: name?, protocol: protocol?, target_port: target_port? })
    });
    for (index, problem) in read.as_deref().map(repetitions).unwrap_or_default() {
        parse.violation(parse.path("ports").index(index), &problem);
    }
    if read.as_ref().is_some_and(Vec::is_empty) {
        parse.violation(
            parse.path("ports"),
            &"Must not be empty. List at least one port, or leave `ports` out to export those of the live Service.",
        );
    }
    read.map(Some)
}

/// Finds the ports whose number or name another one before them has; Istio refuses both. Each with its index.
pub(in crate::resources) fn repetitions(ports: &[PortRequest]) -> Vec<(i64, String)> {
    let ports: Vec<_> = ports.iter().map(ServicePort::from).collect();
    let problem = |index: usize, port: &ServicePort| {
        let earlier = &ports[..index];
        if earlier.iter().any(|other| other.number == port.number) {
            return Some(format!("Port {} is listed twice.", port.number));
        }
        let other = earlier.iter().find(|other| other.name == port.name)?;
        Some(format!("Ports {} and {} both have the name {:?}. Names must be unique.", other.number, port.number, port.name))
    };
    (0..).zip(ports.iter().enumerate()).filter_map(|(place, (index, port))| Some((place, problem(index, port)?))).collect()
}

/// Returns whether two lists differ only in the case of the protocols, which HCL may write in any case.
pub(in crate::resources) fn same_ports(a: &Dynamic, b: &Dynamic) -> bool {
    let in_one_case = |ports: &Dynamic| {
        let Ok(Value::Value(ports)) = decode::<Vec<Value<PortModel>>>(ports, &AttributePath::root()) else { return None };
        let in_upper_case = |mut port: Value<PortModel>| {
            if let Value::Value(PortModel { protocol: Value::Value(protocol), .. }) = &mut port {
                protocol.make_ascii_uppercase();
            }
            port
        };
        Some(ports.into_iter().map(in_upper_case).collect::<Vec<_>>())
    };
    in_one_case(a).is_some_and(|ports| in_one_case(b).as_ref() == Some(&ports))
}

impl From<&PortRequest> for PortModel {
    fn from(port: &PortRequest) -> Self {
        Self {
            number: Value::Value(i64::from(port.number)),
            name: port.name.clone().into(),
            protocol: Value::Value(port.protocol.to_string()),
            target_port: port.target_port.map(i64::from).into(),
        }
    }
}

impl From<&ServicePort> for ExportedPortModel {
    fn from(port: &ServicePort) -> Self {
        Self {
            number: Value::Value(i64::from(port.number)),
            name: Value::Value(port.name.clone()),
            protocol: Value::Value(port.protocol.to_string()),
            target_port: Value::Value(i64::from(port.target_port.unwrap_or(port.number))),
        }
    }
}
