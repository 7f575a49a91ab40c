//! The credentials of a cluster: read from the kubeconfig, from a file with a token, or printed by a credential plugin.

use std::{collections::HashMap, process::Stdio};

use base64::Engine as _;
use framework::Deadline;
use http::HeaderValue;
use kube::config::{AuthInfo, Cluster, ExecAuthCluster, ExecConfig};
use secrecy::ExposeSecret as _;
use serde_json::{Value as Json, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::process::Command;

use super::process::{self, Trouble};
use crate::ports::{Failure, FailureKind};

/// How long a token that was read from a file is used: whoever renews the file does so before its token ends.
const FILE: time::Duration = time::Duration::minutes(1);

/// How long before their end credentials are no longer used.
const MARGIN: time::Duration = time::Duration::minutes(1);

/// How much of what a plugin wrote to standard error is shown.
const MOST: usize = 2000;

/// Credentials as they are now.
pub(super) struct Credentials {
    /// For kube: a client certificate, a user name with a password, impersonation. Never a token, and nothing that runs a program.
    pub(super) auth_info: AuthInfo,
    /// A bearer token, as a header of each request.
    pub(super) bearer: Option<HeaderValue>,
    /// Until when they may be used.
    pub(super) valid_until: Option<OffsetDateTime>,
}

/// Returns the credentials of a kubeconfig's user; runs the credential plugin if there is one.
pub(super) async fn obtain(cluster: &str, user: &AuthInfo, server: &Cluster, deadline: &Deadline) -> Result<Credentials, Failure> {
    let failed = |why: String| {
        Failure::new(FailureKind::Denied, format!("No credentials for cluster \"{cluster}\""), why)
            .advice("Correct the credentials in the provider's `clusters`, or what they name.")
    };
    let bearer = |token: &str| {
        let header = HeaderValue::try_from(format!("Bearer {}", token.trim()));
        let mut header = header.map_err(|_| failed("The token has characters that no token can have.".to_owned()))?;
        header.set_sensitive(true);
        Ok(Some(header))
    };
    let auth_info = AuthInfo { token: None, token_file: None, exec: None, auth_provider: None, ..user.clone() };
    let mut credentials = Credentials { auth_info, bearer: None, valid_until: None };
    if user.username.is_some() && user.password.is_some() {
        return Ok(credentials);
    }
    if let Some(token) = &user.token {
        credentials.bearer = bearer(token.expose_secret())?;
    } else if let Some(file) = &user.token_file {
        let token = std::fs::read_to_string(file).map_err(|error| failed(format!("The token file {file} can't be read.")).raw(error))?;
        credentials.bearer = bearer(&token)?;
        credentials.valid_until = Some(OffsetDateTime::now_utc() + FILE);
    } else if let Some(plugin) = &user.exec {
        let printed = run(cluster, plugin, server, deadline).await?;
        credentials.valid_until = printed.expires.map(|expires| expires - MARGIN);
        if let Some(token) = &printed.token {
            credentials.bearer = bearer(token)?;
        }
        if let Some((certificate, key)) = &printed.identity {
            let encode = |pem: &str| base64::engine::general_purpose::STANDARD.encode(pem);
            credentials.auth_info.client_certificate_data = Some(encode(certificate));
            credentials.auth_info.client_key_data = Some(encode(key).into());
        }
    }
    Ok(credentials)
}

/// What a credential plugin printed.
#[derive(Debug)]
struct Printed {
    token: Option<String>,
    identity: Option<(String, String)>,
    expires: Option<OffsetDateTime>,
}

/// Runs a credential plugin. Of what it does, only its name and what it wrote to standard error is ever shown: its output holds
/// credentials, its arguments and environment may.
async fn run(cluster: &str, plugin: &ExecConfig, server: &Cluster, deadline: &Deadline) -> Result<Printed, Failure> {
    let name = plugin.command.as_deref().unwrap_or_default();
    let title = format!("No credentials for cluster \"{cluster}\"");
    let failed = |why: String| {
        Failure::new(FailureKind::Denied, &title, why)
            .advice(format!("Run `{name}` manually, with the arguments in the configuration, to see what it needs."))
    };
    let mut command = Command::new(name);
    command.args(plugin.args.iter().flatten()).stdin(Stdio::null());
    let pairs = plugin.env.iter().flatten().filter_map(|pair: &HashMap<_, _>| Some((pair.get("name")?, pair.get("value")?)));
    command.envs(pairs);
    let mut spec = json!({"interactive": false});
    if plugin.provide_cluster_info {
        let about =
            ExecAuthCluster::try_from(server).map_err(|error| failed("The cluster can't be described to it.".to_owned()).raw(error))?;
        spec["cluster"] = json!(about);
    }
    let about = json!({"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": spec});
    command.env("KUBERNETES_EXEC_INFO", about.to_string());

    let ended = match process::run(&mut command, deadline).await {
        Ok(ended) => ended,
        Err(Trouble::Start(error)) => {
            let failure = failed(format!("The credential plugin `{name}` can't be started.")).raw(error);
            return Err(match plugin.install_hint.as_deref().map(str::trim).filter(|hint| !hint.is_empty()) {
                Some(hint) => failure.advice(hint),
                None => failure.advice("Install it, or correct its name in the provider's configuration or the kubeconfig."),
            });
        }
        Err(Trouble::Cut(cut)) => return Err(Failure::cut(cut, title, &format!("waiting for the credential plugin `{name}`"))),
    };
    let errors = ended.errors.trim();
    let shown = errors.char_indices().nth_back(MOST).map_or(errors, |(start, _)| &errors[start..]);
    if !ended.status.success() {
        return Err(failed(format!("The credential plugin `{name}` failed ({}).", ended.status)).raw(shown));
    }
    read(&ended.output).map_err(|why| failed(format!("The credential plugin `{name}` printed no usable credentials: {why}.")).raw(shown))
}

/// Reads an `ExecCredential`, JSON or YAML. An error shows nothing of it.
fn read(output: &[u8]) -> Result<Printed, &'static str> {
    let printed: Json = serde_saphyr::from_slice(output).map_err(|_| "its output is not JSON")?;
    let status = &printed["status"];
    let text = |field: &str| status[field].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let printed = Printed {
        token: text("token"),
        identity: text("clientCertificateData").zip(text("clientKeyData")),
        expires: match text("expirationTimestamp") {
            Some(text) => Some(OffsetDateTime::parse(&text, &Rfc3339).map_err(|_| "its `expirationTimestamp` is not a time")?),
            None => None,
        },
    };
    if printed.token.is_none() && printed.identity.is_none() {
        return Err("`status` has neither `token` nor `clientCertificateData` and `clientKeyData`");
    }
    Ok(printed)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio_util::sync::CancellationToken;

    use super::*;

    async fn of(user: &AuthInfo) -> Result<Credentials, Failure> {
        let server = Cluster { server: Some("https://eu.example".to_owned()), ..Cluster::default() };
        obtain("eu", user, &server, &Deadline::after(Duration::from_secs(10), CancellationToken::new())).await
    }

    fn plugin(script: &str) -> AuthInfo {
        let exec = ExecConfig {
            api_version: Some("client.authentication.k8s.io/v1".to_owned()),
            command: Some("sh".to_owned()),
            args: Some(vec!["-c".to_owned(), script.to_owned()]),
            env: Some(vec![HashMap::from([("name".to_owned(), "PROFILE".to_owned()), ("value".to_owned(), "s3cret".to_owned())])]),
            provide_cluster_info: true,
            ..ExecConfig::default()
        };
        AuthInfo { exec: Some(exec), ..AuthInfo::default() }
    }

    #[tokio::test]
    async fn a_plugin_is_asked_without_a_terminal_and_about_the_cluster() {
        let script = r#"case "$KUBERNETES_EXEC_INFO" in *'"interactive":false'*) ;; *) exit 2;; esac
            case "$KUBERNETES_EXEC_INFO" in *'"server":"https://eu.example"'*) ;; *) exit 3;; esac
            cat; echo '{"kind": "ExecCredential", "status": {"token": "t0ken", "expirationTimestamp": "2030-01-01T00:01:00Z"}}'"#;
        let credentials = of(&plugin(script)).await.unwrap();
        assert_eq!(credentials.bearer.unwrap(), "Bearer t0ken");
        assert_eq!(credentials.valid_until, Some(time::macros::datetime!(2030-01-01 00:00 UTC)));
        assert!(credentials.auth_info.exec.is_none(), "kube would run it again");
    }

    #[tokio::test]
    async fn a_plugin_that_fails_speaks_for_itself_and_gives_nothing_away() {
        let failure = of(&plugin("echo t0ken; echo 'SSO session has expired, run aws sso login' >&2; exit 255")).await.err().unwrap();
        let text = failure.to_string();
        assert!(text.contains("`sh` failed (exit status: 255)") && text.contains("SSO session has expired"), "{text}");
        assert!(!text.contains("t0ken") && !text.contains("s3cret") && !text.contains("echo"), "{text}");
    }

    #[tokio::test]
    async fn a_plugin_that_is_not_installed_is_named_with_its_hint() {
        let mut user = plugin("");
        let exec = user.exec.as_mut().unwrap();
        exec.command = Some("aws-that-is-not-here".to_owned());
        exec.install_hint = Some("Install the AWS CLI.\n".to_owned());
        let text = of(&user).await.err().unwrap().to_string();
        assert!(text.contains("`aws-that-is-not-here` can't be started") && text.contains("Install the AWS CLI."), "{text}");
    }

    #[test]
    fn what_a_plugin_prints_is_never_shown() {
        for output in
            ["t0ken", "{\"status\": {\"password\": \"t0ken\"}}", "{\"status\": {\"token\": \"t0ken\", \"expirationTimestamp\": \"t0ken\"}}"]
        {
            let why = read(output.as_bytes()).unwrap_err();
            assert!(!why.contains("t0ken"), "{why}");
        }
        let yaml = "status:\n  clientCertificateData: c\n  clientKeyData: k\n";
        assert_eq!(read(yaml.as_bytes()).unwrap().identity, Some(("c".to_owned(), "k".to_owned())));
    }

    #[tokio::test]
    async fn the_line_end_of_a_token_file_is_no_part_of_the_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "t0ken\n").unwrap();
        let user = AuthInfo { token_file: Some(path.display().to_string()), ..AuthInfo::default() };
        let credentials = of(&user).await.unwrap();
        assert_eq!(credentials.bearer.unwrap(), "Bearer t0ken");
        assert!(credentials.valid_until.is_some(), "the file is renewed by others");
        let text = of(&AuthInfo { token: Some("t0\nken".into()), ..AuthInfo::default() }).await.err().unwrap().to_string();
        assert!(!text.contains("t0"), "{text}");
    }
}
