//! A gateway out of an `IstioOperator` manifest, the input of `istioctl install`, as the attributes of an east-west gateway.
//!
//! Source: Istio 1.31, `operator/pkg/apis/types.go` and `operator/pkg/component/component.go`, and the chart `gateway`.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::{gateway::label_of, values};
use crate::{
    istio::well_known::{GATEWAY_LABEL, NETWORK_LABEL, NETWORK_VIEW, SYSTEM_NAMESPACE},
    mesh::{
        document::{Document, insert},
        names::{LabelValue, Namespace, NetworkName, ReleaseName},
    },
};

/// What the chart `gateway` has under the same key, with the same content.
const OF_THE_POD: &[&str] = &[
    "affinity",
    "imagePullPolicy",
    "nodeSelector",
    "podAnnotations",
    "priorityClassName",
    "readinessProbe",
    "resources",
    "securityContext",
    "strategy",
    "tolerations",
    "volumeMounts",
    "volumes",
];

/// What the chart `gateway` has under `service`, with the same content.
const OF_THE_SERVICE: &[&str] = &[
    "allocateLoadBalancerNodePorts",
    "clusterIP",
    "externalIPs",
    "externalTrafficPolicy",
    "healthCheckNodePort",
    "internalTrafficPolicy",
    "ipFamilies",
    "ipFamilyPolicy",
    "loadBalancerIP",
];

/// The ports of a gateway between networks, as the chart sets them.
const PORTS: &[(&str, u64)] = &[("status-port", 15021), ("tls", 15443), ("tls-istiod", 15012), ("tls-webhook", 15017)];

/// A gateway as the manifest describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct OperatorGateway {
    /// Its name.
    pub name: ReleaseName,
    /// The value of the label `istio` of its pods, if it isn't the one that follows from its name.
    pub label: Option<LabelValue>,
    /// Its namespace.
    pub namespace: Namespace,
    /// The network that it gives access to.
    pub network: Option<NetworkName>,
    /// Annotations of the Service.
    pub service_annotations: BTreeMap<String, String>,
    /// Class of the load balancer.
    pub load_balancer_class: Option<String>,
    /// The ranges that may connect.
    pub source_ranges: Vec<String>,
    /// A fixed number of pods.
    pub replicas: Option<u32>,
    /// All other settings, as values of the chart `gateway`, in YAML.
    pub values: Option<String>,
    /// The keys without a counterpart.
    pub ignored: Vec<String>,
}

/// The settings of one element of `ingressGateways`.
#[derive(Default)]
struct Element {
    is_enabled: bool,
    name: Option<String>,
    namespace: Option<String>,
    /// The networks that its label and its environment name.
    networks: Vec<String>,
    service_annotations: BTreeMap<String, String>,
    load_balancer_class: Option<String>,
    source_ranges: Vec<String>,
    replicas: Option<u32>,
    values: Map<String, Json>,
}

