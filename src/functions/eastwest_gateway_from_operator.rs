//! The function `eastwest_gateway_from_operator`: the attributes of a gateway out of an `IstioOperator` manifest.

use std::collections::BTreeMap;

use super::{argument, strings};
use crate::mesh::helm::operator::OperatorGateway;
use framework::{ArgumentError, Datum, Dynamic, Field, Function, Parameter, Set, Type, Value, computed, model};

/// `provider::mesh::eastwest_gateway_from_operator(manifest)`
pub(super) struct FromOperator;

model! {
    /// The attributes of a `mesh_eastwest_gateway`.
    pub struct GatewayAttributes {
        /// The gateway's name.
        name: String => computed(),
        /// The value of the label `istio` of the gateway's pods; null if it is the name without `istio-`.
        label: String => computed(),
        /// The gateway's namespace: its own, or the manifest's, or `istio-system`.
        namespace: String => computed(),
        /// The network, if the manifest names one: in the label `topology.istio.io/network`, in the environment, or in `values.global.network`.
        network: String => computed(),
        /// Annotations of the Service.
        service_annotations: BTreeMap<String, Value<String>> => computed(),
        /// The Service's load balancer class; null if not set.
        load_balancer_class: String => computed(),
        /// The ranges that may connect; empty for all.
        source_ranges: Set<String> => computed(),
        /// Fixed number of pods; null if not set, or if an autoscaler is.
        replicas: i64 => computed(),
        /// All other settings, as values of the chart `gateway`: a YAML document, or an empty list.
        values: Vec<Value<String>> => computed(),
        /// The keys of the manifest that have no counterpart, such as `spec.hub`.
        ignored: Vec<Value<String>> => computed(),
    }
}

impl Function for FromOperator {
    fn name(&self) -> &'static str {
        "eastwest_gateway_from_operator"
    }
    fn summary(&self) -> &'static str {
        "The attributes of an east-west gateway out of an IstioOperator manifest"
    }
    fn description(&self) -> &'static str {
        "Returns the attributes of a `mesh_eastwest_gateway` that is the gateway of an IstioOperator manifest, the input of `istioctl install`, such as \
         the one that Istio's script `gen-eastwest-gateway.sh` prints. The manifest must enable one gateway in `spec.components.ingressGateways`.\n\n\
         What is a setting of the gateway alone is read: its `label` and `k8s`, the network, the namespace. Settings of the control plane in the same \
         manifest belong to `mesh_cluster`. A function can't warn, so `ignored` lists each key that was read by nothing; a `check` block turns it into \
         a warning, as in the example."
    }
    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter { name: "manifest", description: "The manifest, as YAML: usually `file(\"…\")`.", ty: String::field_type() }]
    }
    fn returns(&self) -> Type {
        GatewayAttributes::field_type()
    }
    fn call(&self, arguments: &[Dynamic]) -> Result<Datum, ArgumentError> {
        let gateway = OperatorGateway::read(&argument::<String>(arguments, 0)?).map_err(ArgumentError::at(0))?;
        let annotations = gateway.service_annotations.into_iter().map(|(key, value)| (key, Value::Value(value)));
        let attributes = GatewayAttributes {
            name: Value::Value(gateway.name.to_string()),
            label: gateway.label.map(|label| label.to_string()).into(),
            namespace: Value::Value(gateway.namespace.to_string()),
            network: gateway.network.map(|network| network.to_string()).into(),
            service_annotations: Value::Value(annotations.collect()),
            load_balancer_class: gateway.load_balancer_class.into(),
            source_ranges: strings(gateway.source_ranges),
            replicas: gateway.replicas.map(i64::from).into(),
            values: strings(gateway.values),
            ignored: strings(gateway.ignored),
        };
        Ok(attributes.encode())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_becomes_attributes() {
        let manifest = "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec:\n  hub: h\n  components:\n    ingressGateways: [{name: gw, k8s: \
                        {replicaCount: 2, resources: {limits: {cpu: 1}}}}]\n";
        let Ok(found) = FromOperator.call(&[Value::Value(manifest.into())]) else { panic!("refused") };
        let found = GatewayAttributes::decode(&found, &framework::AttributePath::root()).unwrap();
        assert_eq!((found.name, found.replicas), (Value::Value("gw".to_owned()), Value::Value(2)));
        assert_eq!(found.network, Value::Null);
        assert_eq!(found.ignored, Value::Value(vec![Value::Value("spec.hub".to_owned())]));
        assert_eq!(found.values.as_ref_option().map(Vec::len), Some(1));
        assert_eq!(FromOperator.call(&[Value::Value("a: b".into())]).unwrap_err().argument, Some(0));
    }
}
