//! Being a process of the host: who may speak to it, and how it ends.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use framework::protocol::wire::{
    configure_provider, get_provider_schema, provider_client::ProviderClient, read_resource, stop_provider, validate_resource_config,
};
use tonic::transport::Channel;

use crate::PROGRAM;
use plugin_host::{
    Certificate, Plugin,
    log::Entry,
    plugin::command,
    values::{encode, object},
};

/// Configures it with a cluster where nobody listens, and a token.
async fn configure(provider: &mut ProviderClient<Channel>) {
    let access = object(&[("host", "https://127.0.0.1:1".into()), ("token", "top-secret".into())]);
    let config = Some(encode(&object(&[("clusters", object(&[("us", access)]))])));
    let request = configure_provider::Request { config, ..configure_provider::Request::default() };
    let diagnostics = provider.configure_provider(request).await.expect("an answer").into_inner().diagnostics;
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
}

#[test]
fn by_hand_it_says_what_it_is() {
    let output = Command::new(PROGRAM).output().expect("the program starts");
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("is a provider for Terraform and OpenTofu"));
    let output = Command::new(PROGRAM).arg("--help").output().expect("the program starts");
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("--debug"), "help that is asked for is no error");
    let output = Command::new(PROGRAM).arg("--version").output().expect("the program starts");
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), format!("terraform-provider-mesh {}", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn nobody_but_the_host_can_drive_it() {
    let plugin = Plugin::start(crate::PROGRAM);
    let stranger = Certificate::new();
    for (who, certificate) in [("without a certificate", None), ("with another certificate", Some(&stranger))] {
        // TLS 1.3 refuses a client after its own handshake: it shows at the first call at the latest.
        let refused = match plugin.connect(certificate).await {
            Err(_) => true,
            Ok(channel) => {
                let mut provider = ProviderClient::new(channel);
                provider.get_provider_schema(get_provider_schema::Request {}).await.is_err()
            }
        };
        assert!(refused, "somebody {who} was served");
    }
    assert!(plugin.provider().await.get_provider_schema(get_provider_schema::Request {}).await.is_ok(), "the host is served all the same");
}

#[tokio::test]
async fn an_interrupt_of_the_terminal_is_not_for_it() {
    let mut plugin = Plugin::start(crate::PROGRAM);
    let mut provider = plugin.provider().await;
    plugin.signal("-INT");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!plugin.has_ended());
    assert!(provider.get_provider_schema(get_provider_schema::Request {}).await.is_ok());
    provider.stop_provider(stop_provider::Request {}).await.expect("stopped");
    assert!(provider.get_provider_schema(get_provider_schema::Request {}).await.is_ok(), "a stop ends work, not the process");
}

#[tokio::test]
async fn it_ends_at_once_when_the_host_says_so() {
    let mut took = Vec::new();
    // The best of three, as other tests run beside.
    for _ in 0..3 {
        let plugin = Plugin::start(crate::PROGRAM);
        plugin.provider().await.get_provider_schema(get_provider_schema::Request {}).await.expect("a schema");
        took.push(plugin.shut_down().await);
    }
    assert!(took.iter().min() < Some(&Duration::from_millis(100)), "{took:?}");
}

#[tokio::test]
async fn a_termination_ends_the_work_first() {
    let mut plugin = Plugin::start(crate::PROGRAM);
    let mut provider = plugin.provider().await;
    configure(&mut provider).await;
    // A look at a cluster that doesn't answer takes some seconds, if nobody interrupts.
    let state = object(&[
        ("cluster", "us".into()),
        ("namespace", "n".into()),
        ("name", "r".into()),
        ("common_name", "root".into()),
        ("organization", "mesh".into()),
        ("validity_days", 1.into()),
    ]);
    let request = read_resource::Request { type_name: "mesh_root_ca".into(), current_state: Some(encode(&state)), ..Default::default() };
    let call = tokio::spawn(async move { provider.read_resource(request).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    plugin.signal("-TERM");
    let answered = call.await.expect("the call").expect("an answer").into_inner();
    assert_eq!(answered.diagnostics.len(), 1, "{answered:?}");
    assert!(plugin.end().await < Duration::from_secs(1));
}

#[test]
fn what_it_is_started_with_must_make_sense() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = command(Path::new(PROGRAM), "no certificate", folder.path()).output().expect("the program starts");
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("PLUGIN_CLIENT_CERT is no certificate"));
}