impl OperatorGateway {
    /// Reads the only gateway that a manifest enables.
    ///
    /// # Errors
    /// A sentence about a manifest that can't be read, or has no gateway or several.
    pub fn read(manifest: &str) -> Result<Self, String> {
        let mut document = Document::parse(manifest, "install.istio.io", "IstioOperator")?;
        document.take(&["metadata", "name"]);
        // With this profile istioctl installs only what the manifest enables, as this function does.
        document.take_if(&["spec", "profile"], |profile| profile == "empty");
        let namespace = document.text(&["metadata", "namespace"])?;
        let network = document.text(&["spec", "values", "global", "network"])?;
        document.take_if(&["spec", "values", "gateways", "istio-ingressgateway", "injectionTemplate"], |template| template == "gateway");
        let elements = document.elements(&["spec", "components", "ingressGateways"], Element::read)?;
        let mut enabled = elements.into_iter().filter(|element| element.is_enabled);
        let found = enabled.next().ok_or("It enables no gateway in spec.components.ingressGateways.")?;
        if let Some(second) = enabled.next() {
            let name = |element: Element| element.name.unwrap_or_default();
            let (first, second) = (name(found), name(second));
            return Err(format!(
                "It enables several gateways, {first:?} and {second:?} among them. Keep one of them in the string, such as with \
                                `yamlencode`, and call the function once for each."
            ));
        }
        let name = found.name.ok_or("Its gateway in spec.components.ingressGateways has no name.")?;
        let namespace = found.namespace.or(namespace).unwrap_or_else(|| SYSTEM_NAMESPACE.to_owned());
        let mut networks: Vec<_> = found.networks.into_iter().chain(network).collect();
        networks.dedup();
        if let [first, second, ..] = networks.as_slice() {
            return Err(format!("It names several networks, {first:?} and {second:?}. A gateway gives access to one."));
        }
        let mut values = found.values;
        let label = take_labels(&mut values, &name);
        Ok(Self {
            name: ReleaseName::parse(&name)?,
            label: label.map(|label| LabelValue::parse(&label)).transpose()?,
            namespace: Namespace::parse(&namespace)?,
            network: networks.first().map(|network| NetworkName::parse(network)).transpose()?,
            service_annotations: found.service_annotations,
            load_balancer_class: found.load_balancer_class,
            source_ranges: found.source_ranges,
            replicas: found.replicas,
            values: values::to_yaml(&Json::Object(values)),
            ignored: document.unread(),
        })
    }
}

/// Takes the labels that the chart or an attribute sets. Returns the label `istio`, unless the chart sets the same by itself.
fn take_labels(values: &mut Map<String, Json>, name: &str) -> Option<String> {
    let Some(Json::Object(labels)) = values.get_mut("labels") else { return None };
    labels.retain(|key, value| key != "app" || value != name);
    let label = labels.remove(GATEWAY_LABEL);
    if labels.is_empty() {
        values.remove("labels");
    }
    label.as_ref().and_then(Json::as_str).filter(|label| *label != label_of(name)).map(str::to_owned)
}

impl Element {
    fn read(document: &mut Document) -> Result<Self, String> {
        let enabled = document.take(&["enabled"]).unwrap_or(json!(true));
        if ![json!(true), json!("true")].contains(&enabled) {
            document.discard();
            return Ok(Self::default());
        }
        let mut element = Self {
            is_enabled: true,
            name: document.text(&["name"])?,
            namespace: document.text(&["namespace"])?,
            replicas: None,
            ..Self::default()
        };
        element.read_labels(document);
        element.read_environment(document)?;
        element.read_service(document)?;
        element.read_size(document)?;
        for key in OF_THE_POD {
            if let Some(value) = document.take(&["k8s", key]) {
                element.values.insert((*key).to_owned(), value);
            }
        }
        for key in ["minAvailable", "maxUnavailable", "unhealthyPodEvictionPolicy"] {
            if let Some(value) = document.take(&["k8s", "podDisruptionBudget", key]) {
                insert(&mut element.values, &["podDisruptionBudget", key], value);
            }
        }
        Ok(element)
    }

    fn read_labels(&mut self, document: &mut Document) {
        for (key, value) in document.entries(&["label"], |key, value| Some((key.to_owned(), value.as_str()?.to_owned()))) {
            if key == NETWORK_LABEL {
                self.networks.push(value);
            } else {
                insert(&mut self.values, &["labels", &key], json!(value));
            }
        }
    }

    fn read_environment(&mut self, document: &mut Document) -> Result<(), String> {
        let mut from = Vec::new();
        document.elements(&["k8s", "env"], |variable| {
            let name = variable.text(&["name"])?.unwrap_or_default();
            match (variable.text(&["value"])?, variable.take(&["valueFrom"])) {
                (Some(value), _) if name == NETWORK_VIEW => self.networks.push(value),
                (Some(value), _) => insert(&mut self.values, &["env", &name], json!(value)),
                (None, Some(source)) => from.push(json!({"name": name, "valueFrom": source})),
                (None, None) => insert(&mut self.values, &["env", &name], json!("")),
            }
            Ok(())
        })?;
        if !from.is_empty() {
            self.values.insert("envVarFrom".to_owned(), Json::Array(from));
        }
        Ok(())
    }

