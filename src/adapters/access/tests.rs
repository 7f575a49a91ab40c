//! Kubeconfigs as files, settings over them, and what comes of both.

use kube::config::ExecInteractiveMode;

use super::*;
use crate::data::Secret;

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
    ClusterAccess::kubeconfig(path, context).resolve("us").map(|resolved| resolved.kubeconfig)
}

#[test]
fn one_context_of_a_file_is_used() {
    let config = read(None).unwrap();
    assert_eq!(config.current_context.as_deref(), Some("us"));
    let server = server(&config);
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
    let config = ClusterAccess::kubeconfig(path, None).resolve("us").unwrap().kubeconfig;
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
    let access = ClusterAccess::kubeconfig(path.clone(), None);
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

/// The access to a file with these contexts, with settings laid over it.
fn over(change: impl FnOnce(&mut KubeconfigFiles, &mut ServerSettings) -> Option<Credentials>) -> Result<Arc<Kubeconfig>, Failure> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    std::fs::write(&path, FILE).unwrap();
    let mut files = KubeconfigFiles { paths: vec![path], context: None, cluster: None, user: None };
    let mut server = ServerSettings::default();
    let credentials = change(&mut files, &mut server);
    ClusterAccess { base: Base::Kubeconfig(files), server, credentials }.resolve("us").map(|resolved| resolved.kubeconfig)
}

fn server(config: &Kubeconfig) -> &Cluster {
    config.clusters[0].cluster.as_ref().unwrap()
}

fn user(config: &Kubeconfig) -> String {
    serde_saphyr::to_string(&config.auth_infos[0].auth_info).unwrap()
}

#[test]
fn a_tunnel_is_laid_over_a_kubeconfig() {
    let config = over(|_, server| {
        server.host = Some("https://localhost:8443".to_owned());
        server.tls_server_name = Some("a.example".to_owned());
        server.proxy_url = Some(Secret::new("socks5://localhost:1080"));
        None
    });
    let config = config.unwrap();
    let server = server(&config);
    assert_eq!(server.server.as_deref(), Some("https://localhost:8443"));
    assert_eq!((server.tls_server_name.as_deref(), server.proxy_url.as_deref()), (Some("a.example"), Some("socks5://localhost:1080")));
    assert!(server.certificate_authority.as_deref().unwrap().ends_with("ca.pem"), "the file's, as nothing else is set");
    assert!(user(&config).contains("t0ken"), "the file's credentials");
}

#[test]
fn a_certificate_authority_over_a_kubeconfig_is_verified_and_insecure_is_not() {
    let lax = over(|files, server| {
        files.context = Some("lax".to_owned());
        server.ca_certificate = Some("-----BEGIN CERTIFICATE-----".to_owned());
        None
    });
    let lax = lax.unwrap();
    assert_eq!((server(&lax).insecure_skip_tls_verify, server(&lax).certificate_authority_data.is_some()), (None, true));
    let insecure = over(|_, server| {
        server.insecure = Some(true);
        None
    });
    let insecure = insecure.unwrap();
    assert_eq!((server(&insecure).insecure_skip_tls_verify, &server(&insecure).certificate_authority), (Some(true), &None));
}

#[test]
fn credentials_over_a_kubeconfig_replace_its_user() {
    // Also one that could not be used, or that doesn't exist.
    for context in ["eks", "oidc", "nobody"] {
        let config = over(|files, _| {
            files.context = Some(context.to_owned());
            Some(Credentials::Password { username: "ann".to_owned(), password: Secret::new("pa55word") })
        });
        let user = user(&config.unwrap());
        assert!(user.contains("ann") && user.contains("pa55word") && !user.contains("exec") && !user.contains("oidc"), "{user}");
    }
}

#[test]
fn cluster_and_user_of_other_contexts_can_be_used() {
    let config = over(|files, _| {
        (files.cluster, files.user) = (Some("c".to_owned()), Some("aws".to_owned()));
        None
    });
    let config = config.unwrap();
    assert_eq!(server(&config).server.as_deref(), Some("https://c.example"));
    assert!(user(&config).contains("Install the AWS CLI."));
    let failure = over(|files, _| {
        files.user = Some("bob".to_owned());
        None
    });
    let failure = failure.unwrap_err();
    assert!(failure.why.contains("no user `bob`. Its users are `me`, `dex`, `aws`"), "{failure}");
}

#[test]
fn files_are_merged_and_the_first_entry_of_a_name_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    std::fs::write(&first, "clusters: [{name: a, cluster: {server: 'https://first.example'}}]\ncurrent-context: ''\n").unwrap();
    std::fs::write(&second, FILE).unwrap();
    let files = KubeconfigFiles { paths: vec![first.clone(), second], context: None, cluster: None, user: None };
    let access = ClusterAccess { base: Base::Kubeconfig(files), server: ServerSettings::default(), credentials: None };
    let config = access.resolve("us").unwrap().kubeconfig;
    assert_eq!(server(&config).server.as_deref(), Some("https://first.example"));
    assert!(user(&config).contains("t0ken"), "the user of the second file");
    std::fs::remove_file(&first).unwrap();
    let failure = access.resolve("us").unwrap_err();
    assert!(failure.why.contains("first can't be read"), "the second file has another cluster of that name: {failure}");
}

#[test]
fn a_context_that_can_change_between_two_runs_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    std::fs::write(&path, FILE).unwrap();
    let unpinned = ClusterAccess::kubeconfig(path.clone(), None).unpinned_context().unwrap();
    assert!(unpinned.contains("now `prod`") && unpinned.contains("config_context = \"prod\""), "{unpinned}");
    assert_eq!(ClusterAccess::kubeconfig(path.clone(), Some("lax")).unpinned_context(), None);
    std::fs::write(&path, "current-context: prod\ncontexts: [{name: prod, context: {cluster: a}}]\n").unwrap();
    assert_eq!(ClusterAccess::kubeconfig(path, None).unpinned_context(), None, "there is no other");
}

#[test]
fn a_token_file_is_named_and_not_read() {
    let access = ClusterAccess {
        base: Base::Nothing,
        server: ServerSettings { host: Some("https://eu.example".to_owned()), ..ServerSettings::default() },
        credentials: Some(Credentials::TokenFile(PathBuf::from("token"))),
    };
    let config = access.resolve("eu").unwrap().kubeconfig;
    let file = config.auth_infos[0].auth_info.clone().unwrap().token_file.unwrap();
    assert!(Path::new(&file).is_absolute() && access.may_change(), "Helm reads it too, from elsewhere: {file}");
}

#[test]
fn secrets_are_not_printed() {
    let env = std::collections::BTreeMap::from([("KEY".to_owned(), Secret::new("s3cret"))]);
    let plugin = ExecPlugin {
        api_version: String::new(),
        command: "aws".to_owned(),
        args: Vec::new(),
        env,
        install_hint: None,
        provide_cluster_info: false,
    };
    for credentials in [Credentials::Token(Secret::new("s3cret")), Credentials::Exec(plugin)] {
        let server = ServerSettings { proxy_url: Some(Secret::new("http://ann:s3cret@proxy")), ..ServerSettings::default() };
        let access = ClusterAccess { base: Base::Nothing, server, credentials: Some(credentials) };
        assert!(!format!("{access:?}").contains("s3cret"), "{access:?}");
    }
}
