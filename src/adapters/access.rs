//! Access to a cluster as one kubeconfig in memory: the kube client connects with it, and Helm gets it as a file.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::Engine as _;
use kube::config::{AuthInfo, Cluster, Context, ExecConfig, ExecInteractiveMode, Kubeconfig, NamedAuthInfo, NamedCluster, NamedContext};

use crate::{
    data::Secret,
    ports::{Failure, FailureKind},
};

/// Access to a cluster. Nothing else is used: neither the environment's kubeconfig, nor in-cluster credentials, nor localhost.
#[derive(Clone, Debug)]
pub enum ClusterAccess {
    /// A context of a kubeconfig file.
    Kubeconfig {
        /// The file; `~` at its beginning is the home directory.
        path: PathBuf,
        /// The context; `None` for the file's current one.
        context: Option<String>,
    },
    /// An address and credentials.
    Explicit {
        /// The API server's URL.
        host: String,
        /// Its certificate authority, PEM.
        ca_certificate: Option<String>,
        /// The credentials.
        credentials: Credentials,
        /// Whether to accept any certificate of the API server.
        insecure: bool,
        /// The name in its certificate, if it isn't the host's.
        tls_server_name: Option<String>,
        /// The proxy through which to reach it.
        proxy_url: Option<String>,
    },
}

/// Credentials for an API server.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A bearer token.
    Token(Secret),
    /// A client certificate and its key, PEM.
    ClientCertificate {
        /// The certificate.
        certificate: String,
        /// The key.
        key: Secret,
    },
    /// A program that prints credentials.
    Exec(ExecPlugin),
}

/// A program that prints credentials, as in a kubeconfig.
#[derive(Clone, Debug)]
pub struct ExecPlugin {
    /// Version of the protocol that it speaks.
    pub api_version: String,
    /// The program.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Environment variables for it.
    pub env: BTreeMap<String, String>,
}

/// A kubeconfig with just one cluster, and the context of the user's file that it was.
#[derive(Clone, Debug, Default)]
pub(super) struct Resolved {
    pub(super) kubeconfig: Arc<Kubeconfig>,
    context: Option<String>,
}

impl ClusterAccess {
    /// Resolves to a kubeconfig with just this cluster. Reads the user's file, if there is one; contacts no server.
    pub(super) fn resolve(&self, cluster: &str) -> Result<Resolved, Failure> {
        match self {
            Self::Kubeconfig { path, context } => from_file(cluster, path, context.as_deref()),
            Self::Explicit { host, ca_certificate, credentials, insecure, tls_server_name, proxy_url } => {
                let server = Cluster {
                    server: Some(host.clone()),
                    certificate_authority_data: ca_certificate.as_deref().filter(|_| !insecure).map(encode),
                    insecure_skip_tls_verify: insecure.then_some(true),
                    tls_server_name: tls_server_name.clone(),
                    proxy_url: proxy_url.clone(),
                    ..Cluster::default()
                };
                let kubeconfig = Arc::new(single(cluster, server, credentials.auth_info(), None));
                Ok(Resolved { kubeconfig, context: None })
            }
        }
    }

    /// Returns whether there may be other credentials later on.
    pub(super) fn may_change(&self) -> bool {
        match self {
            Self::Kubeconfig { .. } => true,
            Self::Explicit { credentials, .. } => matches!(credentials, Credentials::Exec(_)),
        }
    }

    /// Reads the credentials anew, of the context of before and for the same server. `None` if the file is not what it was.
    pub(super) fn renewed(&self, cluster: &str, former: &Resolved) -> Option<Resolved> {
        let Self::Kubeconfig { path, .. } = self else { return Some(former.clone()) };
        let now = from_file(cluster, path, former.context.as_deref()).ok()?;
        let server = |resolved: &Resolved| resolved.kubeconfig.clusters.iter().find_map(|named| named.cluster.as_ref()?.server.clone());
        (server(&now) == server(former)).then_some(now)
    }
}

