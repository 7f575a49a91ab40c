//! The function `service_export_from_service_entry`: the attributes of an export out of a hand-written `ServiceEntry`.

use super::{argument, strings};
use crate::mesh::export::{ImportedEntry, PortRequest};
use framework::{ArgumentError, Datum, Dynamic, Field, Function, Parameter, Set, Type, Value, computed, model};

/// `provider::mesh::service_export_from_service_entry(manifest)`
pub(super) struct FromServiceEntry;

model! {
    /// A port, as `ports` of `mesh_service_export` has it.
    pub struct PortAttributes {
        /// The port that clients call.
        number: i64 => computed(),
        /// The port's name; null if not set.
        name: String => computed(),
        /// The protocol.
        protocol: String => computed(),
    }
}

model! {
    /// The attributes of a `mesh_service_export`.
    pub struct ExportAttributes {
        /// The name that clients call.
        host: String => computed(),
        /// The namespace of the ServiceEntry; null if not set.
        importer_namespace: String => computed(),
        /// The namespaces that see the host; null for all.
        export_to: Set<String> => computed(),
        /// The address that the host resolves to, without a suffix such as `/32`; null if not set.
        vip: String => computed(),
        /// The ports that clients call. Use them only where the pods listen on the same numbers: a ServiceEntry in an importing cluster doesn't
        /// show the ports of the pods, and an export that leaves `ports` out has them of the live Service.
        ports: Vec<Value<PortAttributes>> => computed(),
        /// The namespace of the Service, if `subjectAltNames` show it; else null.
        namespace: String => computed(),
        /// The service accounts in `subjectAltNames`; null if there are none, or if they are of several namespaces or trust domains.
        service_accounts: Set<String> => computed(),
        /// The trust domain in `subjectAltNames`; else null.
        trust_domain: String => computed(),
        /// Where the exporting cluster is; null if not set.
        locality: String => computed(),
        /// The addresses of the endpoints: of the exporting cluster's gateway, for `gateway.addresses`. A `mesh_eastwest_gateway` follows its
        /// address when that changes, and is preferable. A placeholder is left out.
        gateway_addresses: Vec<Value<String>> => computed(),
        /// The port of the endpoints, for `gateway.port`; null if not set.
        gateway_port: i64 => computed(),
        /// The keys of the manifest that have no counterpart, such as `spec.location` if it is not `MESH_INTERNAL`.
        ignored: Vec<Value<String>> => computed(),
    }
}

impl Function for FromServiceEntry {
    fn name(&self) -> &'static str {
        "service_export_from_service_entry"
    }
    fn summary(&self) -> &'static str {
        "The attributes of an export out of a ServiceEntry"
    }
    fn description(&self) -> &'static str {
        "Returns the attributes of a `mesh_service_export` that stands for a ServiceEntry of an importing cluster: one that points a host at another \
         cluster's east-west gateway. What it doesn't show, the Service and its namespace, is left to the configuration.\n\n\
         An export writes its own ServiceEntry, with the same host. Delete the one that it stands for: of two entries for one host, Istio merges the \
         endpoints.\n\n\
         A function can't warn, so `ignored` lists each key that was read by nothing; a `check` block turns it into a warning, as in the example. An \
         entry with several hosts, several addresses or several ports of the gateway is refused."
    }
    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter { name: "manifest", description: "The manifest, as YAML: usually `file(\"…\")`.", ty: String::field_type() }]
    }
    fn returns(&self) -> Type {
        ExportAttributes::field_type()
    }
    fn call(&self, arguments: &[Dynamic]) -> Result<Datum, ArgumentError> {
        let entry = ImportedEntry::read(&argument::<String>(arguments, 0)?).map_err(ArgumentError::at(0))?;
        let text = |text: Option<String>| Value::from(text);
        let identities = entry.identities.as_ref();
        let attributes = ExportAttributes {
            host: Value::Value(entry.host.to_string()),
            importer_namespace: text(entry.importer_namespace.map(|namespace| namespace.to_string())),
            export_to: entry.export_to.map_or(Value::Null, strings),
            vip: text(entry.vip.map(|vip| vip.to_string())),
            ports: Value::Value(entry.ports.iter().map(|port| Value::Value(port.into())).collect()),
            namespace: text(identities.map(|of| of.namespace.to_string())),
            service_accounts: identities.map_or(Value::Null, |of| strings(&of.accounts)),
            trust_domain: text(identities.map(|of| of.trust_domain.to_string())),
            locality: text(entry.locality.map(|locality| locality.to_string())),
            gateway_addresses: strings(entry.gateway_addresses),
            gateway_port: entry.gateway_port.map(i64::from).into(),
            ignored: strings(entry.ignored),
        };
        Ok(attributes.encode())
    }
}

impl From<&PortRequest> for PortAttributes {
    fn from(port: &PortRequest) -> Self {
        Self {
            number: Value::Value(i64::from(port.number)),
            name: port.name.clone().into(),
            protocol: Value::Value(port.protocol.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_becomes_attributes() {
        let manifest = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {namespace: echo}\nspec:\n  hosts: [echo.eu.mesh.local]\n  \
                        location: MESH_EXTERNAL\n  ports: [{number: 80, protocol: http}]\n  subjectAltNames: [spiffe://corp.local/ns/shop/sa/a]\n  \
                        endpoints: [{address: 198.51.100.9, ports: {http: 15443}}]\n";
        let Ok(found) = FromServiceEntry.call(&[Value::Value(manifest.into())]) else { panic!("refused") };
        let found = ExportAttributes::decode(&found, &framework::AttributePath::root()).unwrap();
        let text = |text: &str| Value::Value(text.to_owned());
        assert_eq!((found.host, found.namespace, found.vip), (text("echo.eu.mesh.local"), text("shop"), Value::Null));
        assert_eq!((found.gateway_addresses, found.gateway_port), (Value::Value(vec![text("198.51.100.9")]), Value::Value(15443)));
        assert_eq!(
            found.ports.as_ref_option().and_then(|ports| ports[0].as_ref_option()).map(|port| port.protocol.clone()),
            Some(text("HTTP"))
        );
        assert_eq!(found.ignored, Value::Value(vec![text("spec.location")]));
        assert_eq!(FromServiceEntry.call(&[Value::Value("a: b".into())]).unwrap_err().argument, Some(0));
    }
}
