//! An east-west gateway: renders the Helm release of Istio's chart `gateway`, and reads the attributes back for an import.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use ipnet::IpNet;
use serde_json::Value as Json;

use super::{
    gateway_lint,
    lint::{self, Lint},
    misspelling,
    setting::{self, Decision, Setting},
    values::{self, Values},
};
use crate::{
    data::Release,
    istio::well_known,
    mesh::names::{LabelValue, Namespace, NetworkName, ObjectName, ReleaseName, Revision},
};

/// The port for mutual TLS from other networks.
pub const PORT: u16 = well_known::PASSTHROUGH_PORT;

/// Istio's chart for gateways, whatever they are for.
pub const CHART: &str = "gateway";

const NETWORK: Setting = Setting::new(&["networkGateway"], "network");
/// The Service is looked up by it.
const NAME: Setting = Setting::new(&["name"], "service_name");
/// Exports select the gateway's pods by this label.
const LABEL: Setting = Setting::new(&["labels", well_known::GATEWAY_LABEL], "label");
const SERVICE_ANNOTATIONS: Setting = Setting::new(&["service", "annotations"], "service_annotations");
const LOAD_BALANCER_CLASS: Setting = Setting::new(&["service", "loadBalancerClass"], "load_balancer_class");
const SOURCE_RANGES: Setting = Setting::new(&["service", "loadBalancerSourceRanges"], "source_ranges");
const REVISION: Setting = Setting::new(&["revision"], "revision");
const REPLICAS: Setting = Setting::new(&["replicaCount"], "replicas");
const AUTOSCALING: Setting = Setting::new(&["autoscaling", "enabled"], "replicas");

/// The names by which a gateway is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayNames {
    /// The name of its release.
    pub release: ReleaseName,
    /// The name of its Service and of its Deployment; the release's if `None`.
    pub service: Option<ObjectName>,
    /// The label `istio` of its pods; the Service's name without `istio-` if `None`.
    pub label: Option<LabelValue>,
}

impl GatewayNames {
    /// The names that the chart makes of the release's.
    pub fn of(release: ReleaseName) -> Self {
        Self { release, service: None, label: None }
    }

    /// The name of the Service and of the Deployment.
    pub fn service(&self) -> &str {
        self.service.as_ref().map_or(self.release.as_str(), ObjectName::as_str)
    }

    /// The label `istio` of the pods.
    pub fn label(&self) -> &str {
        self.label.as_ref().map_or_else(|| label_of(self.service()), LabelValue::as_str)
    }

    /// The labels by which Gateways select the pods.
    pub fn pod_labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(well_known::GATEWAY_LABEL.to_owned(), self.label().to_owned())])
    }
}

/// The label that the chart makes of a gateway's name.
pub(super) fn label_of(name: &str) -> &str {
    name.strip_prefix("istio-").unwrap_or(name)
}

/// The gateway of one network.
#[derive(Clone, Debug, PartialEq)]
pub struct EastwestGatewaySettings {
    /// The names of the release, the Service and the pods' label.
    pub names: GatewayNames,
    /// Where it runs.
    pub namespace: Namespace,
    /// The network that it gives access to.
    pub network: NetworkName,
    /// Annotations of the Service.
    pub service_annotations: BTreeMap<String, String>,
    /// Class of the load balancer.
    pub load_balancer_class: Option<String>,
    /// The ranges that may connect; all if empty.
    pub source_ranges: Vec<IpNet>,
    /// The revision of istiod that injects the proxy; the cluster's own istiod if `None`.
    pub revision: Option<Revision>,
    /// A fixed number of pods; `None` leaves it to the chart's autoscaler.
    pub replicas: Option<u32>,
    /// The user's values; later ones win, and the settings above win over them.
    pub values: Vec<Values>,
}

/// The attributes that a deployed release's values show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportedValues {
    /// The network.
    pub network: Option<String>,
    /// The name of Service and Deployment, if it isn't the release's.
    pub service: Option<String>,
    /// The label `istio` of the pods, if it isn't made of the Service's name.
    pub label: Option<String>,
    /// Annotations of the Service.
    pub service_annotations: BTreeMap<String, String>,
    /// Class of the load balancer.
    pub load_balancer_class: Option<String>,
    /// The ranges that may connect.
    pub source_ranges: Vec<String>,
    /// The revision of istiod.
    pub revision: Option<String>,
    /// A fixed number of pods.
    pub replicas: Option<u32>,
    /// All other values, as YAML, if there are any.
    pub rest: Option<String>,
}

