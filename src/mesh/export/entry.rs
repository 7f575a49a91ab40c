//! A hand-written ServiceEntry that points a host at an east-west gateway, as the attributes of an export.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::{Audience, PortRequest};
use crate::{
    istio::well_known::{TLS_MODE_ISTIO, TLS_MODE_LABEL},
    mesh::{
        document::Document,
        helm::gateway::Address,
        names::{Host, Locality, Namespace, Protocol, ServiceAccountName, TrustDomain, Vip, port},
        trust,
    },
};

/// What a ServiceEntry of an importing cluster shows of an export.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportedEntry {
    /// The host.
    pub host: Host,
    /// The namespace of the entry.
    pub importer_namespace: Option<Namespace>,
    /// The namespaces that see the host.
    pub export_to: Option<BTreeSet<Audience>>,
    /// The virtual address.
    pub vip: Option<Vip>,
    /// The ports that clients call.
    pub ports: Vec<PortRequest>,
    /// Where the exporting cluster is.
    pub locality: Option<Locality>,
    /// The gateway's addresses.
    pub gateway_addresses: Vec<Address>,
    /// The gateway's port.
    pub gateway_port: Option<u16>,
    /// The identities that clients accept, if all are of one namespace and trust domain.
    pub identities: Option<Identities>,
    /// The keys without a counterpart.
    pub ignored: Vec<String>,
}

/// Service accounts of one namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identities {
    /// Their trust domain.
    pub trust_domain: TrustDomain,
    /// Their namespace.
    pub namespace: Namespace,
    /// Their names.
    pub accounts: BTreeSet<ServiceAccountName>,
}

/// An endpoint: the gateway, as clients reach it.
struct Endpoint {
    address: Option<Address>,
    ports: BTreeSet<u16>,
    locality: Option<Locality>,
}

impl ImportedEntry {
    /// Reads a manifest.
    ///
    /// # Errors
    /// A sentence about a manifest that can't be read, or that no export can stand for.
    pub fn read(manifest: &str) -> Result<Self, String> {
        let mut document = Document::parse(manifest, "networking.istio.io", "ServiceEntry")?;
        // The objects of an export have names of their own.
        document.take(&["metadata", "name"]);
        let importer_namespace = document.text(&["metadata", "namespace"])?.map(|text| Namespace::parse(&text)).transpose()?;
        let hosts = document.strings(&["spec", "hosts"])?;
        let host = match hosts.as_slice() {
            [host] => Host::parse(host)?,
            hosts => {
                return Err(format!("It has {} hosts in spec.hosts, and an export has one. Write a manifest for each host.", hosts.len()));
            }
        };
        let audience = document.strings(&["spec", "exportTo"])?;
        let export_to = audience.iter().map(|text| Audience::parse(text)).collect::<Result<BTreeSet<_>, _>>()?;
        let addresses = document.strings(&["spec", "addresses"])?;
        let vip = addresses.first().map(|text| Vip::parse(single(text))).transpose()?;
        if addresses.len() > 1 {
            return Err(format!("It has {} addresses in spec.addresses, and an export has one. Keep one of them.", addresses.len()));
        }
        let ports = document.elements(&["spec", "ports"], read_port)?;
        document.take_if(&["spec", "location"], |location| location == "MESH_INTERNAL");
        // The export chooses it by what the addresses are.
        document.take_if(&["spec", "resolution"], |resolution| resolution == "DNS" || resolution == "STATIC");
        let endpoints = document.elements(&["spec", "endpoints"], Endpoint::read)?;
        let gateway_ports: BTreeSet<_> = endpoints.iter().flat_map(|endpoint| endpoint.ports.iter().copied()).collect();
        if gateway_ports.len() > 1 {
            return Err(format!("Its endpoints have the ports {gateway_ports:?}, and all traffic to a gateway goes to one port."));
        }
        let localities: Vec<_> = endpoints.iter().filter_map(|endpoint| endpoint.locality.clone()).collect();
        if localities.iter().any(|locality| *locality != localities[0]) {
            return Err("Its endpoints have several localities, and an export has one: that of the exporting cluster.".to_owned());
        }
        let identities = identities(&document.peek("spec").map(|spec| spec["subjectAltNames"].clone()).unwrap_or_default());
        if identities.is_some() {
            document.take(&["spec", "subjectAltNames"]);
        }
        Ok(Self {
            host,
            importer_namespace,
            export_to: Some(export_to).filter(|audience| !audience.is_empty()),
            vip,
            ports,
            locality: localities.into_iter().next(),
            gateway_addresses: endpoints.into_iter().filter_map(|endpoint| endpoint.address).collect(),
            gateway_port: gateway_ports.into_iter().next(),
            identities,
            ignored: document.unread(),
        })
    }
}

/// Removes the suffix of a range that is one address.
fn single(address: &str) -> &str {
    address.strip_suffix("/32").or_else(|| address.strip_suffix("/128")).unwrap_or(address)
}

fn read_port(document: &mut Document) -> Result<PortRequest, String> {
    let number = document.read(&["number"], "a number", Json::as_i64)?.ok_or("A port in spec.ports has no number.")?;
    let protocol = document.text(&["protocol"])?;
    Ok(PortRequest {
        number: port::number(number)?,
        name: document.text(&["name"])?.map(|name| port::name(&name)).transpose()?,
        // As istiod reads an entry without one.
        protocol: protocol.map_or(Ok(Protocol::Tcp), |protocol| Protocol::parse(&protocol))?,
        target_port: None,
    })
}

