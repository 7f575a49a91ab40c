//! Clusters that are gone, or in whose place another one answers: what is neither forgotten nor touched, and what may be forgotten.

use tokio_util::sync::CancellationToken;

use super::{
    Cluster, RootCa, ServiceExport,
    testing::{Scene, cluster, echo, export, injector, planned, root, scene, secret, unreachable},
};
use crate::{
    data::{Kind, ObjectRef},
    world::World,
};
use framework::{Change, Diagnostics, Dynamic, Memory, Resource, Value, encode, erase};

/// An object with what is remembered of it.
struct Object {
    state: Dynamic,
    memory: Memory,
}

impl Object {
    async fn created<R: Resource<World = World>>(scene: &Scene, model: R::Model) -> Self {
        let mut object = Self { state: Value::Null, memory: Memory::new() };
        let diagnostics = object.apply::<R>(scene, model).await;
        assert!(diagnostics.errors.is_empty(), "{diagnostics:?}");
        object
    }

    async fn apply<R: Resource<World = World>>(&mut self, scene: &Scene, model: R::Model) -> Diagnostics {
        let config = encode(&Value::Value(model.clone()));
        self.change::<R>(scene, &config, planned::<R>(model)).await
    }

    async fn destroy<R: Resource<World = World>>(&mut self, scene: &Scene) -> Diagnostics {
        self.change::<R>(scene, &Value::Null, Value::Null).await
    }

    async fn change<R: Resource<World = World>>(&mut self, scene: &Scene, config: &Dynamic, planned: Dynamic) -> Diagnostics {
        let change = Change { prior: &self.state, config, planned, unfinished: None, is_resumed: false };
        let applied = erase::<R>().apply(change, &mut self.memory, &scene.world, CancellationToken::new()).await;
        self.state = applied.state;
        applied.diagnostics
    }

    async fn read<R: Resource<World = World>>(&mut self, scene: &Scene) -> Diagnostics {
        let read = erase::<R>().read(self.state.clone(), &mut self.memory, &scene.world, CancellationToken::new()).await;
        self.state = read.found;
        read.diagnostics
    }
}

#[tokio::test]
async fn nothing_is_forgotten_or_touched_in_another_cluster_of_the_same_key() {
    let scene = scene();
    let mut object = Object::created::<RootCa>(&scene, root()).await;
    let known = object.state.clone();
    scene.objects.set_uid("us", Some("another"));
    let live = scene.objects.live("us", &secret("mesh-root-ca")).expect("the root");
    scene.objects.remove("us", &secret("mesh-root-ca"));
    let refused =
        [object.read::<RootCa>(&scene).await, object.apply::<RootCa>(&scene, root()).await, object.destroy::<RootCa>(&scene).await];
    for diagnostics in refused {
        let detail = &diagnostics.errors[0].detail;
        assert!(detail.contains("the cluster with the UID another answers") && detail.contains("UID the UID of us"), "{detail}");
        assert!(detail.contains("`clusters.us`"), "{detail}");
    }
    assert!(object.state.is_value() && scene.objects.live("us", &secret("mesh-root-ca")).is_none());
    scene.objects.set_uid("us", Some("the UID of us"));
    scene.objects.put("us", live);
    assert!(object.read::<RootCa>(&scene).await.errors.is_empty());
    assert_eq!(object.state, known);
    scene.objects.remove("us", &secret("mesh-root-ca"));
    scene.objects.remove("us", &ObjectRef::cluster_wide(Kind::NAMESPACE, "istio-system"));
    object.read::<RootCa>(&scene).await;
    assert!(object.state.is_null(), "in the same cluster it is certainly gone");
}

#[tokio::test]
async fn a_cluster_is_learned_by_a_read_and_need_not_be_readable() {
    let scene = scene();
    scene.objects.set_uid("us", None);
    let mut object = Object::created::<RootCa>(&scene, root()).await;
    assert!(object.memory.is_empty(), "the credentials don't allow to read the UID");
    scene.objects.set_uid("us", Some("the cluster"));
    object.read::<RootCa>(&scene).await;
    assert_eq!(object.memory, Memory::from([("us".to_owned(), "the cluster".to_owned())]));
    scene.objects.set_uid("us", None);
    assert!(object.destroy::<RootCa>(&scene).await.errors.is_empty());
}

