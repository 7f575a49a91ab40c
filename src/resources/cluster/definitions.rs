//! Istio's custom resource definitions, which outlive the release `istio-base`: what a destroy leaves is taken up by the next create, also in
//! another namespace, where Helm would refuse them.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::{Value as Json, json};

use super::Cluster;
use crate::{
    data::{Kind, MANAGER, ObjectRef},
    mesh::{helm::control_plane::BASE_RELEASE, labels},
    ports::Failure,
    world::{ClusterAccess as _, World},
};
use framework::Cx;

/// How many definitions are changed at once.
const AT_ONCE: usize = 16;

const RELEASE: &str = "meta.helm.sh/release-name";
const RELEASE_NAMESPACE: &str = "meta.helm.sh/release-namespace";

impl Cluster {
    /// Notes on the definitions of this release that a destroy leaves them behind.
    pub(super) async fn note_left_definitions(&self, cx: &Cx<'_, World>) -> Result<(), Failure> {
        let definitions = self.on(cx).list_metadata(Kind::CRD, None, "").await?;
        let is_own = |annotations: &Json| annotations[RELEASE] == BASE_RELEASE && annotations[RELEASE_NAMESPACE] == self.namespace();
        self.annotate(definitions.iter().filter(|definition| is_own(annotations(definition))), &json!({labels::LEFT_BY: MANAGER}), cx).await
    }

    /// Makes the definitions that a destroy has left part of this release, which Helm refuses to do by itself. Those of a release that exists, and
    /// those that this provider hasn't left, stay as they are.
    pub(super) async fn take_up_definitions(&self, cx: &Cx<'_, World>) -> Result<(), Failure> {
        let definitions = self.on(cx).list_metadata(Kind::CRD, None, "").await?;
        let mut left = BTreeMap::<&str, Vec<&Json>>::new();
        for definition in &definitions {
            let annotations = annotations(definition);
            if let Some(namespace) = annotations[RELEASE_NAMESPACE].as_str()
                && annotations[RELEASE] == BASE_RELEASE
                && annotations[labels::LEFT_BY] == MANAGER
            {
                left.entry(namespace).or_default().push(definition);
            }
        }
        for (namespace, definitions) in left {
            if namespace == self.namespace() || self.on(cx).release(namespace, BASE_RELEASE).await?.is_none() {
                let own = json!({RELEASE_NAMESPACE: self.namespace(), labels::LEFT_BY: null});
                self.annotate(definitions.into_iter(), &own, cx).await?;
            }
        }
        Ok(())
    }

    async fn annotate<'a>(
        &self,
        definitions: impl Iterator<Item = &'a Json>,
        annotations: &Json,
        cx: &Cx<'_, World>,
    ) -> Result<(), Failure> {
        let patch = &json!({"metadata": {"annotations": annotations}});
        let names: Vec<_> = definitions.filter_map(|definition| definition["metadata"]["name"].as_str().map(str::to_owned)).collect();
        let patches: Vec<_> = names
            .into_iter()
            .map(|name| async move { cx.cluster(&self.cluster).patch(&ObjectRef::cluster_wide(Kind::CRD, name), patch).await })
            .collect();
        stream::iter(patches).buffer_unordered(AT_ONCE).try_collect().await
    }
}

fn annotations(object: &Json) -> &Json {
    &object["metadata"]["annotations"]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{
        ClusterModel,
        testing::{cluster, created, destroy, injector, scene, text},
    };

    fn definition(name: &str, annotations: Json) -> Json {
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name, "annotations": annotations}})
    }

    #[tokio::test]
    async fn definitions_that_a_destroy_has_left_become_those_of_another_namespace() {
        let scene = scene();
        scene.objects.put("eu", injector());
        let mut injector = injector();
        injector["metadata"]["name"] = json!("istio-sidecar-injector-mesh-system");
        scene.objects.put("eu", injector);
        let state = created::<Cluster>(&scene, cluster()).await;
        let of = |release: &str, namespace: &str| json!({RELEASE: release, RELEASE_NAMESPACE: namespace});
        for (name, annotations) in [
            ("gateways.networking.istio.io", of("istio-base", "istio-system")),
            ("sidecars.networking.istio.io", of("base", "istio-system")),
            ("telemetries.telemetry.istio.io", of("istio-base", "other")),
            ("widgets.example.com", Json::Null),
        ] {
            scene.objects.put("eu", definition(name, annotations));
        }
        destroy::<Cluster>(&scene, &state).await;
        let found = |name: &str| {
            let live = scene.objects.live("eu", &ObjectRef::cluster_wide(Kind::CRD, name)).expect("it stays");
            annotations(&live).clone()
        };
        assert_eq!(found("gateways.networking.istio.io")[labels::LEFT_BY], MANAGER);

        created::<Cluster>(&scene, ClusterModel { namespace: text("mesh-system"), ..cluster() }).await;
        assert_eq!(found("gateways.networking.istio.io"), of("istio-base", "mesh-system"));
        assert_eq!(found("sidecars.networking.istio.io"), of("base", "istio-system"), "of a release that isn't ours");
        assert_eq!(found("telemetries.telemetry.istio.io"), of("istio-base", "other"), "this provider hasn't left it");
        assert!(found("widgets.example.com").is_null());
    }
}