impl Endpoint {
    fn read(document: &mut Document) -> Result<Self, String> {
        // A placeholder stays unread.
        let address = document.peek("address").and_then(Json::as_str).and_then(|text| Address::parse(text).ok());
        if address.is_some() {
            document.take(&["address"]);
        }
        let ports = document.entries(&["ports"], |_, number| port::number(number.as_i64()?).ok());
        // An export marks its endpoints so by itself.
        document.take_if(&["labels", TLS_MODE_LABEL], |mode| mode == TLS_MODE_ISTIO);
        let locality = document.text(&["locality"])?.map(|text| Locality::parse(&text)).transpose()?;
        Ok(Self { address, ports: ports.into_iter().collect(), locality })
    }
}

/// Reads SPIFFE identities; `None` if there are none, or if they aren't all of one namespace and trust domain.
fn identities(names: &Json) -> Option<Identities> {
    let read: Vec<_> = names.as_array()?.iter().map(|name| trust::parse_spiffe_id(name.as_str()?)).collect::<Option<_>>()?;
    let (trust_domain, namespace, _) = read.first()?.clone();
    let is_one = read.iter().all(|(domain, of, _)| *domain == trust_domain && *of == namespace);
    is_one.then(|| Identities { trust_domain, namespace, accounts: read.into_iter().map(|(_, _, account)| account).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(spec: &str) -> Result<ImportedEntry, String> {
        ImportedEntry::read(&format!(
            "apiVersion: networking.istio.io/v1beta1\nkind: ServiceEntry\nmetadata: {{name: e, namespace: echo}}\nspec:\n  hosts: \
             [echo.eu.mesh.local]\n  {spec}\n"
        ))
    }

    #[test]
    fn an_entry_that_works_is_read_in_full() {
        let found = entry(
            "addresses: [240.0.0.2]\n  exportTo: [., shop]\n  ports: [{number: 80, name: http, protocol: HTTP}, {number: 5432, name: pg}]\n  location: \
             MESH_INTERNAL\n  resolution: DNS\n  subjectAltNames: [spiffe://corp.local/ns/shop/sa/a, spiffe://corp.local/ns/shop/sa/b]\n  endpoints:\n  - \
             {address: lb.example.com, ports: {http: 15443, pg: 15443}, locality: eu-west-1, labels: {security.istio.io/tlsMode: istio}}\n  - {address: \
             198.51.100.9, ports: {http: 15443}}",
        )
        .unwrap();
        assert_eq!((found.host.as_str(), found.vip), ("echo.eu.mesh.local", Some(Vip::parse("240.0.0.2").unwrap())));
        assert_eq!(found.importer_namespace.unwrap().as_str(), "echo");
        assert_eq!(found.export_to.unwrap().len(), 2);
        assert_eq!(
            found.ports.iter().map(|port| (port.number, port.protocol)).collect::<Vec<_>>(),
            [(80, Protocol::Http), (5432, Protocol::Tcp)]
        );
        assert_eq!(found.gateway_addresses.iter().map(ToString::to_string).collect::<Vec<_>>(), ["lb.example.com", "198.51.100.9"]);
        assert_eq!((found.gateway_port, found.locality.unwrap().to_string()), (Some(15443), "eu-west-1".to_owned()));
        let identities = found.identities.unwrap();
        assert_eq!((identities.namespace.as_str(), identities.trust_domain.as_str(), identities.accounts.len()), ("shop", "corp.local", 2));
        assert_eq!(found.ignored, [""; 0]);
    }

    #[test]
    fn what_an_export_does_otherwise_is_named() {
        let found = entry(
            "addresses: [240.0.0.2/32]\n  location: MESH_EXTERNAL\n  resolution: DNS\n  ports: [{number: 80, name: http, protocol: HTTP, targetPort: \
             8080}]\n  subjectAltNames: [other.example.com]\n  endpoints: [{address: <LB>, weight: 5, ports: {http: 15443}, labels: {a: b}}]",
        )
        .unwrap();
        assert_eq!(found.vip, Some(Vip::parse("240.0.0.2").unwrap()));
        assert!(found.gateway_addresses.is_empty() && found.identities.is_none());
        let ignored: BTreeSet<_> = found.ignored.iter().map(String::as_str).collect();
        let expected = [
            "spec.endpoints[0].address",
            "spec.endpoints[0].labels",
            "spec.endpoints[0].weight",
            "spec.location",
            "spec.ports[0].targetPort",
            "spec.subjectAltNames",
        ];
        assert_eq!(ignored, expected.into());
    }

    #[test]
    fn an_entry_that_no_export_can_stand_for_is_refused() {
        for (spec, words) in [
            ("addresses: [240.0.0.0/24]", "is a range"),
            ("addresses: [240.0.0.2, 240.0.0.3]", "2 addresses"),
            ("addresses: 240.0.0.2", "must be a list of strings"),
            ("ports: [{number: 53, protocol: UDP}]", "is not a valid protocol"),
            ("ports: [{protocol: HTTP}]", "has no number"),
            ("endpoints: [{address: a.b, ports: {http: 1}}, {address: c.d, ports: {http: 2}}]", "{1, 2}"),
            ("endpoints: [{address: a.b, locality: p}, {address: c.d, locality: q}]", "several localities"),
            ("exportTo: [A]", "Other than a namespace"),
        ] {
            let error = entry(spec).unwrap_err();
            assert!(error.contains(words), "{spec}: {error}");
        }
        let two = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nspec: {hosts: [a.b, c.d]}\n";
        assert!(ImportedEntry::read(two).unwrap_err().contains("2 hosts"));
    }
}
