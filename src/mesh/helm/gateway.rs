//! An east-west gateway: from its settings to the values of Istio's chart `gateway`, and back for an import.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use ipnet::IpNet;
use serde_json::{Value as Json, json};

use super::{
    lint::{self, Lint},
    setting::{self, Setting},
    values::{self, Values},
};
use crate::{
    data::Release,
    istio::well_known,
    mesh::names::{Namespace, NetworkName, ObjectName, ReleaseName},
};

/// The port for mutual TLS from other networks.
pub const PORT: u16 = well_known::PASSTHROUGH_PORT;

/// Istio's chart for gateways, whatever they are for.
pub const CHART: &str = "gateway";

/// The gateway of one network.
#[derive(Clone, Debug, PartialEq)]
pub struct EastwestGatewaySettings {
    /// Name of the release, the Deployment and the Service.
    pub name: ReleaseName,
    /// Where it runs.
    pub namespace: Namespace,
    /// The network that it leads to.
    pub network: NetworkName,
    /// Annotations of the Service.
    pub service_annotations: BTreeMap<String, String>,
    /// Class of the load balancer.
    pub load_balancer_class: Option<String>,
    /// Who may connect; everybody if empty.
    pub source_ranges: Vec<IpNet>,
    /// A fixed number of pods; the chart's autoscaler if none.
    pub replicas: Option<u32>,
    /// The user's values; later ones win, and the settings above win over them.
    pub values: Vec<Values>,
}

/// What a release's values say of the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportedValues {
    /// The network.
    pub network: Option<String>,
    /// Annotations of the Service.
    pub service_annotations: BTreeMap<String, String>,
    /// Class of the load balancer.
    pub load_balancer_class: Option<String>,
    /// Who may connect.
    pub source_ranges: Vec<String>,
    /// A fixed number of pods.
    pub replicas: Option<u32>,
    /// All other values, as YAML; none when there are none.
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

/// The addresses in a Service's status, sorted; empty while the load balancer has given none.
pub fn addresses(service: &Json) -> Vec<Address> {
    let ingress = service["status"]["loadBalancer"]["ingress"].as_array().into_iter().flatten();
    let mut addresses: Vec<_> =
        ingress.filter_map(|ingress| Address::parse(ingress["ip"].as_str().or(ingress["hostname"].as_str())?).ok()).collect();
    addresses.sort();
    addresses
}

/// The labels of a gateway's pods, as the chart makes them of the release's name.
pub fn gateway_pod_labels(name: &ReleaseName) -> BTreeMap<String, String> {
    BTreeMap::from([(well_known::GATEWAY_LABEL.to_owned(), label(name).to_owned())])
}

fn label(name: &ReleaseName) -> &str {
    name.as_str().strip_prefix("istio-").unwrap_or(name.as_str())
}

impl EastwestGatewaySettings {
    fn settings(&self) -> Vec<Setting> {
        // By the release's name the Service is looked up, and by the label made of it exports select the pods.
        let mut settings = vec![
            Setting::new(&["networkGateway"], "the attribute `network`", self.network.as_str()),
            Setting::new(&["name"], "the attribute `name`", self.name.as_str()),
            Setting::new(&["labels", well_known::GATEWAY_LABEL], "the attribute `name`", label(&self.name)),
        ];
        for (key, value) in &self.service_annotations {
            settings.push(Setting::new(&["service", "annotations", key], "the attribute `service_annotations`", value.as_str()));
        }
        if let Some(class) = &self.load_balancer_class {
            settings.push(Setting::new(&["service", "loadBalancerClass"], "the attribute `load_balancer_class`", class.as_str()));
        }
        if !self.source_ranges.is_empty() {
            let ranges: Vec<_> = self.source_ranges.iter().map(ToString::to_string).collect();
            settings.push(Setting::new(&["service", "loadBalancerSourceRanges"], "the attribute `source_ranges`", json!(ranges)));
        }
        if let Some(replicas) = self.replicas {
            settings.push(Setting::new(&["replicaCount"], "the attribute `replicas`", json!(replicas)));
            settings.push(Setting::new(&["autoscaling", "enabled"], "the attribute `replicas`", json!(false)));
        }
        settings
    }

