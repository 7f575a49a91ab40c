//! How each cluster is reached: the attributes of an entry of `clusters`, and what they mean.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use super::{filled, not_empty};
use crate::{
    adapters::{
        Base, ClusterAccess, Credentials, ExecPlugin, KubeconfigFiles, ServerSettings, parse_certificate, parse_host, parse_key,
        parse_proxy_url, parse_token,
    },
    data::Secret,
    mesh::ClusterKey,
};
use framework::{Parse, Value, model, optional, required};

model! {
    /// A program that prints credentials, as in a kubeconfig's `exec`. It gets no terminal, and is run again when its credentials end.
    pub struct ExecModel {
        /// Version of the protocol between client and program: the one that the program prints.
        api_version: String => required().one_of(EXEC_VERSIONS),
        /// The program: a name on the PATH, or a path.
        command: String => required(),
        /// Its arguments.
        args: Vec<Value<String>> => optional(),
        /// Environment variables for it, in addition to those of the provider's process.
        env: BTreeMap<String, Value<String>> => optional().sensitive(),
        /// What to show if the program isn't installed, for example `Install the AWS CLI`.
        install_hint: String => optional(),
        /// Whether the program receives the cluster's address and certificate authority, in `KUBERNETES_EXEC_INFO`. Defaults to false.
        provide_cluster_info: bool => optional(),
    }
}

model! {
    /// How to reach a cluster: by kubeconfig files, by the service account of the pod in which the provider runs, or by `host` and
    /// credentials. Other settings beside `config_path`, `config_paths` or `in_cluster` override what these say. Neither `KUBECONFIG`, `KUBE_*`
    /// nor `~/.kube/config` is used unless it is set here.
    pub struct AccessModel {
        /// Path of a kubeconfig file; `~` is the home directory.
        config_path: String => optional(),
        /// Paths of kubeconfig files, merged as kubectl merges those of `KUBECONFIG`: of two entries with one name the first one counts. Every
        /// file must exist.
        config_paths: Vec<Value<String>> => optional().conflicts_with(&["config_path"]),
        /// Context of the kubeconfig. Defaults to its current context, which may be another one in the next run; a warning names it.
        config_context: String => optional(),
        /// Name of the kubeconfig's cluster to use instead of the context's.
        config_context_cluster: String => optional(),
        /// Name of the kubeconfig's user to use instead of the context's.
        config_context_auth_info: String => optional(),
        /// Whether to use the service account of the pod in which the provider runs, whose token is read again when it is renewed. Defaults to
        /// false.
        in_cluster: bool => optional(),
        /// URL of the API server, for example `https://eu.example.com:6443`.
        host: String => optional(),
        /// Certificate authority of the API server, PEM.
        cluster_ca_certificate: String => optional(),
        /// Whether to accept any certificate of the API server. Only for tests: anyone on the way can read and change everything. Defaults to
        /// false.
        insecure: bool => optional(),
        /// Name in the API server's certificate, if it isn't the host's, as with a tunnel.
        tls_server_name: String => optional(),
        /// URL of the proxy through which to reach the API server, for example `http://proxy.example.com:3128`. Its scheme is `http`, `https` or
        /// `socks5`. It may contain a user name and a password. Defaults to `HTTPS_PROXY`, unless `NO_PROXY` exempts the host.
        proxy_url: String => optional().sensitive(),
        /// Bearer token.
        token: String => optional().sensitive(),
        /// Path of a file with a bearer token, for example a projected token of a service account. It is read again when it is renewed.
        token_file: String => optional().conflicts_with(&["token"]),
        /// Client certificate, PEM.
        client_certificate: String => optional().requires(&["client_key"]).conflicts_with(&["token", "token_file"]),
        /// Private key of the client certificate, PEM.
        client_key: String => optional().sensitive().requires(&["client_certificate"]),
        /// User name for HTTP basic authentication.
        username: String => optional().requires(&["password"]).conflicts_with(&["token", "token_file", "client_certificate"]),
        /// Password for HTTP basic authentication.
        password: String => optional().sensitive().requires(&["username"]),
        /// Program that prints credentials.
        exec: ExecModel => optional().conflicts_with(&["token", "token_file", "client_certificate", "username"]),
        /// Whether a destroy succeeds although the cluster can't be reached, or is another one than the objects were created in. It then
        /// removes what is in the cluster from the state without deleting it; a warning lists what is left behind. Dangerous: set it only
        /// for a cluster that is gone for good, and remove it again. Defaults to false.
        forget_unreachable: bool => optional(),
    }
}

