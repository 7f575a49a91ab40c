//! The selector and the ports of an export, read off the live Service and its pods where the configuration doesn't set them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::mesh::{
    labels::selector_of,
    names::{Protocol, ServicePort},
    pod::is_serving,
};

/// A live Service that can be exported.
#[derive(Clone, Copy)]
pub struct ExportedService<'a>(&'a Json);

/// The ports of a Service, with warnings about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundPorts {
    /// The ports.
    pub ports: Vec<ServicePort>,
    /// A sentence for each port that is left out, or exported in another way than the user may expect.
    pub warnings: Vec<String>,
}

impl<'a> ExportedService<'a> {
    /// Checks that a Service can be exported.
    ///
    /// # Errors
    /// A sentence that describes why it can't, and what to do: it is headless, of type `ExternalName`, or has no selector.
    pub fn new(service: &'a Json) -> Result<Self, String> {
        let (spec, name) = (&service["spec"], Self(service).name());
        if spec["type"] == "ExternalName" {
            return Err(format!(
                "Service {name} is of type ExternalName: a DNS alias without pods. Export the Service that it points to, in the cluster \
                 where its pods run."
            ));
        }
        if spec["clusterIP"] == "None" {
            return Err(format!(
                "Service {name} is headless (clusterIP: None): its callers choose single pods, which an export can't pass on. Create a second \
                 Service with the same selector and a cluster IP, and export that."
            ));
        }
        if Self(service).selector().is_empty() {
            return Err(format!(
                "Service {name} has no selector: its endpoints are managed separately, so there are no pods with sidecars to export. Give it \
                 a selector."
            ));
        }
        Ok(Self(service))
    }

    fn name(self) -> &'a str {
        self.0["metadata"]["name"].as_str().unwrap_or("?")
    }

    /// Returns the labels by which the Service finds its pods.
    pub fn selector(self) -> BTreeMap<String, String> {
        let labels = self.0["spec"]["selector"].as_object().into_iter().flatten();
        labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
    }

    /// Returns the label selector of the Service's pods, if its ports can't be found without them: a target port is a name.
    pub fn needs_pods(self) -> Option<String> {
        let named = |port: &Json| port["targetPort"].as_str().is_some_and(|name| name.parse::<u16>().is_err());
        self.ports().any(named).then(|| selector_of(&self.selector()))
    }

    fn ports(self) -> impl Iterator<Item = &'a Json> {
        self.0["spec"]["ports"].as_array().into_iter().flatten()
    }

    /// Finds the ports. Target ports that are names (`targetPort: web`) are looked up in the containers of `pods`. While these don't agree on
    /// one number, the number in `exported` is kept: the ports that are already exported.
    ///
    /// # Errors
    /// A sentence about a Service without a TCP port, or a name that no pod resolves.
    pub fn find_ports(self, pods: &[Json], exported: &[ServicePort]) -> Result<FoundPorts, String> {
        let mut found = FoundPorts::default();
        for port in self.ports() {
            let number = port["port"].as_i64().unwrap_or_default();
            if let Some(transport) = other_transport(port) {
                found.warnings.push(format!(
                    "Port {number} of Service {} is {transport}: a mesh carries TCP only, so it isn't exported.",
                    self.name()
                ));
                continue;
            }
            if protocol(port).is_none() {
                let name = port["name"].as_str().map(|name| format!(" ({name})")).unwrap_or_default();
                found.warnings.push(format!(
                    "Port {number}{name} of Service {} declares no protocol, so it is exported as TCP: without retries, HTTP metrics and HTTP policies, \
                     and each connection goes to one pod. Set the port's `appProtocol`, give it a name such as \"http-web\", or list it in `ports`.",
                    self.name()
                ));
            }
            let target = match &port["targetPort"] {
                Json::String(named) => Some(self.target_port(named, number, pods, exported)?),
                other => other.as_i64().filter(|target| *target != 0),
            };
            found.ports.push(self.port(port, target)?);
        }
        self.with_any(found.ports).map(|ports| FoundPorts { ports, ..found })
    }

    /// Returns the TCP ports as callers see them: without the pods' ports, for which names may have to be looked up in pods.
    ///
    /// # Errors
    /// A sentence about a Service without a TCP port.
    pub fn called_ports(self) -> Result<Vec<ServicePort>, String> {
        self.with_any(
            self.ports().filter(|port| other_transport(port).is_none()).map(|port| self.port(port, None)).collect::<Result<_, _>>()?,
        )
    }

    fn port(self, port: &Json, target: Option<i64>) -> Result<ServicePort, String> {
        let number = port["port"].as_i64().unwrap_or_default();
        let port = ServicePort::new(number, port["name"].as_str(), protocol(port).unwrap_or(Protocol::Tcp), target);
        port.map_err(|fault| format!("Service {}: {fault}", self.name()))
    }

    fn with_any(self, ports: Vec<ServicePort>) -> Result<Vec<ServicePort>, String> {
        if ports.is_empty() {
            return Err(format!("Service {} has no TCP port, and a mesh carries nothing else.", self.name()));
        }
        Ok(ports)
    }

    /// Returns the number of a named target port.
    fn target_port(self, named: &str, number: i64, pods: &[Json], exported: &[ServicePort]) -> Result<i64, String> {
        if let Ok(target) = named.parse() {
            return Ok(target);
        }
        let pods: Vec<_> = pods.iter().filter(|pod| is_serving(pod)).collect();
        let containers = pods.iter().flat_map(|pod| {
            // A sidecar that was injected as a native one is among the init containers, and so may be the user's.
            [&pod["spec"]["containers"], &pod["spec"]["initContainers"]].into_iter().filter_map(Json::as_array).flatten()
        });
        let numbers: BTreeSet<i64> = containers
            .filter_map(|container| container["ports"].as_array())
            .flatten()
            .filter(|port| port["name"] == *named)
            .filter_map(|port| port["containerPort"].as_i64())
            .collect();
        let exported = exported.iter().find(|port| i64::from(port.number) == number);
        let exported = exported.map(|port| i64::from(port.target_port.unwrap_or(port.number)));
        let service = self.name();
        match (numbers.first(), numbers.len()) {
            (Some(target), 1) => Ok(*target),
            // A roll-out to another number is under way: the export follows when it is over.
            (Some(_), _) if exported.is_some_and(|exported| numbers.contains(&exported)) => Ok(exported.unwrap_or_default()),
            (Some(_), _) => Err(format!(
                "Target port {named:?} of Service {service} has different numbers in different pods: {numbers:?}. Wait until a roll-out is over, \
                 or list the ports, with `target_port`, in `ports`."
            )),
            // Scaled to zero: the pods that come back have the port that they had.
            (None, _) if pods.is_empty() => exported.ok_or_else(|| {
                format!(
                    "Target port {named:?} of Service {service} is a name, and no pod is ready whose containers would have its number. Start the \
                     Service's pods first, or list the ports, with `target_port`, in `ports`."
                )
            }),
            (None, _) => Err(format!(
                "Target port {named:?} of Service {service} is a name that no container of its {} ready pods has. Correct the Service, or list \
                 the ports in `ports`.",
                pods.len()
            )),
        }
    }
}