    fn read_service(&mut self, document: &mut Document) -> Result<(), String> {
        let text = |key: &str, value: &Json| Some((key.to_owned(), value.as_str()?.to_owned()));
        self.service_annotations = document.entries(&["k8s", "serviceAnnotations"], text).into_iter().collect();
        self.load_balancer_class = document.text(&["k8s", "service", "loadBalancerClass"])?;
        self.source_ranges = document.strings(&["k8s", "service", "loadBalancerSourceRanges"])?;
        document.take_if(&["k8s", "service", "type"], |sort| sort == "LoadBalancer");
        for key in OF_THE_SERVICE.iter().chain(&["type"]) {
            if let Some(value) = document.take(&["k8s", "service", key]) {
                insert(&mut self.values, &["service", key], value);
            }
        }
        document.elements(&["k8s", "service", "ports"], |port| {
            self.read_port(port);
            Ok(())
        })?;
        Ok(())
    }

    /// Reads a port that a gateway between networks has; others stay unread.
    fn read_port(&mut self, document: &mut Document) {
        let Some((name, usual)) = PORTS.iter().find(|(name, _)| document.peek("name").is_some_and(|found| found == *name)) else { return };
        document.take(&["name"]);
        document.take_if(&["protocol"], |protocol| protocol == "TCP");
        for key in ["port", "targetPort"] {
            if let Some(number) = document.take(&[key]).filter(|number| *number != *usual) {
                insert(&mut self.values, &["networkGatewayPorts", name, key], number);
            }
        }
    }