impl Credentials {
    fn auth_info(&self) -> AuthInfo {
        match self {
            Self::Token(token) => AuthInfo { token: Some(token.reveal().to_owned().into()), ..AuthInfo::default() },
            Self::ClientCertificate { certificate, key } => AuthInfo {
                client_certificate_data: Some(encode(certificate)),
                client_key_data: Some(encode(key.reveal()).into()),
                ..AuthInfo::default()
            },
            Self::Exec(plugin) => AuthInfo {
                exec: Some(ExecConfig {
                    api_version: Some(plugin.api_version.clone()),
                    command: Some(plugin.command.clone()),
                    args: Some(plugin.args.clone()),
                    env: Some(plugin.env.iter().map(|(name, value)| variable(name, value)).collect()),
                    drop_env: None,
                    install_hint: None,
                    interactive_mode: Some(ExecInteractiveMode::Never),
                    provide_cluster_info: false,
                    cluster: None,
                    other: BTreeMap::new(),
                }),
                ..AuthInfo::default()
            },
        }
    }
}

/// Checks that a string is the URL of an API server. An error doesn't show a URL with a password.
pub fn parse_host(url: &str) -> Result<String, String> {
    match url.parse::<http::Uri>() {
        Ok(uri) if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) => {
            Err("must not contain a user name or a password. Set credentials of their own instead, such as `token`.".to_owned())
        }
        Ok(uri) if matches!(uri.scheme_str(), Some("https" | "http")) && uri.host().is_some_and(|host| !host.is_empty()) => {
            Ok(url.to_owned())
        }
        _ if url.contains('@') => Err("must be the URL of an API server, for example `https://eu.example.com:6443`.".to_owned()),
        _ => Err(format!("must be the URL of an API server, for example `https://eu.example.com:6443`, got `{url}`.")),
    }
}

/// Checks that a string is a certificate in PEM, which the output of a cluster's resource in base64 is not.
pub fn parse_certificate(text: &str) -> Result<String, String> {
    if text.contains("-----BEGIN CERTIFICATE-----") {
        return Ok(text.to_owned());
    }
    Err("must be a certificate in PEM, with a line `-----BEGIN CERTIFICATE-----`; one in base64 needs `base64decode(…)`.".to_owned())
}

/// Checks that a string is a private key in PEM. An error doesn't show it.
pub fn parse_key(text: &str) -> Result<Secret, String> {
    if text.contains("PRIVATE KEY-----") {
        return Ok(Secret::new(text));
    }
    Err("must be a private key in PEM, with a line `-----BEGIN … PRIVATE KEY-----`; one in base64 needs `base64decode(…)`.".to_owned())
}

/// Reads a bearer token; one that comes from a file ends with the line's end. An error doesn't show it.
pub fn parse_token(text: &str) -> Result<Secret, String> {
    let token = text.trim();
    if !token.is_empty() && token.chars().all(|letter| letter.is_ascii_graphic()) {
        return Ok(Secret::new(token));
    }
    Err("must be a bearer token: printable characters without spaces.".to_owned())
}

fn variable(name: &str, value: &str) -> HashMap<String, String> {
    HashMap::from([("name".to_owned(), name.to_owned()), ("value".to_owned(), value.to_owned())])
}

