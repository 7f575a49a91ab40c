//! Completes the configuration of an export from the exporting cluster: ports, selector and trust domain where they aren't set, and whether
//! another Gateway already opens the host.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::ServiceExport;
use crate::{
    data::{Kind, ObjectRef},
    mesh::{
        Export, ServicePort, TrustDomain,
        export::{self, ExportedService, FoundPorts, Opening, Request, SYSTEM_NAMESPACE, by_hand},
        labels, trust,
    },
    ports::{Failure, FailureKind},
    world::{ClusterAccess, LiveCluster, World},
};
use framework::{AttributePath, Cx, Error};

/// Why an export can't be resolved.
pub(in crate::resources) enum Unresolved {
    /// The exporting cluster can't be read.
    Cluster(Failure),
    /// What the configuration names doesn't exist, or can't be exported.
    Configuration(Error),
}

impl From<Failure> for Unresolved {
    fn from(failure: Failure) -> Self {
        Self::Cluster(failure)
    }
}

impl From<Unresolved> for Error {
    fn from(unresolved: Unresolved) -> Self {
        match unresolved {
            Unresolved::Cluster(failure) => failure.into(),
            Unresolved::Configuration(error) => error,
        }
    }
}

/// An export in full, and what an apply of it should report.
pub(in crate::resources) struct Resolved {
    pub(in crate::resources) export: Export,
    pub(in crate::resources) warnings: Vec<Error>,
}

/// Ports and selector, from the Service or as they are exported already.
type Source = (FoundPorts, BTreeMap<String, String>);