    /// What is noteworthy about the user's values.
    pub fn lints(&self) -> Vec<Lint> {
        lint::overridden(&Values::merged(&self.values), &self.settings())
    }

    /// The release.
    pub fn release(&self, version: Option<String>) -> Release {
        Release {
            name: self.name.to_string(),
            namespace: self.namespace.to_string(),
            chart: CHART.to_owned(),
            version,
            values: setting::applied(&Values::merged(&self.values), &self.settings()),
        }
    }

    /// Reads a deployed release's values.
    pub fn read_values(values: &Json) -> ImportedValues {
        let service = &values["service"];
        let text = |value: &Json| value.as_str().map(str::to_owned);
        let annotations: BTreeMap<_, _> =
            service["annotations"].as_object().into_iter().flatten().filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect();
        let fixed = values["autoscaling"]["enabled"] == false;
        let replicas = values["replicaCount"].as_u64().filter(|_| fixed).and_then(|count| u32::try_from(count).ok());
        let mut paths: Vec<Vec<String>> = [
            &["networkGateway"][..],
            &["name"],
            &["labels", well_known::GATEWAY_LABEL],
            &["service", "loadBalancerClass"],
            &["service", "loadBalancerSourceRanges"],
        ]
        .iter()
        .map(|path| path.iter().map(|part| (*part).to_owned()).collect())
        .collect();
        paths.extend(annotations.keys().map(|key| vec!["service".to_owned(), "annotations".to_owned(), key.clone()]));
        if replicas.is_some() {
            paths.extend([vec!["replicaCount".to_owned()], vec!["autoscaling".to_owned(), "enabled".to_owned()]]);
        }
        ImportedValues {
            network: text(&values["networkGateway"]),
            load_balancer_class: text(&service["loadBalancerClass"]),
            source_ranges: service["loadBalancerSourceRanges"].as_array().into_iter().flatten().filter_map(text).collect(),
            replicas,
            service_annotations: annotations,
            rest: values::to_yaml(&setting::without(values, &paths)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway() -> EastwestGatewaySettings {
        EastwestGatewaySettings {
            name: ReleaseName::parse("istio-eastwestgateway").unwrap(),
            namespace: Namespace::parse("istio-system").unwrap(),
            network: NetworkName::parse("eu-net").unwrap(),
            service_annotations: BTreeMap::from([("a.example/type".to_owned(), "nlb".to_owned())]),
            load_balancer_class: Some("c".to_owned()),
            source_ranges: vec!["203.0.113.0/24".parse().unwrap()],
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
                "replicaCount": 2, "autoscaling": {"enabled": false}, "resources": {},
            })
        );
        assert_eq!(gateway_pod_labels(&gateway().name), BTreeMap::from([("istio".to_owned(), "eastwestgateway".to_owned())]));
    }

    #[test]
    fn values_are_read_as_they_were_written() {
        let found = EastwestGatewaySettings::read_values(&gateway().release(None).values);
        assert_eq!((found.network.as_deref(), found.replicas), (Some("eu-net"), Some(2)));
        assert_eq!(found.service_annotations, gateway().service_annotations);
        assert!(values::same_yaml(&found.rest.unwrap(), "resources: {}"));
    }

    #[test]
    fn addresses_are_ips_or_names() {
        let service = |ingress: Json| json!({"status": {"loadBalancer": {"ingress": ingress}}});
        assert_eq!(addresses(&service(json!([{"hostname": "lb.example"}]))), [Address::Hostname("lb.example".into())]);
        assert_eq!(addresses(&service(json!([{"ip": "10.0.0.2"}, {"ip": "10.0.0.1"}]))).len(), 2);
        assert_eq!(addresses(&service(json!([]))), []);
        assert!(Address::parse("not a name").is_err());
    }
}
