//! The provider's configuration, and the world that comes of it: the only place that builds adapters.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use async_trait::async_trait;

use crate::{
    adapters::{
        Certificates, ClusterAccess, Credentials, ExecPlugin, Helm, HelmSettings, Kubernetes, Repository, SystemClock, parse_certificate,
        parse_key, parse_token,
    },
    data::Secret,
    ephemeral, functions,
    mesh::ClusterKey,
    resources,
    world::{Clusters, PlannedMesh, World},
};
use framework::{AnyEphemeral, AnyListing, AnyResource, Error, Function, Parse, Provider, Setup, Value, model, optional, required};

model! {
    /// A program that prints credentials, as in a kubeconfig's `exec`.
    pub struct ExecModel {
        /// Version of the protocol between client and program: `client.authentication.k8s.io/v1`.
        api_version: String => required(),
        /// The program.
        command: String => required(),
        /// Its arguments.
        args: Vec<Value<String>> => optional(),
        /// Environment variables for it.
        env: BTreeMap<String, Value<String>> => optional(),
    }
}

model! {
    /// How to reach a cluster: by a kubeconfig file, or by `host` and credentials.
    pub struct AccessModel {
        /// Path of a kubeconfig file; `~` is the home directory.
        config_path: String => optional(),
        /// The context of the kubeconfig to use; its current context if left out.
        config_context: String => optional(),
        /// URL of the API server, such as `https://eu.example.com:6443`.
        host: String => optional(),
        /// The API server's certificate authority, PEM.
        cluster_ca_certificate: String => optional(),
        /// A bearer token.
        token: String => optional().sensitive(),
        /// A client certificate, PEM.
        client_certificate: String => optional(),
        /// The client certificate's private key, PEM.
        client_key: String => optional().sensitive(),
        /// A program that prints credentials; it is run again when they expire.
        exec: ExecModel => optional(),
        /// Whether to take any certificate of the API server. Only for tests: everybody on the way can read and change everything.
        insecure: bool => optional(),
        /// The name in the API server's certificate, if it isn't the host's.
        tls_server_name: String => optional(),
        /// URL of a proxy to reach the API server by.
        proxy_url: String => optional(),
    }
}

model! {
    /// How charts are had and installed.
    pub struct HelmModel {
        /// Where Istio's charts come from: an HTTP repository (`https://…`), an OCI registry (`oci://…`) or a directory that holds
        /// the charts `base`, `istiod` and `gateway`. Istio's own repository if left out.
        repository: String => optional(),
        /// Version of Istio's charts for resources that set none.
        version: String => optional(),
        /// Path of the `helm` program. If left out: `helm` beside the provider's own executable, else on the PATH.
        binary: String => optional(),
        /// User name for the repository.
        username: String => optional(),
        /// Password for the repository.
        password: String => optional().sensitive(),
        /// Whether an OCI registry is spoken to without TLS.
        plain_http: bool => optional(),
        /// Path of a file with the certificate authority of the repository, PEM.
        ca_file: String => optional(),
    }
}

model! {
    /// Makes Kubernetes clusters on separate networks one Istio mesh: installs Istio with Helm, and manages what lets services of one
    /// cluster call those of another by name, with mutual TLS from sidecar to sidecar.
    ///
    /// One provider block serves the whole mesh: `clusters` is a map, so `for_each` works over it and no aliases are needed. Values of
    /// clusters that are made in the same apply may be unknown while planning; nothing is contacted then.
    pub struct ProviderModel {
        /// The clusters, by the key that resources name them with.
        clusters: BTreeMap<String, Value<AccessModel>> => required(),
        /// Settings for Helm.
        helm: HelmModel => optional(),
    }
}

/// The provider's configuration, valid.
pub struct Configuration {
    /// None while the map as a whole is unknown; a cluster's access is none while something of it is unknown.
    clusters: Option<BTreeMap<ClusterKey, Option<ClusterAccess>>>,
    helm: HelmSettings,
}

const ISTIO_REPOSITORY: &str = "https://istio-release.storage.googleapis.com/charts";

/// The provider `mesh`.
pub struct Mesh;

#[async_trait]
impl Provider for Mesh {
    type World = World;
    type Model = ProviderModel;
    type Spec = Configuration;