fn encode(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn single(name: &str, cluster: Cluster, auth_info: AuthInfo, namespace: Option<String>) -> Kubeconfig {
    let name = name.to_owned();
    let context = Context { cluster: name.clone(), user: Some(name.clone()), namespace, ..Context::default() };
    Kubeconfig {
        api_version: Some("v1".to_owned()),
        kind: Some("Config".to_owned()),
        clusters: vec![NamedCluster { name: name.clone(), cluster: Some(cluster), ..NamedCluster::default() }],
        auth_infos: vec![NamedAuthInfo { name: name.clone(), auth_info: Some(auth_info), ..NamedAuthInfo::default() }],
        contexts: vec![NamedContext { name: name.clone(), context: Some(context), ..NamedContext::default() }],
        current_context: Some(name),
        ..Kubeconfig::default()
    }
}

fn from_file(cluster: &str, path: &Path, context: Option<&str>) -> Result<Resolved, Failure> {
    let expanded = expand_home(path);
    // Paths inside of the file are meant from where it lies, and Helm gets them by way of a file that lies elsewhere.
    let path = std::path::absolute(&expanded).unwrap_or(expanded);
    let unusable = |why: String| {
        Failure::new(FailureKind::Unconfigured, format!("Can't use the kubeconfig of cluster \"{cluster}\""), why)
            .advice(format!("Correct `clusters[\"{cluster}\"]` in the provider's configuration, or the file."))
    };
    let file =
        Kubeconfig::read_from(&path).map_err(|error| unusable(format!("{} can't be read as a kubeconfig.", path.display())).raw(error))?;
    let name = context.or(file.current_context.as_deref()).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| unusable(format!("{} has no current context, and `config_context` names none.", path.display())))?;
    let contexts: Vec<_> = file.contexts.iter().map(|context| format!("`{}`", context.name)).collect();
    let missing = |what: String| unusable(format!("{} has no {what}. Its contexts are {}.", path.display(), contexts.join(", ")));
    let context = file.contexts.iter().find(|context| context.name == name).and_then(|context| context.context.clone());
    let context = context.ok_or_else(|| missing(format!("context `{name}`")))?;
    let server = file.clusters.iter().find(|server| server.name == context.cluster).and_then(|server| server.cluster.clone());
    let mut server = server.ok_or_else(|| missing(format!("cluster `{}`, which context `{name}` names", context.cluster)))?;
    // kube takes a cluster without a server for localhost; nothing is guessed here.
    if server.server.as_deref().unwrap_or_default().is_empty() {
        return Err(missing(format!("server for cluster `{}`", context.cluster)));
    }
    if server.insecure_skip_tls_verify == Some(true) {
        // Helm refuses both at once.
        (server.certificate_authority, server.certificate_authority_data) = (None, None);
    }
    let mut auth_info = match context.user.as_deref().filter(|user| !user.is_empty()) {
        None => AuthInfo::default(),
        Some(user) => file
            .auth_infos
            .iter()
            .find(|info| info.name == user)
            .and_then(|info| info.auth_info.clone())
            .ok_or_else(|| missing(format!("user `{user}`, whom context `{name}` names")))?,
    };
    if let Some(provider) = &auth_info.auth_provider {
        // Helm would renew its token, and leave the user's own kubeconfig with one that is no longer valid.
        let why =
            format!("User `{}` has an `auth-provider` ({}), which is not supported.", context.user.unwrap_or_default(), provider.name);
        let advice = "Use a credential plugin (`exec`) instead, such as `kubectl oidc-login get-token` (kubelogin) or that of your cloud.";
        return Err(unusable(why).advice(advice));
    }
    if let Some(plugin) = &mut auth_info.exec {
        // Standard input is Terraform's own, and what the plugin writes to an inherited standard error reaches no user.
        plugin.interactive_mode = Some(ExecInteractiveMode::Never);
    }
    let kubeconfig = Arc::new(single(cluster, server, auth_info, context.namespace));
    Ok(Resolved { kubeconfig, context: Some(name.to_owned()) })
}

