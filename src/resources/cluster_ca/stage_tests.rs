//! The stages of a change of roots, with two clusters of fakes.

use std::time::Duration;

use serde_json::{Value as Json, json};
use time::format_description::well_known::Rfc3339;

use super::{ClusterCa, ClusterCaModel};
use crate::{
    ports::Clock as _,
    resources::{
        RootCa, RootCaModel,
        testing::{Scene, apply, cluster_ca, created, drift, import, model, planned, read, root, scene, secret, text, unreachable},
    },
};
use framework::{Diagnostics, Dynamic, Value, encode, erase};

const KEYS: [&str; 2] = ["us", "eu"];
const HOUR: Duration = Duration::from_secs(3600);

/// Two clusters whose CAs have one root, istiods that serve what the Secrets have, and a workload each.
struct Mesh {
    scene: Scene,
    old: Dynamic,
    next: Dynamic,
    states: [Dynamic; 2],
}

impl Mesh {
    async fn new() -> Self {
        let scene = scene();
        let old = created::<RootCa>(&scene, root()).await;
        let next = created::<RootCa>(&scene, RootCaModel { name: text("next"), ..root() }).await;
        let mut states = [Value::Null, Value::Null];
        for (key, state) in KEYS.into_iter().zip(&mut states) {
            *state = created::<ClusterCa>(&scene, ClusterCaModel { cluster: text(key), ..cluster_ca(&old) }).await;
        }
        let mesh = Self { scene, old, next, states };
        mesh.serve();
        mesh.scene.clock.advance(HOUR);
        mesh.restart_workloads();
        mesh
    }

    fn now(&self) -> Json {
        json!(self.scene.clock.now().format(&Rfc3339).unwrap())
    }

    /// Lets istiod of both clusters serve the roots of its Secret.
    fn serve(&self) {
        for key in KEYS {
            let roots = self.scene.objects.live(key, &secret("cacerts")).unwrap()["data"]["root-cert.pem"].clone();
            let roots = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, roots.as_str().unwrap()).unwrap();
            self.scene.objects.put(
                key,
                json!({
                    "apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": "istio-ca-root-cert", "namespace": "istio-system", "managedFields": [{"time": self.now()}]},
                    "data": {"root-cert.pem": String::from_utf8(roots).unwrap()},
                }),
            );
        }
    }

    fn restart_workloads(&self) {
        for key in KEYS {
            self.scene.objects.put(
                key,
                json!({
                    "apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "istio-proxy"}]},
                    "metadata": {
                        "name": "echo", "namespace": "echo", "creationTimestamp": self.now(), "labels": {"service.istio.io/canonical-name": "echo"},
                    },
                }),
            );
        }
    }

    fn ca(key: &str, signer: &Dynamic, trusted: &[&Dynamic]) -> ClusterCaModel {
        let trusted: Vec<_> = trusted.iter().map(|root| model::<RootCaModel>(root).certificate).collect();
        let trusted_roots = if trusted.is_empty() { Value::Null } else { Value::Value(trusted) };
        ClusterCaModel { cluster: text(key), trusted_roots, ..cluster_ca(signer) }
    }

    /// Applies a stage in one cluster; the error's summary and detail, if it is refused.
    async fn apply_to(&mut self, index: usize, signer: &Dynamic, trusted: &[&Dynamic]) -> Result<(), String> {
        let wanted = Self::ca(KEYS[index], signer, trusted);
        let (state, diagnostics) = apply::<ClusterCa>(&self.scene, &self.states[index], wanted).await;
        self.states[index] = state;
        diagnostics.errors.first().map_or(Ok(()), |error| Err(format!("{}: {}", error.summary, error.detail)))
    }

    async fn stage(&mut self, signer: &Dynamic, trusted: &[&Dynamic]) -> Result<(), String> {
        for index in 0..KEYS.len() {
            self.apply_to(index, signer, trusted).await?;
        }
        self.serve();
        Ok(())
    }

    fn plan(&self, wanted: ClusterCaModel) -> (ClusterCaModel, Diagnostics) {
        let config = encode(&Value::Value(wanted.clone()));
        let planned = erase::<ClusterCa>().plan(&self.states[1], &config, planned::<ClusterCa>(wanted), Some(&self.scene.world));
        (model(&planned.state), planned.diagnostics)
    }
}

#[tokio::test]
async fn a_root_is_replaced_in_three_stages() {
    let mut mesh = Mesh::new().await;
    let (old, next) = (mesh.old.clone(), mesh.next.clone());
    let first = model::<ClusterCaModel>(&mesh.states[1]).fingerprint;
    mesh.stage(&old, &[&next]).await.unwrap();
    assert_eq!(model::<ClusterCaModel>(&mesh.states[1]).fingerprint, first, "a further root issues nothing");
    assert_eq!(drift(&read::<ClusterCa>(&mesh.scene, &mesh.states[1]).await.0), [""; 0]);

    let refused = mesh.stage(&next, &[&old]).await.unwrap_err();
    assert!(refused.contains("workloads may not trust the root yet: echo/echo. Restart them, or apply again after"), "{refused}");
    mesh.scene.clock.advance(HOUR * 25);
    mesh.stage(&next, &[&old]).await.unwrap();
    assert_ne!(model::<ClusterCaModel>(&mesh.states[1]).fingerprint, first);

    let refused = mesh.stage(&next, &[]).await.unwrap_err();
    assert!(refused.contains("may still have a certificate of the root"), "{refused}");
    mesh.scene.clock.advance(HOUR);
    mesh.restart_workloads();
    mesh.stage(&next, &[]).await.unwrap();
    let settled: ClusterCaModel = model(&mesh.states[1]);
    assert_eq!((settled.root_fingerprint, settled.trusted_fingerprints), (model::<RootCaModel>(&next).fingerprint, Value::Null));
}