    fn name(&self) -> &'static str {
        "mesh"
    }

    fn parse(&self, model: &ProviderModel, parse: &mut Parse<'_>) -> Option<Configuration> {
        let clusters = match &model.clusters {
            Value::Value(clusters) => Some(parse_clusters(clusters, parse)),
            _ => None,
        };
        let helm = match &model.helm {
            Value::Value(helm) => parse.nested("helm", &model.helm, |_, parse| parse_helm(helm, parse)).flatten(),
            _ => parse_helm(&HelmModel::default(), parse),
        };
        Some(Configuration { clusters, helm: helm? })
    }

    async fn configure(&self, configuration: Configuration, _: &mut Setup) -> Result<World, Error> {
        let known = configuration
            .clusters
            .as_ref()
            .map(|clusters| clusters.iter().map(|(key, access)| (key.to_string(), access.is_some())).collect());
        let accesses: BTreeMap<String, ClusterAccess> = configuration
            .clusters
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(key, access)| access.map(|access| (key.to_string(), access)))
            .collect();
        let istio_version = configuration.helm.version.clone();
        let kubernetes = Arc::new(Kubernetes::new(accesses));
        Ok(World {
            clusters: known.map_or(Clusters::Unknown, Clusters::Known),
            releases: Arc::new(Helm::new(configuration.helm, Arc::clone(&kubernetes))),
            tokens: kubernetes.clone(),
            objects: kubernetes,
            authority: Arc::new(Certificates),
            clock: Arc::new(SystemClock),
            istio_version,
            planned: PlannedMesh::default(),
        })
    }

    fn resources(&self) -> Vec<Box<dyn AnyResource<World>>> {
        resources::all()
    }

    fn ephemerals(&self) -> Vec<Box<dyn AnyEphemeral<World>>> {
        ephemeral::all()
    }

    fn listings(&self) -> Vec<Box<dyn AnyListing<World>>> {
        resources::listings()
    }

    fn functions(&self) -> Vec<Box<dyn Function>> {
        functions::all()
    }
}

fn parse_clusters(clusters: &BTreeMap<String, Value<AccessModel>>, parse: &mut Parse<'_>) -> BTreeMap<ClusterKey, Option<ClusterAccess>> {
    let mut accesses = BTreeMap::new();
    for (key, access) in clusters {
        let path = parse.path("clusters").key(key.clone());
        let cluster = match ClusterKey::parse(key) {
            Ok(cluster) => cluster,
            Err(problem) => {
                parse.violation(path, &problem);
                continue;
            }
        };
        let access = match access {
            Value::Value(access) => parse.inner(path, |parse| parse_access(access, parse)),
            _ => None,
        };
        accesses.insert(cluster, access);
    }
    accesses
}

/// Any text will do; in the shape that [`Parse`] wants.
#[allow(clippy::ptr_arg, clippy::unnecessary_wraps)]
fn text(text: &String) -> Result<String, String> {
    Ok(text.clone())
}

