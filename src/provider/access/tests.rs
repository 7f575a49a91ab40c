//! What of an access block is refused, and what it means.

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
fn a_credential_plugin_has_a_command() {
    let exec = ExecModel { api_version: text("client.authentication.k8s.io/v1"), command: text(" "), ..ExecModel::default() };
    let (violations, _) = read(&AccessModel { token: Value::Null, exec: Value::Value(exec), ..with_token() });
    assert_eq!(violations.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), ["exec.command"]);
}

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
const KEY: &str = "-----BEGIN PRIVATE KEY-----";

#[test]
fn each_kind_of_credentials_is_read() {
    let host = || AccessModel { host: text("https://eu.example.com"), ..AccessModel::default() };
    let exec = ExecModel {
        api_version: text("client.authentication.k8s.io/v1beta1"),
        command: text("aws"),
        install_hint: text("Install the AWS CLI"),
        provide_cluster_info: Value::Value(true),
        ..ExecModel::default()
    };
    for (access, kind) in [
        (AccessModel { token: text("t"), ..host() }, "Token("),
        (AccessModel { token_file: text("/var/run/token"), ..host() }, "TokenFile("),
        (AccessModel { client_certificate: text(CERTIFICATE), client_key: text(KEY), ..host() }, "ClientCertificate"),
        (AccessModel { username: text("ann"), password: text("p"), ..host() }, "Password"),
        (AccessModel { exec: Value::Value(exec), ..host() }, "provide_cluster_info: true"),
    ] {
        let (violations, read) = read(&access);
        assert!(violations.is_empty() && format!("{read:?}").contains(kind), "{violations:?} {read:?}");
    }
}

#[test]
fn each_base_can_have_settings_over_it() {
    for (access, base) in [
        (AccessModel { config_path: text("~/.kube/config"), ..AccessModel::default() }, "Kubeconfig"),
        (AccessModel { config_paths: Value::Value(vec![text("a"), text("b")]), ..AccessModel::default() }, "Kubeconfig"),
        (AccessModel { in_cluster: Value::Value(true), ..AccessModel::default() }, "Pod"),
    ] {
        let over = AccessModel { tls_server_name: text("eu.example.com"), proxy_url: text("socks5://localhost:1080"), ..access.clone() };
        for access in [access, AccessModel { host: text("https://localhost:8443"), token: text("t"), ..over.clone() }, over] {
            let (violations, read) = read(&access);
            assert!(violations.is_empty() && format!("{read:?}").contains(base), "{violations:?} {read:?}");
        }
    }
}

#[test]
fn what_contradicts_itself_is_refused_at_the_attribute() {
    let file = || AccessModel { config_path: text("~/.kube/config"), ..AccessModel::default() };
    for (access, path, part) in [
        (AccessModel::default(), "host", "Nothing says how to reach the cluster"),
        (AccessModel { in_cluster: Value::Value(false), ..AccessModel::default() }, "host", "Nothing says"),
        (AccessModel { token: Value::Null, ..with_token() }, "token", "The credentials are missing"),
        (AccessModel { config_paths: Value::Value(vec![]), ..AccessModel::default() }, "config_paths", "at least one path"),
        (AccessModel { in_cluster: Value::Value(true), ..file() }, "in_cluster", "either a kubeconfig"),
        (AccessModel { config_context: text("eu"), ..with_token() }, "config_context", "an entry of a kubeconfig"),
        (AccessModel { config_context_auth_info: text("eu"), ..with_token() }, "config_context_auth_info", "an entry of"),
        (
            AccessModel { insecure: Value::Value(true), cluster_ca_certificate: text(CERTIFICATE), ..with_token() },
            "insecure",
            "would verify nothing",
        ),
    ] {
        let (violations, read) = read(&access);
        assert!(violations.iter().any(|(at, message)| at == path && message.contains(part)), "{path}: {violations:?}");
        assert!(read.is_none(), "{path}");
    }
}

#[test]
fn an_unknown_setting_leaves_the_whole_access_unknown() {
    for access in [
        AccessModel { in_cluster: Value::Unknown, ..AccessModel::default() },
        AccessModel { host: Value::Unknown, token: Value::Unknown, ..AccessModel::default() },
        AccessModel { config_paths: Value::Unknown, ..AccessModel::default() },
        AccessModel { tls_server_name: Value::Unknown, ..with_token() },
        AccessModel { username: Value::Unknown, password: Value::Unknown, token: Value::Null, ..with_token() },
    ] {
        let (violations, read) = read(&access);
        assert!(violations.is_empty() && read.is_none(), "{violations:?}");
    }
}