/// Replaces `~` at the beginning of a path by the home directory.
pub(super) fn expand_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(below), Some(home)) => home.join(below),
        _ => path.to_path_buf(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
apiVersion: v1
kind: Config
current-context: prod
clusters:
- {name: a, cluster: {server: 'https://a.example:6443', certificate-authority: ca.pem}}
- {name: b, cluster: {}}
- {name: c, cluster: {server: 'https://c.example', certificate-authority: ca.pem, insecure-skip-tls-verify: true}}
users:
- {name: me, user: {token: t0ken}}
- {name: dex, user: {auth-provider: {name: oidc, config: {id-token: t0ken, refresh-token: s3cret}}}}
- {name: aws, user: {exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: aws, installHint: Install the AWS CLI.}}}
contexts:
- {name: prod, context: {cluster: a, user: me}}
- {name: empty, context: {cluster: b, user: me}}
- {name: nobody, context: {cluster: a, user: ann}}
- {name: oidc, context: {cluster: a, user: dex}}
- {name: eks, context: {cluster: a, user: aws}}
- {name: lax, context: {cluster: c, user: me}}
";

    fn read(context: Option<&str>) -> Result<Arc<Kubeconfig>, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        std::fs::write(&path, FILE).unwrap();
        ClusterAccess::Kubeconfig { path, context: context.map(str::to_owned) }.resolve("us").map(|resolved| resolved.kubeconfig)
    }

    #[test]
    fn one_context_of_a_file_is_used() {
        let config = read(None).unwrap();
        assert_eq!(config.current_context.as_deref(), Some("us"));
        let server = config.clusters[0].cluster.as_ref().unwrap();
        assert_eq!(server.server.as_deref(), Some("https://a.example:6443"));
        assert!(Path::new(server.certificate_authority.as_deref().unwrap()).is_absolute());
        let text = serde_saphyr::to_string(&*config).unwrap();
        assert!(text.contains("t0ken"), "Helm needs the token: {text}");
    }

    #[test]
    fn a_missing_context_is_named_with_the_existing_ones() {
        let failure = read(Some("stage")).unwrap_err();
        assert!(failure.why.contains("no context `stage`") && failure.why.contains("`prod`, `empty`, `nobody`"), "{failure}");
        assert!(read(Some("empty")).unwrap_err().why.contains("no server for cluster `b`"));
    }

    #[test]
    fn files_of_a_relative_kubeconfig_are_found_from_anywhere() {
        // Helm reads them by way of a kubeconfig that lies somewhere else.
        let folder = tempfile::tempdir_in("target").unwrap();
        let path = folder.path().join("config");
        let path = path.strip_prefix(std::env::current_dir().unwrap()).unwrap().to_path_buf();
        std::fs::write(&path, FILE).unwrap();
        let config = ClusterAccess::Kubeconfig { path, context: None }.resolve("us").unwrap().kubeconfig;
        let file = config.clusters[0].cluster.as_ref().unwrap().certificate_authority.clone().unwrap();
        assert!(Path::new(&file).is_absolute(), "{file}");
    }

    #[test]
    fn a_missing_user_is_named() {
        let failure = read(Some("nobody")).unwrap_err();
        assert!(failure.why.contains("no user `ann`"), "{failure}");
    }

    #[test]
    fn an_auth_provider_is_refused_with_what_to_use_instead() {
        let text = read(Some("oidc")).unwrap_err().to_string();
        assert!(text.contains("`auth-provider` (oidc)") && text.contains("kubelogin"), "{text}");
        assert!(!text.contains("t0ken") && !text.contains("s3cret"), "{text}");
    }

    #[test]
    fn renewed_credentials_are_those_of_the_first_context_and_server() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let write = |text: String| std::fs::write(&path, text).unwrap();
        write(FILE.to_owned());
        let access = ClusterAccess::Kubeconfig { path: path.clone(), context: None };
        let first = access.resolve("us").unwrap();
        write(FILE.replace("current-context: prod", "current-context: lax").replace("t0ken", "t1ken"));
        let renewed = access.renewed("us", &first).unwrap().kubeconfig;
        assert_eq!(renewed.clusters[0].cluster.as_ref().unwrap().server.as_deref(), Some("https://a.example:6443"));
        assert!(serde_saphyr::to_string(&*renewed).unwrap().contains("t1ken"));
        write(FILE.replace("a.example", "other.example"));
        assert!(access.renewed("us", &first).is_none(), "the context leads to another server now");
    }

    #[test]
    fn a_credential_plugin_is_never_interactive() {
        let config = read(Some("eks")).unwrap();
        let plugin = config.auth_infos[0].auth_info.clone().unwrap().exec.unwrap();
        assert_eq!(plugin.interactive_mode, Some(ExecInteractiveMode::Never));
        assert_eq!(plugin.install_hint.as_deref(), Some("Install the AWS CLI."));
    }

    #[test]
    fn an_insecure_cluster_drops_its_certificate_authority() {
        // client-go refuses a kubeconfig with both.
        let config = read(Some("lax")).unwrap();
        let server = config.clusters[0].cluster.as_ref().unwrap();
        assert_eq!((server.insecure_skip_tls_verify, &server.certificate_authority), (Some(true), &None));
    }

    #[test]
    fn certificates_keys_and_tokens_are_checked_without_being_shown() {
        let base64 = encode("-----BEGIN CERTIFICATE-----");
        assert!(parse_certificate(&base64).unwrap_err().contains("base64decode"));
        assert!(parse_certificate("-----BEGIN CERTIFICATE-----\n…").is_ok());
        let error = parse_key("s3cret").unwrap_err();
        assert!(!error.contains("s3cret"), "{error}");
        assert!(parse_key("-----BEGIN EC PRIVATE KEY-----\n…").is_ok());
        assert_eq!(parse_token("t0ken\n").unwrap().reveal(), "t0ken");
        for text in ["", " \n", "t0 ken", "t0\nken"] {
            let error = parse_token(text).unwrap_err();
            assert!(!error.contains("t0"), "{error}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let access = ClusterAccess::Explicit {
            host: "https://h".into(),
            ca_certificate: None,
            credentials: Credentials::Token(Secret::new("t0ken")),
            insecure: false,
            tls_server_name: None,
            proxy_url: None,
        };
        assert!(!format!("{access:?}").contains("t0ken"));
    }
}