/// Reads the map of clusters. A cluster's access is `None` while something of it is unknown; an entry that is null counts as left out.
pub(super) fn parse_clusters(
    clusters: &BTreeMap<String, Value<AccessModel>>,
    parse: &mut Parse<'_>,
) -> BTreeMap<ClusterKey, Option<ClusterAccess>> {
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
            Value::Null => continue,
            Value::Unknown => None,
            Value::Value(access) => parse.inner(path, |parse| parse_access(access, parse)),
        };
        accesses.insert(cluster, access);
    }
    accesses
}

/// Returns the keys of the clusters with `forget_unreachable`.
pub(super) fn forgettable(clusters: &Value<BTreeMap<String, Value<AccessModel>>>) -> BTreeSet<String> {
    let is_forgettable =
        |access: &Value<AccessModel>| access.as_ref_option().is_some_and(|access| access.forget_unreachable == Value::Value(true));
    let clusters = clusters.as_ref_option().into_iter().flatten();
    clusters.filter(|(_, access)| is_forgettable(access)).map(|(key, _)| key.clone()).collect()
}

/// Reads how a cluster is reached; `None` while something of it is unknown.
fn parse_access(access: &AccessModel, parse: &mut Parse<'_>) -> Option<ClusterAccess> {
    let base = parse_base(access, parse);
    let server = parse_server(access, parse);
    let credentials = parse_credentials(access, parse);
    let (base, server, credentials) = (base?, server?, credentials?);
    if matches!(base, Base::Nothing) && credentials.is_none() {
        parse.violation(
            parse.path("token"),
            &"The credentials are missing. Set `token`, `token_file`, `client_certificate` with `client_key`, `username` with `password`, or \
              `exec`.",
        );
        return None;
    }
    Some(ClusterAccess { base, server, credentials })
}

/// Reads where the cluster's entry comes from. What of it is set shows that, known or not.
fn parse_base(access: &AccessModel, parse: &mut Parse<'_>) -> Option<Base> {
    let path = parse.optional("config_path", &access.config_path, |path| filled(path));
    let paths = parse.optional_each("config_paths", &access.config_paths, |path: &String| not_empty(path));
    let context = parse.optional("config_context", &access.config_context, |name| filled(name));
    let cluster = parse.optional("config_context_cluster", &access.config_context_cluster, |name| filled(name));
    let user = parse.optional("config_context_auth_info", &access.config_context_auth_info, |name| filled(name));
    let in_cluster = parse.optional("in_cluster", &access.in_cluster, |on| Ok::<_, String>(*on));

    let has_files = !access.config_path.is_null() || !access.config_paths.is_null();
    if paths.as_ref().is_some_and(|paths| paths.as_ref().is_some_and(Vec::is_empty)) {
        parse.violation(parse.path("config_paths"), &"must contain at least one path. To leave it out, remove it or set it to null.");
        return None;
    }
    let of_files = [
        ("config_context", &access.config_context),
        ("config_context_cluster", &access.config_context_cluster),
        ("config_context_auth_info", &access.config_context_auth_info),
    ];
    if let Some((name, _)) = of_files.into_iter().find(|(_, value)| !has_files && !value.is_null()) {
        parse.violation(parse.path(name), &"It names an entry of a kubeconfig. Set `config_path` or `config_paths` too.");
        return None;
    }
    if in_cluster? == Some(true) {
        if has_files {
            parse.violation(parse.path("in_cluster"), &"Set either a kubeconfig or `in_cluster = true`, not both.");
            return None;
        }
        return Some(Base::Pod);
    }
    if has_files {
        let paths = match (path?, paths?) {
            (Some(path), _) => vec![PathBuf::from(path)],
            (None, paths) => paths.unwrap_or_default().into_iter().map(PathBuf::from).collect(),
        };
        return Some(Base::Kubeconfig(KubeconfigFiles { paths, context: context?, cluster: cluster?, user: user? }));
    }
    if access.host.is_null() {
        parse.violation(
            parse.path("host"),
            &"Nothing says how to reach the cluster. Set `config_path` to the path of a kubeconfig file, or `host` and credentials, or \
              `in_cluster = true`. No environment variable and no default file is used.",
        );
        return None;
    }
    Some(Base::Nothing)
}