/// Where a load balancer is reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address {
    /// By IP.
    Ip(IpAddr),
    /// By name, as some clouds give it.
    Hostname(String),
}

impl Address {
    /// Reads an IP or a hostname.
    ///
    /// # Errors
    /// What is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Ok(ip) = text.parse() {
            return Ok(Self::Ip(ip));
        }
        match ObjectName::parse(&text.to_ascii_lowercase()) {
            Ok(_) => Ok(Self::Hostname(text.to_owned())),
            Err(_) => Err(format!("{text:?} is neither an IP address nor a hostname")),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Hostname(name) => name.fmt(f),
        }
    }
}

/// Returns the addresses of a Service from outside of its cluster, sorted: the load balancer's, or else its external IPs. Empty while it has
/// none.
pub fn addresses(service: &Json) -> Vec<Address> {
    let ingress = service["status"]["loadBalancer"]["ingress"].as_array().into_iter().flatten();
    let mut addresses: Vec<_> =
        ingress.filter_map(|ingress| Address::parse(ingress["ip"].as_str().or(ingress["hostname"].as_str())?).ok()).collect();
    if addresses.is_empty() {
        let external = service["spec"]["externalIPs"].as_array().into_iter().flatten();
        addresses.extend(external.filter_map(|ip| Address::parse(ip.as_str()?).ok()));
    }
    addresses.sort();
    addresses
}

/// Returns the port of a gateway's Service that leads to the port for mutual TLS from other networks.
pub fn passthrough_port(service: &Json) -> Option<u16> {
    let ports = service["spec"]["ports"].as_array()?;
    let found = ports.iter().find(|port| port["targetPort"] == PORT).or_else(|| ports.iter().find(|port| port["name"] == "tls"))?;
    u16::try_from(found["port"].as_u64()?).ok()
}

/// Returns the node port of a gateway's Service that leads to the port for mutual TLS from other networks.
pub fn node_port(service: &Json) -> Option<u16> {
    let ports = service["spec"]["ports"].as_array()?;
    u16::try_from(ports.iter().find(|port| port["targetPort"] == PORT)?["nodePort"].as_u64()?).ok()
}

/// Returns the type of a Service that has no address and gets none, as it has no load balancer.
pub fn without_balancer(service: &Json) -> Option<&str> {
    service["spec"]["type"].as_str().filter(|sort| *sort != "LoadBalancer" && addresses(service).is_empty())
}

impl EastwestGatewaySettings {
    fn decisions(&self) -> Vec<Decision> {
        let mut decisions = vec![NETWORK.to(self.network.as_str()), NAME.to(self.names.service()), LABEL.to(self.names.label())];
        decisions.extend(self.service_annotations.iter().map(|(key, value)| SERVICE_ANNOTATIONS.entry(key, value.as_str())));
        decisions.extend(self.load_balancer_class.as_deref().map(|class| LOAD_BALANCER_CLASS.to(class)));
        decisions.extend(self.revision.as_ref().map(|revision| REVISION.to(revision.as_str())));
        if !self.source_ranges.is_empty() {
            let ranges: Vec<_> = self.source_ranges.iter().map(ToString::to_string).collect();
            decisions.push(SOURCE_RANGES.to(ranges));
        }
        if let Some(replicas) = self.replicas {
            decisions.extend([REPLICAS.to(replicas), AUTOSCALING.to(false)]);
        }
        decisions
    }

    /// Returns the labels by which the chart lets the Deployment select its pods.
    pub fn selector(&self) -> BTreeMap<String, String> {
        let app = Values::merged(&self.values)["labels"]["app"].as_str().filter(|app| !app.is_empty()).map(str::to_owned);
        let app = ("app".to_owned(), app.unwrap_or_else(|| self.names.service().to_owned()));
        self.names.pod_labels().into_iter().chain([app]).collect()
    }

    /// Returns warnings about the user's values.
    pub fn lints(&self) -> Vec<Lint> {
        let own = Values::merged(&self.values);
        let mut lints = gateway_lint::lints(&own, &self.service_annotations);
        lints.extend(misspelling::of_gateway(&own));
        lints.extend(lint::overridden(&own, &self.decisions()));
        lints
    }

    /// Returns the Service's type according to the user's values, if a Service of that type gets no address by itself.
    pub fn without_balancer(&self) -> Option<String> {
        let service = &Values::merged(&self.values)["service"];
        let has_addresses = service["externalIPs"].as_array().is_some_and(|addresses| !addresses.is_empty());
        service["type"].as_str().filter(|sort| *sort != "LoadBalancer" && !has_addresses).map(str::to_owned)
    }