#[tokio::test]
async fn what_is_in_a_lost_cluster_is_forgotten_only_where_the_configuration_says_so() {
    let mut scene = scene();
    scene.objects.put("eu", injector());
    let mut object = Object::created::<Cluster>(&scene, cluster()).await;
    scene.objects.take_down("eu", unreachable());
    assert_eq!(object.read::<Cluster>(&scene).await.errors.len(), 1);
    assert_eq!(object.destroy::<Cluster>(&scene).await.errors.len(), 1);
    assert!(object.state.is_value());
    scene.world.forgettable.insert("eu".to_owned());
    let known = object.state.clone();
    let read = object.read::<Cluster>(&scene).await;
    assert_eq!((read.errors.len(), read.warnings.len()), (0, 1), "{read:?}");
    assert_eq!(object.state, known, "a read forgets nothing");
    assert_eq!(object.apply::<Cluster>(&scene, cluster()).await.errors.len(), 1, "an update needs the cluster");
    let destroyed = object.destroy::<Cluster>(&scene).await;
    assert!(destroyed.errors.is_empty() && object.state.is_null());
    assert!(destroyed.warnings[0].detail.contains("Helm releases istiod and istio-base in namespace istio-system"), "{destroyed:?}");
    assert_eq!(scene.releases.names("eu"), ["istio-system/istio-base", "istio-system/istiod"]);
}

#[tokio::test]
async fn a_cluster_with_that_setting_that_answers_is_treated_like_any_other() {
    let mut scene = scene();
    scene.world.forgettable.insert("us".to_owned());
    let mut object = Object::created::<RootCa>(&scene, root()).await;
    assert!(object.destroy::<RootCa>(&scene).await.warnings.is_empty());
    assert_eq!(scene.objects.names("us"), [""; 0]);
}

#[tokio::test]
async fn a_root_in_another_cluster_can_be_replaced_where_the_former_may_be_forgotten() {
    let mut scene = scene();
    let mut object = Object::created::<RootCa>(&scene, root()).await;
    scene.objects.set_uid("us", Some("another"));
    scene.world.forgettable.insert("us".to_owned());
    assert!(object.read::<RootCa>(&scene).await.errors.is_empty());
    assert_eq!(object.apply::<RootCa>(&scene, root()).await.errors.len(), 1, "an update would write to another cluster");
    let destroyed = object.destroy::<RootCa>(&scene).await;
    assert!(destroyed.warnings[0].detail.contains("Secret istio-system/mesh-root-ca"), "{destroyed:?}");
    assert!(object.state.is_null() && scene.objects.live("us", &secret("mesh-root-ca")).is_some(), "nothing of another cluster is deleted");
}

#[tokio::test]
async fn an_export_is_removed_from_the_clusters_that_are_left() {
    for (lost, left) in [("us", "eu"), ("eu", "us")] {
        let mut scene = scene();
        scene.objects.put("eu", echo());
        let mut object = Object::created::<ServiceExport>(&scene, export("198.51.100.9")).await;
        let before = scene.objects.names(lost);
        scene.objects.take_down(lost, unreachable());
        assert_eq!(object.destroy::<ServiceExport>(&scene).await.errors.len(), 1, "{lost}");
        scene.world.forgettable.insert(lost.to_owned());
        assert!(object.read::<ServiceExport>(&scene).await.errors.is_empty(), "{lost}");
        let destroyed = object.destroy::<ServiceExport>(&scene).await;
        assert!(destroyed.errors.is_empty() && object.state.is_null(), "{lost}: {destroyed:?}");
        assert!(destroyed.warnings[0].detail.contains("mesh.terraform.io/export=echo-eu-mesh-local"), "{destroyed:?}");
        assert_eq!(scene.objects.names(lost), before);
        let mesh = scene.objects.names(left).into_iter().filter(|name| name.contains("mesh-export"));
        assert_eq!(mesh.count(), 0, "{left}");
    }
}
