//! How each cluster is reached: the attributes of an entry of `clusters`, and what they mean.

use std::{collections::BTreeMap, path::PathBuf};

use super::filled;
use crate::{
    adapters::{ClusterAccess, Credentials, ExecPlugin, parse_certificate, parse_host, parse_key, parse_proxy_url, parse_token},
    mesh::ClusterKey,
};
use framework::{Parse, Value, model, optional, required};

model! {
    /// A program that prints credentials, as in a kubeconfig's `exec`.
    pub struct ExecModel {
        /// Version of the protocol between client and program: `client.authentication.k8s.io/v1`, or `client.authentication.k8s.io/v1beta1`.
        api_version: String => required(),
        /// The program.
        command: String => required(),
        /// Its arguments.
        args: Vec<Value<String>> => optional(),
        /// Environment variables for it, in addition to those of the provider's process.
        env: BTreeMap<String, Value<String>> => optional().sensitive(),
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
        /// URL of the proxy through which to reach the API server, for example `http://proxy.example.com:3128`. Its scheme is `http`, `https` or
        /// `socks5`. It may contain a user name and a password.
        proxy_url: String => optional().sensitive(),
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

/// Reads how a cluster is reached; `None` while something of it is unknown.
fn parse_access(access: &AccessModel, parse: &mut Parse<'_>) -> Option<ClusterAccess> {
    let config_path = parse.optional("config_path", &access.config_path, |text| filled(text));
    let context = parse.optional("config_context", &access.config_context, |text| filled(text));
    let host = parse.optional("host", &access.host, |url| parse_host(url));
    let ca = parse.optional("cluster_ca_certificate", &access.cluster_ca_certificate, |pem| parse_certificate(pem));
    let token = parse.optional("token", &access.token, |token| parse_token(token));
    let certificate = parse.optional("client_certificate", &access.client_certificate, |pem| parse_certificate(pem));
    let key = parse.optional("client_key", &access.client_key, |pem| parse_key(pem));
    let exec = parse.nested("exec", &access.exec, parse_exec);
    let insecure = parse.optional("insecure", &access.insecure, |on| Ok::<_, String>(*on));
    let tls_server_name = parse.optional("tls_server_name", &access.tls_server_name, |text| filled(text));
    let proxy_url = parse.optional("proxy_url", &access.proxy_url, |url| parse_proxy_url(url));

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

/// The versions of the protocol of credential plugins that Helm and this provider speak.
const EXEC_VERSIONS: [&str; 2] = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];

fn parse_exec(exec: &ExecModel, parse: &mut Parse<'_>) -> Option<ExecPlugin> {
    let api_version = parse.required("api_version", &exec.api_version, |version| match version.as_str() {
        version if EXEC_VERSIONS.contains(&version) => Ok(version.to_owned()),
        other => {
            Err(format!("must be `{}` or `{}`, got `{other}`. Use the one that the program prints.", EXEC_VERSIONS[0], EXEC_VERSIONS[1]))
        }
    });
    let command = parse.required("command", &exec.command, |command| filled(command));
    let args = parse.each("args", &exec.args, any);
    let env = parse.entries("env", &exec.env, any);
    Some(ExecPlugin { api_version: api_version?, command: command?, args: args?, env: env? })
}

/// Accepts any string.
#[allow(clippy::ptr_arg, clippy::unnecessary_wraps)] // the shape that `Parse` wants
fn any(text: &String) -> Result<String, String> {
    Ok(text.clone())
}

#[cfg(test)]
mod tests {
    use framework::Report;

    use super::*;

    fn text(text: &str) -> Value<String> {
        Value::Value(text.to_owned())
    }

    /// Path and message of each violation, and whether there is an access.
    fn read(access: &AccessModel) -> (Vec<(String, String)>, Option<ClusterAccess>) {
        let mut report = Report::new();
        let access = parse_access(access, &mut Parse::new(&mut report));
        let errors = report.into_diagnostics().errors;
        (errors.into_iter().map(|error| (error.attribute.to_string(), error.detail.into_owned())).collect(), access)
    }

    fn with_token() -> AccessModel {
        AccessModel { host: text("https://eu.example.com"), token: text("t0ken"), ..AccessModel::default() }
    }

    #[test]
    fn null_unknown_and_empty_are_three_things() {
        let file = |context| AccessModel { config_path: text("~/.kube/config"), config_context: context, ..AccessModel::default() };
        assert!(read(&file(Value::Null)).1.is_some());
        let (violations, access) = read(&file(Value::Unknown));
        assert!(violations.is_empty() && access.is_none());
        let (violations, access) = read(&file(text("")));
        assert_eq!((violations[0].0.as_str(), access.is_none()), ("config_context", true));
        assert!(violations[0].1.contains("must not be empty"), "{violations:?}");
    }

    #[test]
    fn an_entry_that_is_null_is_left_out_and_an_unknown_one_is_not() {
        let entries = [("us", Value::Value(with_token())), ("eu", Value::Null), ("ap", Value::Unknown)];
        let clusters = entries.map(|(key, access)| (key.to_owned(), access)).into();
        let mut report = Report::new();
        let accesses = parse_clusters(&clusters, &mut Parse::new(&mut report));
        let known: Vec<_> = accesses.iter().map(|(key, access)| (key.as_str(), access.is_some())).collect();
        assert_eq!((known.as_slice(), report.has_errors()), (&[("ap", false), ("us", true)][..], false));
    }

    #[test]
    fn a_url_with_a_password_is_not_shown() {
        for (host, proxy, attribute, part) in [
            ("https://ann:s3cret@eu.example.com", "http://proxy", "host", "must not contain"),
            ("ann:s3cret@eu.example.com", "http://proxy", "host", "must not contain"),
            ("eu.example.com:6443", "http://proxy", "host", "got `eu.example.com:6443`"),
            ("https://", "http://proxy", "host", "must be the URL"),
            ("https://eu.example.com", "ftp://ann:s3cret@proxy", "proxy_url", "`http`, `https`, `socks5`"),
            ("https://eu.example.com", "ann:s3cret@proxy:3128", "proxy_url", "must be the URL of a proxy"),
        ] {
            let (violations, _) = read(&AccessModel { host: text(host), proxy_url: text(proxy), ..with_token() });
            assert!(violations.iter().any(|(path, message)| path == attribute && message.contains(part)), "{host} {proxy}: {violations:?}");
            assert!(!format!("{violations:?}").contains("s3cret"), "{violations:?}");
        }
    }

    #[test]
    fn a_credential_plugin_is_one_that_helm_can_run_too() {
        let exec = ExecModel { api_version: text("client.authentication.k8s.io/v1alpha1"), command: text(" "), ..ExecModel::default() };
        let (violations, _) = read(&AccessModel { token: Value::Null, exec: Value::Value(exec), ..with_token() });
        assert_eq!(violations.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), ["exec.api_version", "exec.command"]);
    }
}