    /// The release.
    pub fn release(&self, version: Option<String>) -> Release {
        Release {
            name: self.names.release.to_string(),
            namespace: self.namespace.to_string(),
            chart: CHART.to_owned(),
            version,
            values: setting::applied(&Values::merged(&self.values), &self.decisions()),
            private: Values::private_places(&self.values),
            takes_ownership: false,
        }
    }

    /// Returns a release's values with the names that the chart assumes without them, so that it makes no difference whether they say these.
    pub fn explicit(values: &Json, release: &str) -> Json {
        let name = NAME.read_text(values).filter(|name| !name.is_empty()).unwrap_or_else(|| release.to_owned());
        let assumed = setting::applied(&Json::Object(serde_json::Map::new()), &[NAME.to(name.as_str()), LABEL.to(label_of(&name))]);
        values::merge(&assumed, values)
    }

    /// Returns the attribute without which a deployed release can't be managed by these settings, with what it must be: another name would rename
    /// the Service, which gets another load balancer then, and another label select other pods, which the API server doesn't allow.
    pub fn unmanageable(&self, values: &Json) -> Option<(&'static str, String)> {
        let values = Self::explicit(values, self.names.release.as_str());
        let wanted = [(NAME, self.names.service()), (LABEL, self.names.label())];
        wanted
            .into_iter()
            .find_map(|(setting, wanted)| Some((setting.attribute(), setting.read_text(&values).filter(|found| found != wanted)?)))
    }