    /// Reads how many pods there are: the autoscaler, if it is set, or a fixed number.
    fn read_size(&mut self, document: &mut Document) -> Result<(), String> {
        let mut is_scaled = false;
        for key in ["minReplicas", "maxReplicas"] {
            if let Some(number) = document.take(&["k8s", "hpaSpec", key]) {
                is_scaled = true;
                insert(&mut self.values, &["autoscaling", key], number);
            }
        }
        if !is_scaled {
            let count = |value: &Json| u32::try_from(value.as_u64()?).ok().filter(|count| *count > 0);
            self.replicas = document.read(&["k8s", "replicaCount"], "a number from 1", count)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The manifest of Istio's own `gen-eastwest-gateway.sh`, in its shape.
    const OF_ISTIO: &str = r"
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: eastwest}
spec:
  revision: ''
  profile: empty
  components:
    ingressGateways:
    - name: istio-eastwestgateway
      label: {istio: eastwestgateway, app: istio-eastwestgateway, topology.istio.io/network: eu-net}
      enabled: true
      k8s:
        env:
        - {name: ISTIO_META_REQUESTED_NETWORK_VIEW, value: eu-net}
        service:
          ports:
          - {name: status-port, port: 15021, targetPort: 15021}
          - {name: tls, port: 15443, targetPort: 15443}
          - {name: tls-istiod, port: 15012, targetPort: 15012}
          - {name: tls-webhook, port: 15017, targetPort: 15017}
  values:
    gateways: {istio-ingressgateway: {injectionTemplate: gateway}}
    global: {network: eu-net}
";

    fn with(gateway: &str) -> Result<OperatorGateway, String> {
        OperatorGateway::read(&format!(
            "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nmetadata: {{name: x}}\nspec:\n  components:\n    ingressGateways:\n{gateway}"
        ))
    }

    #[test]
    fn what_the_chart_does_anyway_is_nothing_to_set() {
        let gateway = OperatorGateway::read(OF_ISTIO).unwrap();
        assert_eq!((gateway.name.as_str(), gateway.namespace.as_str()), ("istio-eastwestgateway", "istio-system"));
        assert_eq!(gateway.network.unwrap().as_str(), "eu-net");
        assert_eq!((gateway.values, gateway.replicas, gateway.label), (None, None, None));
        assert_eq!(gateway.ignored, [""; 0]);
    }

    #[test]
    fn settings_are_attributes_or_values_of_the_chart() {
        let gateway = with(
            "    - name: gw\n      namespace: edge\n      label: {istio: other, team: a}\n      k8s:\n        replicaCount: 2\n        \
             serviceAnnotations: {a.example/type: nlb}\n        resources: {requests: {cpu: 10m}}\n        env: [{name: A, value: b}, {name: C, \
             valueFrom: {fieldRef: {fieldPath: d}}}]\n        service: {type: NodePort, loadBalancerSourceRanges: [10.0.0.0/8], loadBalancerClass: \
             c, loadBalancerIP: 198.51.100.9, ports: [{name: tls, port: 443, targetPort: 15443}]}\n        podDisruptionBudget: {minAvailable: 1}\n",
        )
        .unwrap();
        assert_eq!((gateway.namespace.as_str(), gateway.replicas, gateway.network), ("edge", Some(2), None));
        assert_eq!(gateway.label.as_ref().map(LabelValue::as_str), Some("other"));
        assert_eq!((gateway.service_annotations["a.example/type"].as_str(), gateway.load_balancer_class.as_deref()), ("nlb", Some("c")));
        assert_eq!(gateway.source_ranges, ["10.0.0.0/8"]);
        assert!(gateway.ignored.is_empty(), "{:?}", gateway.ignored);
        let expected = "labels: {team: a}\nresources: {requests: {cpu: 10m}}\nenv: {A: b}\nenvVarFrom: [{name: C, valueFrom: {fieldRef: \
                        {fieldPath: d}}}]\nservice: {type: NodePort, loadBalancerIP: 198.51.100.9}\nnetworkGatewayPorts: {tls: {port: \
                        443}}\npodDisruptionBudget: {minAvailable: 1}\n";
        assert!(values::same_yaml(gateway.values.as_deref().unwrap(), expected), "{:?}", gateway.values);
    }

    #[test]
    fn keys_without_a_counterpart_are_named() {
        let gateway = with(
            "    - name: gw\n      k8s:\n        replicaCount: 2\n        hpaSpec: {minReplicas: 2, maxReplicas: 4, metrics: [{type: Resource}]}\n        \
             overlays: [{kind: Service, patches: [{path: a, value: b}]}]\n        service: {sessionAffinity: ClientIP, ports: [{name: http2, port: 80}, \
             {name: tls, port: 15443, nodePort: 31443}]}\n    - {name: second, enabled: false, k8s: {replicaCount: 3}}\n  hub: h\n  meshConfig: {a: {b: c}}\n",
        )
        .unwrap();
        assert_eq!(gateway.replicas, None, "the autoscaler decides");
        let all = "spec.components.ingressGateways[0].k8s";
        let expected = [
            "spec.hub".to_owned(),
            "spec.meshConfig".to_owned(),
            format!("{all}.hpaSpec.metrics"),
            format!("{all}.overlays"),
            format!("{all}.replicaCount"),
            format!("{all}.service.ports[0]"),
            format!("{all}.service.ports[1].nodePort"),
            format!("{all}.service.sessionAffinity"),
        ];
        let found: std::collections::BTreeSet<_> = gateway.ignored.into_iter().collect();
        assert_eq!(found, expected.into_iter().collect());
    }

    #[test]
    fn a_manifest_without_one_gateway_is_refused() {
        assert!(with("    - {name: a, enabled: false}\n").unwrap_err().contains("enables no gateway"));
        assert!(with("    - {name: a}\n    - {name: b}\n").unwrap_err().contains("\"a\" and \"b\""));
        assert!(with("    - {enabled: true}\n").unwrap_err().contains("has no name"));
        assert!(with("    - {name: A_b}\n").unwrap_err().contains("is not a valid Helm release name"));
        let other = "    - {name: a, label: {topology.istio.io/network: p}}\n  values: {global: {network: q}}\n";
        assert!(with(other).unwrap_err().contains("\"p\" and \"q\""));
        assert!(OperatorGateway::read("kind: IstioOperator\napiVersion: operator.istio.io/v1\n").unwrap_err().contains("install.istio.io"));
    }
}
