//! From the attributes of `mesh_service_export` to what they mean.

use std::collections::BTreeSet;

use super::model::{GatewayRef, PortModel, ServiceExportModel};
use crate::mesh::{
    ClusterKey, Namespace, Protocol, ReleaseName, ServicePort,
    export::GatewayEnd,
    helm::gateway::Address,
    names::port,
    record::{Record, RecordedPort},
};
use framework::{Parse, Value};

/// Reads the exporting cluster's gateway.
pub(super) fn parse_gateway(gateway: &GatewayRef, parse: &mut Parse<'_>) -> Option<GatewayEnd> {
    let cluster = parse.required("cluster", &gateway.cluster, |key| ClusterKey::parse(key));
    let namespace = parse.required("namespace", &gateway.namespace, |text| Namespace::parse(text));
    let name = parse.required("name", &gateway.name, |text| ReleaseName::parse(text));
    let addresses = parse.each("addresses", &gateway.addresses, |text| Address::parse(text));
    if addresses.as_ref().is_some_and(Vec::is_empty) && gateway.addresses.is_value() {
        parse
            .violation(parse.path("addresses"), &"The gateway has no address yet, so nobody could be sent there. Apply the gateway first.");
    }
    Some(GatewayEnd { cluster: cluster?, namespace: namespace?, name: name?, addresses: addresses? })
}

/// Reads the ports that the configuration sets; none when it leaves them to the live Service.
pub(super) fn parse_ports(ports: &Value<Vec<Value<PortModel>>>, parse: &mut Parse<'_>) -> Option<Option<Vec<ServicePort>>> {
    let Value::Value(ports) = ports else {
        if ports.is_unknown() {
            parse.set_unknown();
            return None;
        }
        return Some(None);
    };
    let mut read = Some(Vec::new());
    for (index, wanted) in (0..).zip(ports) {
        let port = if let Value::Value(wanted) = wanted {
            parse.element("ports", index, |parse| {
                let number = parse.required("number", &wanted.number, |number| port::number(*number));
                let protocol = parse.required("protocol", &wanted.protocol, |text| Protocol::parse(text));
                let name = parse.optional("name", &wanted.name, |text| port::name(text));
                let target = parse.optional("target_port", &wanted.target_port, |number| port::number(*number));
                Some(ServicePort::of(number?, name?, protocol?, target?))
            })
        } else {
            parse.set_unknown();
            None
        };
        read = read.zip(port).map(|(mut read, port)| {
            read.push(port);
            read
        });
    }
    if read.as_ref().is_some_and(Vec::is_empty) {
        parse.violation(parse.path("ports"), &"No port. Name at least one, or leave `ports` out to take those of the live Service.");
    }
    read.map(Some)
}

/// What is asked for, to be found again by an import.
pub(super) fn record(model: &ServiceExportModel, gateway: &GatewayEnd) -> Record {
    let text = |value: &Value<String>| value.as_ref_option().cloned();
    let set = |value: &Value<BTreeSet<Value<String>>>| value.as_ref_option().into_iter().flatten().filter_map(text).collect();
    let small = |number: &Value<i64>| number.as_ref_option().and_then(|number| u16::try_from(*number).ok());
    let port = |port: &PortModel| RecordedPort {
        number: small(&port.number).unwrap_or_default(),
        name: text(&port.name),
        protocol: text(&port.protocol).unwrap_or_default(),
        target_port: small(&port.target_port),
    };
    Record {
        service: text(&model.service).unwrap_or_default(),
        gateway_name: gateway.name.to_string(),
        gateway_namespace: gateway.namespace.to_string(),
        importers: set(&model.importers),
        importer_namespace: text(&model.importer_namespace),
        vip: text(&model.vip),
        ports: model.ports.as_ref_option().map(|ports| ports.iter().filter_map(Value::as_ref_option).map(port).collect()),
        selector: model
            .selector
            .as_ref_option()
            .map(|labels| labels.iter().filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect()),
        service_accounts: set(&model.service_accounts),
        trust_domain: text(&model.trust_domain),
        locality: text(&model.locality),
    }
}