    /// Reads the attributes off a deployed release's values.
    pub fn read_values(values: &Json, release: &str) -> ImportedValues {
        let text = |value: &Json| value.as_str().map(str::to_owned);
        let annotations = SERVICE_ANNOTATIONS.read(values).and_then(Json::as_object).into_iter().flatten();
        let service_annotations: BTreeMap<_, _> = annotations.filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect();
        let is_fixed = AUTOSCALING.read(values).is_some_and(|enabled| *enabled == false);
        let replicas = REPLICAS.read(values).and_then(Json::as_u64).filter(|_| is_fixed).and_then(|count| u32::try_from(count).ok());

        let mut decided = [NETWORK, NAME, LABEL, LOAD_BALANCER_CLASS, SOURCE_RANGES, REVISION].map(Setting::path).to_vec();
        decided.extend(service_annotations.keys().map(|key| SERVICE_ANNOTATIONS.path_of(key)));
        if replicas.is_some() {
            decided.extend([REPLICAS, AUTOSCALING].map(Setting::path));
        }
        let service = NAME.read_text(values).filter(|name| !name.is_empty() && name != release);
        let assumed = label_of(service.as_deref().unwrap_or(release));
        ImportedValues {
            network: NETWORK.read_text(values),
            label: LABEL.read_text(values).filter(|label| !label.is_empty() && label != assumed),
            service,
            load_balancer_class: LOAD_BALANCER_CLASS.read_text(values),
            source_ranges: SOURCE_RANGES.read(values).and_then(Json::as_array).into_iter().flatten().filter_map(text).collect(),
            revision: REVISION.read_text(values).filter(|revision| !revision.is_empty()),
            replicas,
            service_annotations,
            rest: values::to_yaml(&setting::without(values, &decided)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn gateway() -> EastwestGatewaySettings {
        EastwestGatewaySettings {
            names: GatewayNames::of(ReleaseName::parse("istio-eastwestgateway").unwrap()),
            namespace: Namespace::parse("istio-system").unwrap(),
            network: NetworkName::parse("eu-net").unwrap(),
            service_annotations: BTreeMap::from([("a.example/type".to_owned(), "nlb".to_owned())]),
            load_balancer_class: Some("c".to_owned()),
            source_ranges: vec!["203.0.113.0/24".parse().unwrap()],
            revision: Some(Revision::parse("canary").unwrap()),
            replicas: Some(2),
            values: vec![Values::parse("resources: {}").unwrap()],
        }
    }

    #[test]
    fn the_chart_gets_what_makes_it_a_gateway_for_networks() {
        assert_eq!(
            gateway().release(None).values,
            json!({
                "networkGateway": "eu-net", "name": "istio-eastwestgateway", "labels": {"istio": "eastwestgateway"},
                "service": {"annotations": {"a.example/type": "nlb"}, "loadBalancerClass": "c", "loadBalancerSourceRanges": ["203.0.113.0/24"]},
                "revision": "canary", "replicaCount": 2, "autoscaling": {"enabled": false}, "resources": {},
            })
        );
        assert_eq!(gateway().names.pod_labels(), BTreeMap::from([("istio".to_owned(), "eastwestgateway".to_owned())]));
    }

    #[test]
    fn a_deployment_selects_its_pods_as_the_chart_says() {
        let mut gateway = gateway();
        assert_eq!(json!(gateway.selector()), json!({"app": "istio-eastwestgateway", "istio": "eastwestgateway"}));
        gateway.values = vec![Values::parse("labels: {app: istio-ingressgateway}").unwrap()];
        assert_eq!(gateway.selector()["app"], "istio-ingressgateway");
    }

    #[test]
    fn a_gateway_with_names_of_its_own_is_read_back_with_them() {
        let names = |name: &str, values: Json| {
            let found = EastwestGatewaySettings::read_values(&values, name);
            let service = found.service.map(|service| ObjectName::parse(&service).unwrap());
            GatewayNames {
                release: ReleaseName::parse(name).unwrap(),
                service,
                label: found.label.map(|label| LabelValue::parse(&label).unwrap()),
            }
        };
        for (release, values, service, label) in [
            ("cross-network-gateway", json!({"labels": {"istio": "eastwestgateway"}}), "cross-network-gateway", "eastwestgateway"),
            ("gw", json!({"name": "istio-eastwestgateway"}), "istio-eastwestgateway", "eastwestgateway"),
            ("istio-eu", json!({}), "istio-eu", "eu"),
            ("istio-eu", json!({"name": "istio-eu", "labels": {"istio": "eu"}}), "istio-eu", "eu"),
        ] {
            let names = names(release, values.clone());
            assert_eq!((names.service(), names.label()), (service, label));
            let gateway = EastwestGatewaySettings { names, ..gateway() };
            assert_eq!(gateway.unmanageable(&values), None);
            let explicit = EastwestGatewaySettings::explicit(&values, release);
            let written = gateway.release(None).values;
            assert_eq!((&explicit["name"], &explicit["labels"]["istio"]), (&written["name"], &written["labels"]["istio"]));
        }
        assert_eq!(names("istio-eu", json!({})), GatewayNames::of(ReleaseName::parse("istio-eu").unwrap()), "nothing but the default");
    }

    #[test]
    fn a_release_with_another_service_or_other_pods_is_told_by_its_attribute() {
        let judged = |values: Json| gateway().unmanageable(&values);
        assert_eq!(judged(json!({"labels": {"istio": "other"}})), Some(("label", "other".to_owned())));
        assert_eq!(judged(json!({"name": "gw"})), Some(("service_name", "gw".to_owned())));
        assert_eq!(judged(gateway().release(None).values), None);
        assert_eq!(judged(json!({})), None);
        let explicit = EastwestGatewaySettings::explicit(&json!({"labels": {"team": "a"}, "name": "gw"}), "istio-eastwestgateway");
        assert_eq!(explicit, json!({"name": "gw", "labels": {"istio": "gw", "team": "a"}}));
    }

    #[test]
    fn values_are_read_as_they_were_written() {
        let found = EastwestGatewaySettings::read_values(&gateway().release(None).values, "istio-eastwestgateway");
        assert_eq!((found.network.as_deref(), found.replicas), (Some("eu-net"), Some(2)));
        assert_eq!(found.revision.as_deref(), Some("canary"));
        assert_eq!(found.service_annotations, gateway().service_annotations);
        assert!(values::same_yaml(&found.rest.unwrap(), "resources: {}"));
    }

    #[test]
    fn addresses_are_ips_or_names() {
        let service = |ingress: Json| json!({"status": {"loadBalancer": {"ingress": ingress}}});
        assert_eq!(addresses(&service(json!([{"hostname": "lb.example"}]))), [Address::Hostname("lb.example".into())]);
        assert_eq!(addresses(&service(json!([{"ip": "10.0.0.2"}, {"ip": "10.0.0.1"}]))).len(), 2);
        assert_eq!(addresses(&service(json!([]))), []);
        let external = json!({"spec": {"externalIPs": ["203.0.113.7"]}, "status": {"loadBalancer": {}}});
        assert_eq!(addresses(&external), [Address::parse("203.0.113.7").unwrap()]);
        assert!(Address::parse("not a name").is_err());
    }
}