#[tokio::test]
async fn each_stage_can_be_taken_back() {
    let mut mesh = Mesh::new().await;
    let (old, next) = (mesh.old.clone(), mesh.next.clone());
    mesh.stage(&old, &[&next]).await.unwrap();
    mesh.stage(&old, &[]).await.expect("nobody has a certificate of the next root");
    mesh.stage(&old, &[&next]).await.unwrap();
    mesh.scene.clock.advance(HOUR * 25);
    mesh.stage(&next, &[&old]).await.unwrap();
    mesh.stage(&old, &[&next]).await.expect("all trust the old root still");
    assert!(mesh.stage(&old, &[]).await.unwrap_err().contains("may still have a certificate"), "the next root has signed");
    mesh.stage(&next, &[&old]).await.expect("and the next one");
    mesh.scene.clock.advance(HOUR * 25);
    mesh.stage(&next, &[]).await.unwrap();
    mesh.stage(&next, &[&old]).await.expect("more trust does no harm");
}

#[tokio::test]
async fn a_cluster_that_is_behind_or_down_stops_the_others() {
    let mut mesh = Mesh::new().await;
    let (old, next) = (mesh.old.clone(), mesh.next.clone());
    mesh.apply_to(0, &old, &[&next]).await.unwrap();
    mesh.serve();
    mesh.scene.clock.advance(HOUR * 25);
    let before = mesh.scene.objects.live("us", &secret("cacerts")).unwrap();
    let refused = mesh.apply_to(0, &next, &[&old]).await.unwrap_err();
    assert!(refused.contains("cluster \"eu\": its CA (Secret istio-system/cacerts) doesn't have the root"), "{refused}");
    mesh.scene.objects.take_down("eu", unreachable());
    assert!(mesh.apply_to(0, &next, &[&old]).await.unwrap_err().contains("Can't reach cluster \"eu\""));
    assert_eq!(mesh.scene.objects.live("us", &secret("cacerts")).unwrap()["data"], before["data"]);
    mesh.scene.objects.mend();
    mesh.apply_to(1, &old, &[&next]).await.unwrap();
    assert!(mesh.apply_to(0, &next, &[&old]).await.unwrap_err().contains("istiod doesn't serve the root yet"));
    let forced = ClusterCaModel { force_root_change: Value::Value(true), ..Mesh::ca("us", &next, &[&old]) };
    assert!(apply::<ClusterCa>(&mesh.scene, &mesh.states[0], forced).await.1.errors.is_empty());
}

#[tokio::test]
async fn a_jump_is_refused_in_the_plan() {
    let mut mesh = Mesh::new().await;
    let (old, next) = (mesh.old.clone(), mesh.next.clone());
    let summaries = |mesh: &Mesh, wanted| mesh.plan(wanted).1.errors.iter().map(|error| error.summary.to_string()).collect::<Vec<_>>();
    assert_eq!(summaries(&mesh, Mesh::ca("eu", &next, &[])), ["The next root isn't trusted yet"]);
    assert_eq!(summaries(&mesh, Mesh::ca("eu", &next, &[&old])), ["The next root isn't trusted yet"]);
    let (stage, _) = mesh.plan(Mesh::ca("eu", &old, &[&next]));
    assert_eq!(stage.trusted_fingerprints, Value::Value(vec![model::<RootCaModel>(&next).fingerprint]));
    mesh.stage(&old, &[&next]).await.unwrap();
    assert_eq!(summaries(&mesh, Mesh::ca("eu", &next, &[])), ["The old root is still needed"]);
    assert_eq!(summaries(&mesh, Mesh::ca("eu", &next, &[&old])), [""; 0]);
    let forced = ClusterCaModel { force_root_change: Value::Value(true), ..Mesh::ca("eu", &next, &[]) };
    assert_eq!(summaries(&mesh, forced), [""; 0]);
    let not_a_root = ClusterCaModel { trusted_roots: Value::Value(vec![text("no certificate")]), ..Mesh::ca("eu", &old, &[]) };
    assert_eq!(summaries(&mesh, not_a_root)[0], "Invalid trusted_roots");
}

#[tokio::test]
async fn further_roots_are_imported_as_such() {
    let mut mesh = Mesh::new().await;
    let (old, next) = (mesh.old.clone(), mesh.next.clone());
    mesh.stage(&old, &[&next]).await.unwrap();
    let imported: ClusterCaModel = model(&import(erase::<ClusterCa>(), &mesh.scene, "eu/istio-system").await);
    let wanted = Mesh::ca("eu", &old, &[&next]);
    assert_eq!((imported.root_ca, imported.trusted_roots, imported.root_certificate), (wanted.root_ca, wanted.trusted_roots, Value::Null));
}