/// Returns the transport of a Service's port if it is another than TCP.
fn other_transport(port: &Json) -> Option<&str> {
    port["protocol"].as_str().filter(|transport| *transport != "TCP")
}

/// Returns the protocol that a Service's port declares.
fn protocol(port: &Json) -> Option<Protocol> {
    Protocol::declared(port["appProtocol"].as_str(), port["name"].as_str().unwrap_or_default())
}

/// Reads ports and selector off the exporter's `ServiceEntry`; `None` if it has none.
pub fn of_entry(entry: &Json) -> Option<(Vec<ServicePort>, BTreeMap<String, String>)> {
    let port = |port: &Json| {
        let protocol = Protocol::parse(port["protocol"].as_str()?).ok()?;
        ServicePort::new(port["number"].as_i64()?, port["name"].as_str(), protocol, port["targetPort"].as_i64()).ok()
    };
    let ports = entry["spec"]["ports"].as_array()?.iter().map(port).collect::<Option<Vec<_>>>()?;
    let labels = entry["spec"]["workloadSelector"]["labels"].as_object()?;
    Some((ports, labels.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(spec: &Json) -> Json {
        json!({"metadata": {"name": "echo"}, "spec": spec})
    }

    fn pod(port: i64) -> Json {
        json!({
            "spec": {"containers": [{"ports": [{"name": "web", "containerPort": port}]}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        })
    }

    fn found(spec: &Json, pods: &[Json], exported: &[ServicePort]) -> Result<FoundPorts, String> {
        ExportedService::new(&service(spec))?.find_ports(pods, exported)
    }

    #[test]
    fn ports_and_selector_are_those_of_the_service() {
        let service = service(&json!({
            "clusterIP": "10.0.0.9",
            "selector": {"app": "echo", "tier": "front"},
            "ports": [
                {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080},
                {"name": "api", "appProtocol": "grpc", "port": 9090, "targetPort": "web"},
                {"name": "tcp-db", "port": 5432},
            ],
        }));
        let service = ExportedService::new(&service).unwrap();
        assert_eq!(service.needs_pods().unwrap(), "app=echo,tier=front");
        let FoundPorts { ports, warnings } = service.find_ports(&[pod(9091)], &[]).unwrap();
        let shapes: Vec<_> = ports.iter().map(|p| (p.number, p.name.as_str(), p.protocol, p.target_port)).collect();
        assert_eq!(
            shapes,
            [(80, "http", Protocol::Http, Some(8080)), (9090, "api", Protocol::Grpc, Some(9091)), (5432, "tcp-db", Protocol::Tcp, None)]
        );
        assert_eq!(warnings, [""; 0]);
        assert_eq!(service.selector()["app"], "echo");
    }

    #[test]
    fn a_port_that_is_not_tcp_or_declares_no_protocol_is_warned_of() {
        let spec = json!({"selector": {"a": "b"}, "ports": [
            {"name": "dns-tcp", "port": 53, "appProtocol": "tcp"}, {"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "web", "port": 80},
        ]});
        let FoundPorts { ports, warnings } = found(&spec, &[], &[]).unwrap();
        assert_eq!(ports.iter().map(|port| (port.number, port.protocol)).collect::<Vec<_>>(), [(53, Protocol::Tcp), (80, Protocol::Tcp)]);
        assert!(warnings[0].contains("Port 53 of Service echo is UDP"), "{warnings:?}");
        assert!(warnings[1].contains("Port 80 (web) of Service echo declares no protocol"), "{warnings:?}");
        assert_eq!(warnings.len(), 2);
    }

    #[test]
    fn only_pods_that_serve_resolve_a_named_port() {
        let spec = json!({"selector": {"a": "b"}, "ports": [{"name": "http", "port": 80, "targetPort": "web"}]});
        let target = |pods: &[Json], exported: Option<i64>| {
            let exported = exported.map(|target| ServicePort::new(80, None, Protocol::Http, Some(target)).unwrap());
            found(&spec, pods, exported.as_slice()).map(|found| found.ports[0].target_port)
        };
        let mut evicted = pod(1);
        evicted["status"]["phase"] = json!("Failed");
        let mut terminating = pod(2);
        terminating["metadata"]["deletionTimestamp"] = json!("2030-01-01T00:00:00Z");
        let mut starting = pod(3);
        starting["status"]["conditions"] = json!([]);
        assert_eq!(target(&[evicted.clone(), terminating, starting, pod(8080)], None), Ok(Some(8080)));
        assert_eq!(target(&[evicted], Some(8080)), Ok(Some(8080)), "scaled to zero");
        assert_eq!(target(&[pod(8080), pod(9090)], Some(8080)), Ok(Some(8080)), "a roll-out is under way");
        assert_eq!(target(&[pod(9090)], Some(8080)), Ok(Some(9090)), "the roll-out is over");
        assert!(target(&[], None).unwrap_err().contains("no pod is ready"));
        assert!(target(&[pod(1), pod(2)], Some(8080)).unwrap_err().contains("{1, 2}"));
    }

    #[test]
    fn a_service_that_cannot_be_exported_is_reported_with_the_reason() {
        let web = json!([{"port": 80, "targetPort": "web"}]);
        for (spec, words) in [
            (json!({"type": "ExternalName", "externalName": "x.y"}), "DNS alias"),
            (json!({"clusterIP": "None", "selector": {"a": "b"}}), "headless"),
            (json!({"ports": [{"port": 80}]}), "no selector"),
            (json!({"selector": {"a": "b"}, "ports": [{"port": 53, "protocol": "UDP"}]}), "no TCP port"),
            (json!({"selector": {"a": "b"}, "ports": web}), "no container of its 1 ready pods"),
        ] {
            let mut unnamed = pod(1);
            unnamed["spec"] = json!({});
            let error = found(&spec, &[unnamed], &[]).unwrap_err();
            assert!(error.contains(words), "{words}: {error}");
        }
    }

    #[test]
    fn an_entry_keeps_what_was_found() {
        let entry = json!({"spec": {
            "ports": [{"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 8080}], "workloadSelector": {"labels": {"app": "echo"}},
        }});
        let (ports, selector) = of_entry(&entry).unwrap();
        assert_eq!(ports, [ServicePort::new(80, Some("http"), Protocol::Http, Some(8080)).unwrap()]);
        assert_eq!(selector["app"], "echo");
        assert_eq!(of_entry(&json!({"spec": {}})), None);
    }
}