/// Reads how a cluster is reached; none while something of it is unknown.
fn parse_access(access: &AccessModel, parse: &mut Parse<'_>) -> Option<ClusterAccess> {
    let config_path = parse.optional("config_path", &access.config_path, text);
    let context = parse.optional("config_context", &access.config_context, text);
    let host = parse.optional("host", &access.host, |host| match host.parse::<http::Uri>() {
        Ok(uri) if matches!(uri.scheme_str(), Some("https" | "http")) && uri.host().is_some() => Ok(host.clone()),
        _ => Err(format!("`{host}` is not the URL of an API server. Write one such as `https://eu.example.com:6443`.")),
    });
    let ca = parse.optional("cluster_ca_certificate", &access.cluster_ca_certificate, |pem| parse_certificate(pem));
    let token = parse.optional("token", &access.token, |token| parse_token(token));
    let certificate = parse.optional("client_certificate", &access.client_certificate, |pem| parse_certificate(pem));
    let key = parse.optional("client_key", &access.client_key, |pem| parse_key(pem));
    let exec = parse.nested("exec", &access.exec, parse_exec);
    let insecure = parse.optional("insecure", &access.insecure, |on| Ok::<_, String>(*on));
    let tls_server_name = parse.optional("tls_server_name", &access.tls_server_name, text);
    let proxy_url = parse.optional("proxy_url", &access.proxy_url, |url| match url.parse::<http::Uri>() {
        Ok(uri) if uri.scheme().is_some() && uri.host().is_some() => Ok(url.clone()),
        _ => Err(format!("`{url}` is not the URL of a proxy. Write one such as `http://proxy.example.com:3128`.")),
    });

    // Which of the two ways it is shows in what is set, known or not.
    let is_file = !access.config_path.is_null();
    let explicit = [
        ("host", !access.host.is_null()),
        ("cluster_ca_certificate", !access.cluster_ca_certificate.is_null()),
        ("token", !access.token.is_null()),
        ("client_certificate", !access.client_certificate.is_null()),
        ("client_key", !access.client_key.is_null()),
        ("exec", !access.exec.is_null()),
        ("insecure", !access.insecure.is_null()),
        ("tls_server_name", !access.tls_server_name.is_null()),
        ("proxy_url", !access.proxy_url.is_null()),
    ];
    if is_file {
        if let Some((name, _)) = explicit.iter().find(|(_, set)| *set) {
            parse.violation(parse.path(name), &"Set either `config_path`, or `host` and credentials, not both.");
            return None;
        }
        return Some(ClusterAccess::Kubeconfig { path: PathBuf::from(config_path??), context: context? });
    }
    if access.host.is_null() {
        parse.violation(
            parse.path("host"),
            &"The cluster can't be reached by anything. Set `config_path` to a kubeconfig, or `host` and credentials; nothing is guessed.",
        );
        return None;
    }
    if !access.config_context.is_null() {
        parse.violation(parse.path("config_context"), &"A context belongs to a kubeconfig: set `config_path` too.");
    }
    let ways = [!access.token.is_null(), !access.client_certificate.is_null() || !access.client_key.is_null(), !access.exec.is_null()];
    if ways.iter().filter(|set| **set).count() != 1 {
        parse
            .violation(parse.path("token"), &"Set one kind of credentials: `token`, or `client_certificate` with `client_key`, or `exec`.");
        return None;
    }
    if access.client_certificate.is_null() != access.client_key.is_null() {
        let missing = if access.client_key.is_null() { "client_key" } else { "client_certificate" };
        parse.violation(parse.path(missing), &"`client_certificate` and `client_key` belong together: set both.");
        return None;
    }
    let credentials = match (token?, certificate?, key?, exec?) {
        (Some(token), ..) => Credentials::Token(token),
        (_, Some(certificate), Some(key), _) => Credentials::ClientCertificate { certificate, key },
        (_, _, _, Some(exec)) => Credentials::Exec(exec),
        _ => return None,
    };
    Some(ClusterAccess::Explicit {
        host: host??,
        ca_certificate: ca?,
        credentials,
        insecure: insecure?.unwrap_or(false),
        tls_server_name: tls_server_name?,
        proxy_url: proxy_url?,
    })
}

fn parse_exec(exec: &ExecModel, parse: &mut Parse<'_>) -> Option<ExecPlugin> {
    let api_version = parse.required("api_version", &exec.api_version, text);
    let command = parse.required("command", &exec.command, text);
    let args = parse.each("args", &exec.args, text);
    let env = parse.entries("env", &exec.env, text);
    Some(ExecPlugin { api_version: api_version?, command: command?, args: args?, env: env? })
}

/// Reads the settings for Helm. What is unknown in them counts as left out until it is known.
fn parse_helm(helm: &HelmModel, parse: &mut Parse<'_>) -> Option<HelmSettings> {
    let repository = parse.optional("repository", &helm.repository, |text| Repository::parse(text));
    let version = parse.optional("version", &helm.version, |text| crate::world::parse_version(text));
    let binary = parse.optional("binary", &helm.binary, |path| Ok::<_, String>(PathBuf::from(path)));
    let username = parse.optional("username", &helm.username, text);
    let password = parse.optional("password", &helm.password, |text| Ok::<_, String>(Secret::new(text)));
    if helm.username.is_null() != helm.password.is_null() {
        let missing = if helm.password.is_null() { "password" } else { "username" };
        parse.violation(parse.path(missing), &"`username` and `password` belong together: set both.");
    }
    let plain_http = parse.optional("plain_http", &helm.plain_http, |on| Ok::<_, String>(*on));
    let ca_file = parse.optional("ca_file", &helm.ca_file, |path| Ok::<_, String>(PathBuf::from(path)));
    Some(HelmSettings {
        repository: repository.flatten().or_else(|| Repository::parse(ISTIO_REPOSITORY).ok())?,
        version: version.flatten(),
        binary: binary.flatten(),
        username: username.flatten(),
        password: password.flatten(),
        plain_http: plain_http.flatten().unwrap_or(false),
        ca_file: ca_file.flatten(),
    })
}