impl ServiceExport {
    fn on_exporter<'a>(&'a self, cx: &'a Cx<'_, World>) -> LiveCluster<'a> {
        cx.cluster(&self.id.exporter)
    }

    /// Returns the exporting cluster's ServiceEntry as it is, if this provider wrote it.
    pub(super) async fn live_entry(&self, cx: &Cx<'_, World>) -> Result<Option<Json>, Failure> {
        Ok(self.on_exporter(cx).get(&self.entry()).await?.filter(labels::is_ours))
    }

    /// The exporting cluster's ServiceEntry.
    pub(super) fn entry(&self) -> ObjectRef {
        ObjectRef::namespaced(Kind::SERVICE_ENTRY, self.id.namespace.as_str(), self.id.object_name())
    }

    /// Resolves the export. `entry` is the exporter's live ServiceEntry.
    pub(in crate::resources) async fn resolve(&self, entry: Option<&Json>, cx: &Cx<'_, World>) -> Result<Resolved, Unresolved> {
        let (found, selector) = self.source(entry, cx).await?;
        let trust_domain = self.trust_domain(cx).await?;
        let opening = self.opening(cx).await?;
        let ports =
            found.warnings.into_iter().map(|warning| Error::new("Port of an exported Service", warning).at(AttributePath::new("service")));
        let warnings = ports.chain(opening.as_ref().map(|opening| self.opened_by_others(opening))).collect();
        let (id, request, addresses) = (self.id.clone(), self.request.clone(), self.addresses.clone());
        Ok(Resolved { export: Export { id, request, addresses, ports: found.ports, selector, trust_domain, opening }, warnings })
    }

    /// Returns the trust domain of the pods' accounts; `None` without accounts.
    pub(in crate::resources) async fn trust_domain(&self, cx: &Cx<'_, World>) -> Result<Option<TrustDomain>, Unresolved> {
        Ok(match (&self.request.trust_domain, &self.request.service_accounts) {
            (Some(trust_domain), _) => Some(trust_domain.clone()),
            (None, Some(accounts)) if !accounts.is_empty() => Some(self.live_trust_domain(cx).await?),
            _ => None,
        })
    }

    /// Returns ports and selector. While the Service doesn't exist or can't be exported, those that are already exported are kept: calls to
    /// pods that still run continue, and a change of another attribute isn't blocked.
    async fn source(&self, entry: Option<&Json>, cx: &Cx<'_, World>) -> Result<Source, Unresolved> {
        let configured = self.request.ports.as_ref().map(|ports| ports.iter().map(ServicePort::from).collect());
        if let (Some(ports), Some(selector)) = (&configured, &self.request.selector) {
            return Ok((FoundPorts { ports: Vec::clone(ports), warnings: Vec::new() }, selector.clone()));
        }
        let is_same_service = |entry: &&Json| Request::read(entry).is_ok_and(|before| before.service == self.request.service);
        let exported = entry.filter(is_same_service).and_then(export::of_entry);
        let (mut found, selector) = match (self.live_source(configured.is_none(), exported.as_ref(), cx).await, exported) {
            (Err(Unresolved::Configuration(mut problem)), Some((ports, selector))) => {
                problem.detail.push_str("\n\nThe export stays as it is in the clusters, with the ports and the selector that it has.");
                cx.warn(problem);
                (FoundPorts { ports, warnings: Vec::new() }, selector)
            }
            (found, _) => found?,
        };
        found.ports = configured.unwrap_or(found.ports);
        Ok((found, self.request.selector.clone().unwrap_or(selector)))
    }

    /// Returns the ports, if they are needed, and the selector of the live Service.
    async fn live_source(
        &self,
        wants_ports: bool,
        exported: Option<&(Vec<ServicePort>, BTreeMap<String, String>)>,
        cx: &Cx<'_, World>,
    ) -> Result<Source, Unresolved> {
        let cannot =
            |problem| Unresolved::Configuration(Error::new("Service can't be exported", problem).at(AttributePath::new("service")));
        let service = self.live_service(cx).await?;
        let service = ExportedService::new(&service).map_err(cannot)?;
        if !wants_ports {
            return Ok((FoundPorts::default(), service.selector()));
        }
        let pods = match service.needs_pods() {
            Some(labels) => self.on_exporter(cx).list(Kind::POD, Some(self.id.namespace.as_str()), &labels).await?,
            None => Vec::new(),
        };
        let exported = exported.map(|(ports, _)| ports.as_slice()).unwrap_or_default();
        Ok((service.find_ports(&pods, exported).map_err(cannot)?, service.selector()))
    }

    /// Returns the exported Service; an error lists the Services that exist.
    async fn live_service(&self, cx: &Cx<'_, World>) -> Result<Json, Unresolved> {
        let (exporter, namespace) = (self.on_exporter(cx), &self.id.namespace);
        let service = ObjectRef::namespaced(Kind::SERVICE, namespace.as_str(), self.request.service.as_str());
        if let Some(live) = exporter.get(&service).await? {
            return Ok(live);
        }
        let others = exporter.list(Kind::SERVICE, Some(namespace.as_str()), "").await?;
        let names: Vec<_> = others.iter().filter_map(|other| other["metadata"]["name"].as_str()).collect();
        let existing = if names.is_empty() {
            format!("Namespace `{namespace}` has no Service at all, or doesn't exist.")
        } else {
            format!("Namespace `{namespace}` has the Services `{}`.", names.join("`, `"))
        };
        let detail = format!("Cluster \"{}\" has no {service} to export. {existing}", self.id.exporter);
        Err(Unresolved::Configuration(Error::new("No such Service", detail).at(AttributePath::new("service"))))
    }

    /// Returns the trust domain of the exporting cluster's istiod. Its ConfigMap is in istiod's namespace: that of the gateway, or else most
    /// likely `istio-system`.
    async fn live_trust_domain(&self, cx: &Cx<'_, World>) -> Result<TrustDomain, Unresolved> {
        let namespaces = [self.request.gateway_namespace.as_str(), SYSTEM_NAMESPACE];
        for namespace in namespaces {
            let config = self.on_exporter(cx).get(&ObjectRef::namespaced(Kind::CONFIG_MAP, namespace, "istio")).await?;
            if let Some(domain) = config.as_ref().and_then(trust::trust_domain_of_mesh_config) {
                return Ok(domain);
            }
        }
        let detail = format!(
            "Cluster \"{}\" has no ConfigMap `istio` with the mesh's configuration in namespace `{}` or `{SYSTEM_NAMESPACE}`, so the \
             identities of `service_accounts` aren't known. Set `trust_domain` to that of the exporting cluster.",
            self.id.exporter, self.request.gateway_namespace
        );
        Err(Unresolved::Configuration(Error::new("Trust domain not found", detail).at(AttributePath::new("trust_domain"))))
    }

    /// Finds a Gateway, not created by this provider, that already opens the host.
    async fn opening(&self, cx: &Cx<'_, World>) -> Result<Option<Opening>, Failure> {
        let (exporter, request) = (self.on_exporter(cx), &self.request);
        let mut others = exporter.shared().list(Kind::GATEWAY, None, &labels::unmanaged_selector()).await?;
        // A Gateway that the export takes over is replaced by its own. istiod makes one filter chain of both as long as there are both.
        others.retain(|other| !self.adopts || by_hand(other, &self.id.host).is_none());
        if others.is_empty() {
            return Ok(None);
        }
        let deployment = ObjectRef::namespaced(Kind::DEPLOYMENT, request.gateway_namespace.as_str(), request.gateway_service_name());
        let deployment = match exporter.get(&deployment).await {
            // Without the permission, the labels that the chart sets are assumed.
            Err(failure) if failure.kind == FailureKind::Denied => None,
            deployment => deployment?,
        };
        Ok(export::opening(&others, &export::pod_labels(&request.gateway(), deployment.as_ref()), &self.id.host))
    }

    fn opened_by_others(&self, opening: &Opening) -> Error {
        Error::new(
            "Gateway is open for the host already",
            format!(
                "{opening} of cluster \"{}\", on the same east-west gateway and port. With a second Gateway for \"{}\" the gateway would reject its \
                 whole configuration, so this export has none of its own. Calls work, but the gateway may be open for other Services, too.\n\n\
                 To have it open for exported hosts only, export every Service that is called across clusters, remove Gateway {}, and apply again.",
                self.id.exporter, self.id.host, opening.object
            ),
        )
        .at(AttributePath::new("gateway"))
    }
}
