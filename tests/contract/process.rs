//! Being a process of the host: who may speak to it, and how it ends.

use std::process::Command;

use terraform_provider_mesh::protocol::wire::get_provider_schema;

use crate::host::{Certificate, PROGRAM, Plugin};

#[test]
fn by_hand_it_says_what_it_is() {
    let output = Command::new(PROGRAM).output().expect("the program starts");
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("is a provider for Terraform and OpenTofu"));
    let output = Command::new(PROGRAM).arg("--version").output().expect("the program starts");
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), format!("terraform-provider-mesh {}", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn nobody_but_the_host_can_drive_it() {
    let plugin = Plugin::start();
    let stranger = Certificate::new();
    for (who, certificate) in [("without a certificate", None), ("with another certificate", Some(&stranger))] {
        // TLS 1.3 refuses a client after its own handshake: it shows at the first call at the latest.
        let refused = match plugin.connect(certificate).await {
            Err(_) => true,
            Ok(channel) => {
                let mut provider = terraform_provider_mesh::protocol::wire::provider_client::ProviderClient::new(channel);
                provider.get_provider_schema(get_provider_schema::Request {}).await.is_err()
            }
        };
        assert!(refused, "somebody {who} was served");
    }
    assert!(plugin.provider().await.get_provider_schema(get_provider_schema::Request {}).await.is_ok(), "the host is served all the same");
}

#[tokio::test]
async fn an_interrupt_of_the_terminal_is_not_for_it() {
    let mut plugin = Plugin::start();
    let mut provider = plugin.provider().await;
    plugin.signal("-INT");
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(!plugin.has_ended());
    assert!(provider.get_provider_schema(get_provider_schema::Request {}).await.is_ok());
    provider.stop_provider(terraform_provider_mesh::protocol::wire::stop_provider::Request {}).await.expect("stopped");
    assert!(provider.get_provider_schema(get_provider_schema::Request {}).await.is_ok(), "a stop ends work, not the process");
}

#[tokio::test]
async fn it_ends_when_it_is_asked_to() {
    let plugin = Plugin::start();
    plugin.provider().await.get_provider_schema(get_provider_schema::Request {}).await.expect("a schema");
    plugin.shut_down().await;

    let mut plugin = Plugin::start();
    plugin.signal("-TERM");
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert!(plugin.has_ended(), "SIGTERM ends it");
}

#[tokio::test]
async fn large_messages_pass() {
    let plugin = Plugin::start();
    let mut provider = plugin.provider().await;
    let text = "x".repeat(32 << 20);
    let config = crate::values::encode(&crate::values::object(&[("cluster", text.into())]));
    let request = terraform_provider_mesh::protocol::wire::validate_resource_config::Request {
        type_name: "mesh_root_ca".into(),
        config: Some(config),
        client_capabilities: None,
    };
    let diagnostics = provider.validate_resource_config(request).await.expect("an answer").into_inner().diagnostics;
    assert_eq!(diagnostics[0].summary, "Invalid cluster");
}