fn parse_server(access: &AccessModel, parse: &mut Parse<'_>) -> Option<ServerSettings> {
    let host = parse.optional("host", &access.host, |url| parse_host(url));
    let ca_certificate = parse.optional("cluster_ca_certificate", &access.cluster_ca_certificate, |pem| parse_certificate(pem));
    let insecure = parse.optional("insecure", &access.insecure, |on| Ok::<_, String>(*on));
    let tls_server_name = parse.optional("tls_server_name", &access.tls_server_name, |name| filled(name));
    let proxy_url = parse.optional("proxy_url", &access.proxy_url, |url| parse_proxy_url(url).map(Secret::new));
    if insecure == Some(Some(true)) && !access.cluster_ca_certificate.is_null() {
        let why =
            "With `insecure = true` every certificate is accepted, and `cluster_ca_certificate` would verify nothing. Set one of them.";
        parse.violation(parse.path("insecure"), &why);
        return None;
    }
    Some(ServerSettings {
        host: host?,
        ca_certificate: ca_certificate?,
        insecure: insecure?,
        tls_server_name: tls_server_name?,
        proxy_url: proxy_url?,
    })
}

/// Reads the credentials: `Some(None)` if none are set.
fn parse_credentials(access: &AccessModel, parse: &mut Parse<'_>) -> Option<Option<Credentials>> {
    let token = parse.optional("token", &access.token, |token| parse_token(token));
    let token_file = parse.optional("token_file", &access.token_file, |path| filled(path).map(PathBuf::from));
    let certificate = parse.optional("client_certificate", &access.client_certificate, |pem| parse_certificate(pem));
    let key = parse.optional("client_key", &access.client_key, |pem| parse_key(pem));
    let username = parse.optional("username", &access.username, |name| filled(name));
    let password = parse.optional("password", &access.password, |text| filled(text).map(Secret::new));
    let exec = parse.nested("exec", &access.exec, parse_exec);

    Some(match (token?, token_file?, certificate?.zip(key?), username?.zip(password?), exec?) {
        (Some(token), ..) => Some(Credentials::Token(token)),
        (_, Some(path), ..) => Some(Credentials::TokenFile(path)),
        (_, _, Some((certificate, key)), ..) => Some(Credentials::ClientCertificate { certificate, key }),
        (_, _, _, Some((username, password)), _) => Some(Credentials::Password { username, password }),
        (.., Some(exec)) => Some(Credentials::Exec(exec)),
        _ => None,
    })
}

/// The versions of the protocol of credential plugins that Helm and this provider speak.
const EXEC_VERSIONS: [&str; 2] = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];

fn parse_exec(exec: &ExecModel, parse: &mut Parse<'_>) -> Option<ExecPlugin> {
    let api_version = parse.required("api_version", &exec.api_version, any);
    let command = parse.required("command", &exec.command, |command| not_empty(command));
    let args = parse.each("args", &exec.args, any);
    let env = parse.entries("env", &exec.env, |value| any(value).map(Secret::new));
    let install_hint = parse.optional("install_hint", &exec.install_hint, |hint| filled(hint));
    let provide_cluster_info = parse.optional("provide_cluster_info", &exec.provide_cluster_info, |on| Ok::<_, String>(*on));
    Some(ExecPlugin {
        api_version: api_version?,
        command: command?,
        args: args?,
        env: env?,
        install_hint: install_hint?,
        provide_cluster_info: provide_cluster_info?.unwrap_or(false),
    })
}

/// Accepts any string.
#[allow(clippy::ptr_arg, clippy::unnecessary_wraps)] // the shape that `Parse` wants
fn any(text: &String) -> Result<String, String> {
    Ok(text.clone())
}
