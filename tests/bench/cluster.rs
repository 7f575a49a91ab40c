//! The lab's cluster, and a namespace of the benchmark's own in it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use k8s_openapi::api::core::v1;
use kube::{
    Api, Client, Config,
    api::{DeleteParams, ObjectMeta, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use mesh_lab::Lab;

/// The kubeconfig of a cluster, if this runs where the cluster can be reached: under `lab run`.
pub(crate) fn kubeconfig() -> Option<PathBuf> {
    let lab = Lab::attach().ok()?;
    let inside = std::env::var_os("KUBECONFIG").is_some_and(|path| lab.layout().kubeconfig() == Path::new(&path));
    inside.then(|| lab.cluster("us").expect("us").kubeconfig_path())
}

/// A client that has no connection yet.
pub(crate) async fn client(kubeconfig: &Path) -> Client {
    let file = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.expect("a kubeconfig");
    Client::try_from(config).expect("a client")
}

/// Makes a namespace that no other run has; its name.
pub(crate) async fn make_namespace(client: &Client) -> String {
    let metadata = ObjectMeta { generate_name: Some("mesh-bench-".to_owned()), ..ObjectMeta::default() };
    let namespace = v1::Namespace { metadata, ..v1::Namespace::default() };
    let made = Api::<v1::Namespace>::all(client.clone()).create(&PostParams::default(), &namespace).await.expect("a namespace");
    made.metadata.name.expect("a name")
}

/// Removes it with all that is in it, and waits.
pub(crate) async fn remove_namespace(client: &Client, name: &str) {
    let namespaces = Api::<v1::Namespace>::all(client.clone());
    namespaces.delete(name, &DeleteParams::default()).await.expect("a deletion");
    while namespaces.get_opt(name).await.expect("an answer").is_some() {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
