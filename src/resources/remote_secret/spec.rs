//! From the attributes to a remote secret that is valid, and to the kubeconfig in it.

use std::time::Duration;

use super::{RemoteSecret, RemoteSecretModel, model::RemoteRef};
use crate::{
    data::Secret,
    mesh::{
        ClusterKey, Namespace, ServiceAccountName,
        remote_secret::{Account, Kubeconfig, Place, RemoteGateway, ServerUrl, TokenPolicy},
    },
    world::World,
};
use framework::{AttributePath, Error, Parse, Value};

/// What is configured of the API server; the rest is that of the provider's `clusters`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Override {
    pub(super) url: Option<ServerUrl>,
    pub(super) ca_certificate: Option<String>,
    pub(super) tls_server_name: Option<String>,
}

fn hours(count: i64) -> Result<u32, String> {
    match u32::try_from(count) {
        Ok(count @ 1..=87_600) => Ok(count),
        _ => Err(format!("must be between 1 and 87600, got {count}")),
    }
}

fn pem(text: &str) -> Result<String, String> {
    if text.contains("-----BEGIN CERTIFICATE-----") {
        return Ok(text.to_owned());
    }
    Err("must be a certificate in PEM, with a line `-----BEGIN CERTIFICATE-----`; one in base64 needs `base64decode(…)`.".to_owned())
}

fn filled(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("must not be empty. To leave it out, set it to null.".to_owned()) } else { Ok(text.to_owned()) }
}

/// The remote cluster: its key, Istio's name for it, and the namespace of Istio there.
fn parse_remote(remote: &RemoteRef, reader: Option<&ClusterKey>, parse: &mut Parse<'_>) -> Option<(ClusterKey, ClusterKey, Namespace)> {
    let key = parse.required("cluster", &remote.cluster, |key| match ClusterKey::parse(key) {
        Ok(key) if Some(&key) == reader => {
            Err(format!("Cluster `{key}` reads its own Services by itself. Refer to the mesh_cluster of another cluster."))
        }
        parsed => parsed,
    });
    let name = parse.optional("cluster_name", &remote.cluster_name, |text| ClusterKey::parse(text));
    let namespace = parse.optional("namespace", &remote.namespace, |text| Namespace::parse(text));
    let key = key?;
    // A configuration that is only validated has no defaults yet.
    let namespace = namespace?.or_else(|| Namespace::parse(Namespace::ISTIO_SYSTEM).ok())?;
    Some((key.clone(), name?.unwrap_or(key), namespace))
}

/// Reads the gateway, which must be the remote cluster's, and have an address.
fn parse_gateway(model: &RemoteSecretModel, remote: Option<&ClusterKey>, parse: &mut Parse<'_>) -> Option<Option<RemoteGateway>> {
    parse.nested("remote_gateway", &model.remote_gateway, |gateway, parse| {
        let cluster = parse.required("cluster", &gateway.cluster, |key| match ClusterKey::parse(key) {
            Ok(key) if remote.is_some_and(|remote| *remote != key) => {
                Err(format!("It is a gateway of cluster `{key}`. Refer to the mesh_eastwest_gateway of the remote cluster."))
            }
            parsed => parsed,
        });
        let addresses = parse.each("addresses", &gateway.addresses, |text| Ok::<_, String>(text.clone()));
        if addresses.as_ref().is_some_and(Vec::is_empty) {
            let why = "The gateway has no address yet, and without it istiod would take the remote pods' addresses for ones that it can reach. Apply the \
                       gateway first, and see why its load balancer has no address.";
            parse.violation(parse.path("addresses"), &why);
        }
        Some(RemoteGateway { cluster: cluster?.to_string(), addresses: addresses? })
    })
}

impl RemoteSecret {
    /// Parses the attributes that the configuration sets.
    pub(super) fn parse_model(model: &RemoteSecretModel, parse: &mut Parse<'_>) -> Option<Self> {
        let cluster = parse.required("cluster", &model.cluster, |key| ClusterKey::parse(key));
        let namespace = parse.required("namespace", &model.namespace, |text| Namespace::parse(text));
        let remote = parse.nested("remote", &model.remote, |remote, parse| parse_remote(remote, cluster.as_ref(), parse));
        let remote = remote.flatten();
        let gateway = parse_gateway(model, remote.as_ref().map(|(key, ..)| key), parse);
        let url = parse.optional("server", &model.server, |text| ServerUrl::parse(text));
        let ca_certificate = parse.optional("ca_certificate", &model.ca_certificate, |text| pem(text));
        let tls_server_name = parse.optional("tls_server_name", &model.tls_server_name, |text| filled(text));
        let account = parse.required("service_account", &model.service_account, |text| ServiceAccountName::parse(text));
        let lifetime = parse.required("token_lifetime_hours", &model.token_lifetime_hours, |count| hours(*count));
        let renew_before = parse.required("renew_before_hours", &model.renew_before_hours, |count| hours(*count));
        let rotation = parse.optional("rotation", &model.rotation, |number| Ok::<_, String>(*number));
        let is_endless = parse.optional("legacy_token", &model.legacy_token, |on| Ok::<_, String>(*on));
        let (remote, name, remote_namespace) = remote?;
        let time = |hours: u32| Duration::from_secs(u64::from(hours) * 3600);
        Some(Self {
            cluster: cluster?,
            place: Place { namespace: namespace?, remote, name },
            server: Override { url: url?, ca_certificate: ca_certificate?, tls_server_name: tls_server_name? },
            account: Account { namespace: remote_namespace, name: account? },
            lifetime_hours: lifetime?,
            policy: TokenPolicy { lifetime: time(lifetime?), renew_before: time(renew_before?) },
            rotation: rotation?,
            is_endless: is_endless?.unwrap_or_default(),
            gateway: gateway?,
        })
    }

    /// Returns the kubeconfig with a token. Reads the user's files, if there are any, and contacts nothing.
    pub(super) fn kubeconfig(&self, token: &Secret, world: &World) -> Result<Kubeconfig, Error> {
        let (remote, set) = (&self.place.remote, &self.server);
        let configured = world.api_servers.api_server(remote.as_str())?;
        let refused = |problem: String, attribute: &'static str| {
            Error::new(format!("Cluster \"{}\" can't reach cluster \"{remote}\"", self.cluster), problem).at(AttributePath::new(attribute))
        };
        let (server, tls_server_name) = if let Some(url) = &set.url {
            (url.clone(), None)
        } else {
            let url = ServerUrl::parse(&configured.url).map_err(|problem| {
                let problem = format!("`server` is not set, and the address in the provider's `clusters` can't be used. {problem}");
                refused(problem, "server")
            })?;
            (url, configured.tls_server_name)
        };
        if configured.is_insecure && set.ca_certificate.is_none() {
            let problem = format!(
                "The provider's `clusters` accepts any certificate of the API server of cluster \"{remote}\", which istiod doesn't. Set `ca_certificate` to \
                 the certificate authority of that server."
            );
            return Err(refused(problem, "ca_certificate"));
        }
        Ok(Kubeconfig {
            server: server.as_str().to_owned(),
            ca_certificate: set.ca_certificate.clone().or(configured.ca_certificate),
            tls_server_name: set.tls_server_name.clone().or(tls_server_name),
            token: token.clone(),
        })
    }
}

/// An attribute that is left out where it says what holds anyway.
pub(super) fn unless<T: PartialEq>(value: T, usual: &T) -> Value<T> {
    if value == *usual { Value::Null } else { Value::Value(value) }
}
