use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::*;
use crate::ports::fakes::{FakeClock, FakeObjects, FakeReleases};

#[tokio::test]
async fn an_object_that_changed_since_the_look_is_deleted_only_if_it_is_still_meant() {
    let objects = Arc::new(FakeObjects::default());
    let world = World::fake(&objects, &Arc::new(FakeReleases::default()), &FakeClock::default());
    let cx = Cx::new(&world, Deadline::after(Duration::from_secs(60), CancellationToken::new()));
    let key = ClusterKey::parse("eu").unwrap();
    let gateway = |labels: Json, hosts: &str| {
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "Gateway",
            "metadata": {"name": "echo", "namespace": "istio-system", "labels": labels}, "spec": {"hosts": hosts},
        })
    };
    let found = gateway(json!({"export": "echo"}), "a");
    let object = ObjectRef::of(&found, "").unwrap();
    for (now, stays) in
        [(found.clone(), false), (gateway(json!({"export": "echo"}), "b"), false), (gateway(json!({"team": "other"}), "b"), true)]
    {
        objects.put("eu", now);
        cx.cluster(&key).delete_found(&found, |live| selects("export=echo", live)).await.unwrap();
        assert_eq!(objects.live("eu", &object).is_some(), stays);
    }
    objects.remove("eu", &object);
    cx.cluster(&key).delete_found(&found, |_| true).await.unwrap();
}