/// Waits until a path is gone.
async fn is_removed(path: &Path) -> bool {
    for _ in 0..100 {
        if !path.exists() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

#[tokio::test]
async fn sockets_of_killed_providers_are_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = || Plugin::start_with(PROGRAM, |command| command.env("PLUGIN_UNIX_SOCKET_DIR", folder.path()));
    let (mut killed, live) = (start(), start());
    assert_ne!(killed.socket(), live.socket());
    killed.signal("-KILL");
    killed.end().await;
    // As they are some time later.
    let own = |plugin: &Plugin| plugin.socket().parent().expect("a folder").to_path_buf();
    for plugin in [&killed, &live] {
        let age = std::fs::File::open(own(plugin)).expect("a folder");
        age.set_modified(std::time::SystemTime::now() - Duration::from_secs(600)).expect("its age");
    }
    let plugin = start();
    assert!(is_removed(&own(&killed)).await, "the folder of the killed one is left");
    assert!(live.provider().await.get_provider_schema(get_provider_schema::Request {}).await.is_ok(), "another one is still served");
    plugin.shut_down().await;
}

#[tokio::test]
async fn it_does_not_outlive_a_host_that_was_killed() {
    let (folder, certificate) = (tempfile::tempdir().expect("a folder"), Certificate::new());
    let mut host = Command::new("sh");
    // The shell is the host: the provider is its child, and not of this process.
    host.args(["-c", "\"$0\" & wait", PROGRAM])
        .envs(command(Path::new(PROGRAM), &certificate.pem, folder.path()).get_envs().filter_map(|(name, value)| Some((name, value?))));
    host.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut host = Plugin::launch(&mut host, certificate, folder);
    let mut provider = host.provider().await;
    provider.get_provider_schema(get_provider_schema::Request {}).await.expect("a schema");
    let own = host.socket().parent().expect("a folder").to_path_buf();
    assert!(own.exists());
    host.signal("-KILL");
    host.end().await;
    assert!(is_removed(&own).await, "it goes on without its host");
    assert!(provider.get_provider_schema(get_provider_schema::Request {}).await.is_err());
}

#[tokio::test]
async fn logs_are_for_the_host_to_read_and_hold_no_secret() {
    let plugin = Plugin::start_with(crate::PROGRAM, |command| command.env("TF_LOG", "trace").stderr(Stdio::piped()));
    let mut provider = plugin.provider().await;
    configure(&mut provider).await;
    // Something that repeats what it was given.
    let request = read_resource::Request { type_name: "of-type-top-secret".into(), ..read_resource::Request::default() };
    provider.read_resource(request).await.expect("an answer");
    let log = plugin.log();
    assert!(!log.contains("top-secret") && log.contains("of-type-***"), "{log}");
    let entries = Entry::parse_all(&log);
    let calls: Vec<_> = entries.iter().filter_map(|entry| entry.fields.get("call")?.as_str()).collect();
    assert_eq!(calls, ["ConfigureProvider", "ReadResource"]);
    assert!(entries.iter().any(|entry| entry.level == "debug" && entry.message == "answered ConfigureProvider"), "{entries:?}");

    let plugin = Plugin::start_with(crate::PROGRAM, |command| command.stderr(Stdio::piped()));
    plugin.provider().await.get_provider_schema(get_provider_schema::Request {}).await.expect("a schema");
    assert_eq!(plugin.log(), "", "nothing is logged unless it is asked for");
}

#[tokio::test]
async fn the_log_level_is_that_of_the_most_specific_variable() {
    let lines = async |variables: &[(&str, &str)]| {
        let plugin = Plugin::start_with(PROGRAM, |command| command.envs(variables.iter().copied()).stderr(Stdio::piped()));
        plugin.provider().await.get_provider_schema(get_provider_schema::Request {}).await.expect("a schema");
        Entry::parse_all(&plugin.log()).len()
    };
    assert!(lines(&[("TF_LOG_PROVIDER_MESH", "debug"), ("TF_LOG_PROVIDER", "off")]).await > 0);
    assert_eq!(lines(&[("TF_LOG_PROVIDER_MESH", "off"), ("TF_LOG", "trace")]).await, 0);
    assert!(lines(&[("TF_LOG_PROVIDER", "debug"), ("TF_LOG", "error")]).await > 0);
}

#[tokio::test]
async fn a_developer_attaches_to_a_running_one() {
    let mut child = Command::new(PROGRAM).arg("--debug").stdout(Stdio::piped()).spawn().expect("the program starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
    let json = line.trim().strip_prefix("TF_REATTACH_PROVIDERS='").and_then(|rest| rest.strip_suffix('\'')).expect("an assignment");
    let providers: serde_json::Value = serde_json::from_str(json).expect("JSON");
    let reattach = &providers["registry.opentofu.org/terraform-provider-mesh/mesh"];
    assert_eq!((&reattach["ProtocolVersion"], &reattach["Pid"]), (&6.into(), &child.id().into()));
    let socket = PathBuf::from(reattach["Addr"]["String"].as_str().expect("a path"));
    let mode = std::fs::metadata(socket.parent().expect("a folder")).expect("a folder").permissions().mode();
    assert_eq!(mode & 0o077, 0, "others may reach the socket");

    let path = socket.clone();
    let connect = tower::service_fn(move |_| {
        let path = path.clone();
        async move { tokio::net::UnixStream::connect(path).await.map(hyper_util::rt::TokioIo::new) }
    });
    let channel = tonic::transport::Endpoint::from_static("http://localhost").connect_with_connector(connect).await.expect("a channel");
    ProviderClient::new(channel).get_provider_schema(get_provider_schema::Request {}).await.expect("a schema");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill").success());
    assert!(child.wait().expect("its end").success());
    assert!(!socket.exists(), "the socket is left");
}

#[tokio::test]
async fn large_messages_pass() {
    let plugin = Plugin::start(crate::PROGRAM);
    let mut provider = plugin.provider().await;
    let text = "x".repeat(32 << 20);
    let config = encode(&object(&[("cluster", text.into())]));
    let request = validate_resource_config::Request { type_name: "mesh_root_ca".into(), config: Some(config), client_capabilities: None };
    let diagnostics = provider.validate_resource_config(request).await.expect("an answer").into_inner().diagnostics;
    assert_eq!(diagnostics[0].summary, "Invalid cluster");
}
