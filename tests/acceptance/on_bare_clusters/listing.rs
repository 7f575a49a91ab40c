//! What exists in the clusters is listed, and a configuration for it is generated. Asked over gRPC, as the CLIs here have no `list` blocks yet.

use framework::{
    Provider as _,
    protocol::wire::{
        configure_provider, generate_resource_config, list_resource, provider_client::ProviderClient, validate_resource_config,
    },
};
use mesh_lab::Lab;
use plugin_host::{
    Plugin,
    values::{decode, encode, get, object},
};
use rmpv::Value;
use terraform_provider_mesh::provider::Mesh;
use tonic::transport::Channel;

use crate::{fixture::both, inventory::Instance};

/// Listings find what was made, and nothing else.
pub(super) fn assert_everything_is_listed(lab: &Lab, made: &[Instance]) {
    let (us, eu) = both(lab);
    let access = |path: std::path::PathBuf| object(&[("config_path", path.display().to_string().into())]);
    let clusters = object(&[("us", access(us.kubeconfig_path())), ("eu", access(eu.kubeconfig_path()))]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let plugin = Plugin::start(crate::PROGRAM);
        let mut provider = plugin.provider().await;
        let request = configure_provider::Request { config: Some(encode(&object(&[("clusters", clusters)]))), ..Default::default() };
        let diagnostics = provider.configure_provider(request).await.expect("an answer").into_inner().diagnostics;
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        for type_name in Mesh.resources().iter().map(|resource| resource.name()) {
            let events = list(&mut provider, type_name).await;
            // The clusters are searched at once.
            let mut found: Vec<_> = events.iter().map(|event| event.display_name.as_str()).collect();
            found.sort_unstable();
            let of_type = made.iter().filter(|instance| instance.type_name == type_name);
            let mut wanted: Vec<_> = of_type.map(|instance| instance.import_id.as_str()).collect();
            wanted.sort_unstable();
            assert_eq!(found, wanted, "{type_name}");
            for event in &events {
                assert_can_be_written(&mut provider, type_name, event).await;
            }
        }
    });
}

async fn list(provider: &mut ProviderClient<Channel>, type_name: &str) -> Vec<list_resource::Event> {
    let config = Some(encode(&object(&[("clusters", Value::Nil)])));
    let request = list_resource::Request { type_name: type_name.to_owned(), config, include_resource_object: true, limit: 0 };
    let mut stream = provider.list_resource(request).await.expect("a stream").into_inner();
    let mut events = Vec::new();
    while let Some(event) = stream.message().await.expect("an event") {
        assert!(event.diagnostic.is_empty(), "{type_name}: {:?}", event.diagnostic);
        events.push(event);
    }
    events
}

/// A found object has its identity and its state, and a configuration that is valid.
async fn assert_can_be_written(provider: &mut ProviderClient<Channel>, type_name: &str, event: &list_resource::Event) {
    let identity = decode(event.identity.as_ref().expect("an identity").identity_data.as_ref());
    assert!(event.display_name.starts_with(get(&identity, "cluster").as_str().expect("a cluster")));
    let request = generate_resource_config::Request { type_name: type_name.to_owned(), state: event.resource_object.clone() };
    let config = provider.generate_resource_config(request).await.expect("an answer").into_inner().config;
    let written = decode(config.as_ref());
    if type_name == "mesh_cluster" {
        assert_eq!((get(&written, "mesh_id"), get(&written, "installed_version")), (&"training-mesh".into(), &Value::Nil));
    }
    let request = validate_resource_config::Request { type_name: type_name.to_owned(), config, client_capabilities: None };
    let diagnostics = provider.validate_resource_config(request).await.expect("an answer").into_inner().diagnostics;
    assert!(diagnostics.is_empty(), "{type_name} {}: {diagnostics:?}", event.display_name);
}
