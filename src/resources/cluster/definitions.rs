//! Istio's custom resource definitions, which outlive the release `istio-base`: what a destroy leaves is taken up by the next create, also in
//! another namespace, where Helm would refuse them.

use std::collections::{BTreeMap, HashSet};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::{Value as Json, json};

use super::{Cluster, leftovers::AT_ONCE};
use crate::{
    data::{Deployed, Kind, MANAGER, ObjectRef, RELEASE_NAMESPACE, release_of},
    mesh::{helm::control_plane::BASE_RELEASE, labels},
    ports::Failure,
    world::World,
};
use framework::{Cx, Error};

impl Cluster {
    /// Returns the definitions that Helm's annotations say are of the release `istio-base`.
    pub(super) async fn definitions(&self, cx: &Cx<'_, World>) -> Result<Vec<ObjectRef>, Failure> {
        let live = self.on(cx).list_metadata(Kind::CRD, None, "").await?;
        let is_own = |definition: &&Json| {
            release_of(definition).is_some_and(|(namespace, name)| namespace == self.namespace() && name == BASE_RELEASE)
        };
        Ok(live.iter().filter(is_own).filter_map(|definition| ObjectRef::of(definition, "")).collect())
    }

    /// Removes the custom resource definitions that the release `istio-base` installed. `base` is `None` if the release is gone already, as
    /// after a destroy that was interrupted; Helm's annotations still name it.
    pub(super) async fn remove_crds(&self, base: Option<&Deployed>, cx: &Cx<'_, World>) -> Result<(), Error> {
        let of_manifest = base.map(|base| base.manifest.as_slice()).unwrap_or_default();
        let of_manifest = of_manifest.iter().filter_map(|object| ObjectRef::of(object, "")).filter(|object| object.kind == Kind::CRD);
        let crds: HashSet<_> = self.definitions(cx).await?.into_iter().chain(of_manifest).collect();
        self.delete_each(crds.into_iter(), cx).await.map_err(Error::from)
    }

    /// Notes on the definitions of this release that a destroy leaves them behind.
    pub(super) async fn note_left_definitions(&self, cx: &Cx<'_, World>) -> Result<(), Failure> {
        self.annotate(self.definitions(cx).await?, &json!({labels::LEFT_BY: MANAGER}), cx).await
    }

    /// Makes the definitions that a destroy has left part of this release, which Helm refuses to do by itself. Those of a release that exists, and
    /// those that this provider hasn't left, stay as they are.
    pub(super) async fn take_up_definitions(&self, cx: &Cx<'_, World>) -> Result<(), Failure> {
        let definitions = self.on(cx).list_metadata(Kind::CRD, None, "").await?;
        let mut left = BTreeMap::<String, Vec<ObjectRef>>::new();
        for definition in definitions.iter().filter(|definition| definition["metadata"]["annotations"][labels::LEFT_BY] == MANAGER) {
            if let (Some((namespace, name)), Some(object)) = (release_of(definition), ObjectRef::of(definition, ""))
                && name == BASE_RELEASE
            {
                left.entry(namespace).or_default().push(object);
            }
        }
        for (namespace, definitions) in left {
            if namespace == self.namespace() || self.on(cx).release(&namespace, BASE_RELEASE).await?.is_none() {
                self.annotate(definitions, &json!({RELEASE_NAMESPACE: self.namespace(), labels::LEFT_BY: null}), cx).await?;
            }
        }
        Ok(())
    }

    async fn annotate(&self, definitions: Vec<ObjectRef>, annotations: &Json, cx: &Cx<'_, World>) -> Result<(), Failure> {
        let patch = &json!({"metadata": {"annotations": annotations}});
        let patches: Vec<_> =
            definitions.into_iter().map(|definition| async move { self.on(cx).patch(&definition, patch).await }).collect();
        stream::iter(patches).buffer_unordered(AT_ONCE).try_collect().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::RELEASE_NAME;
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
        let of = |release: &str, namespace: &str| json!({RELEASE_NAME: release, RELEASE_NAMESPACE: namespace});
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
            live["metadata"]["annotations"].clone()
        };
        assert_eq!(found("gateways.networking.istio.io")[labels::LEFT_BY], MANAGER);

        created::<Cluster>(&scene, ClusterModel { namespace: text("mesh-system"), ..cluster() }).await;
        assert_eq!(found("gateways.networking.istio.io"), of("istio-base", "mesh-system"));
        assert_eq!(found("sidecars.networking.istio.io"), of("base", "istio-system"), "of a release that isn't ours");
        assert_eq!(found("telemetries.telemetry.istio.io"), of("istio-base", "other"), "this provider hasn't left it");
        assert!(found("widgets.example.com").is_null());
    }
}
