//! The root of trust that istiod uses: what the Secret `cacerts` promises, what istiod serves, and a restart where the two differ.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::Cluster;
use crate::{
    data::{CaUse, Kind, ObjectRef},
    mesh::{Canary, helm::control_plane::ISTIOD_RELEASE, labels, trust},
    ports::{Failure, Waiting},
    world::World,
};
use framework::{AttributePath, Cx, Error};

/// How often istiod is asked for its root, and how many times before it is restarted. A new pod serves its root within seconds.
const PAUSE: Duration = Duration::from_millis(500);
const PATIENCE: u32 = 40;

impl Cluster {
    /// Verifies that the Secret that istiod will sign with holds the root of `ca`, and that istiod can use it.
    pub(super) async fn check_ca(&self, cx: &Cx<'_, World>) -> Result<(), Error> {
        let Some(wanted) = &self.plane.root else { return Ok(()) };
        let Some(live) = self.on(cx).get(&self.cacerts()).await? else { return Err(self.wrong_ca("it doesn't exist.")) };
        let bundle = trust::read_cacerts(&live).map_err(|problem| self.wrong_ca(&problem))?;
        let found = cx.world.authority.inspect(&bundle.roots).map_err(|failure| self.wrong_ca(&failure.why))?.fingerprint;
        if found != *wanted {
            return Err(self.wrong_ca(&format!("its root has the fingerprint {found}, not {wanted}.")));
        }
        let roots = cx.world.authority.inspect_all(&bundle.roots).map_err(|failure| self.wrong_ca(&failure.why))?;
        if let Some(missing) = self.plane.further_roots.iter().find(|wanted| roots.iter().all(|root| root.fingerprint != **wanted)) {
            return Err(self.wrong_ca(&format!("it lacks the further root with the fingerprint {missing}.")));
        }
        let purpose = CaUse {
            at: cx.world.clock.now(),
            namespace: Some(self.namespace().to_owned()),
            trust_domain: Some(self.plane.trust_domain.to_string()),
        };
        match cx.world.authority.verify(&bundle, &purpose) {
            Ok(_) => Ok(()),
            Err(flaw) => Err(self.wrong_ca(&format!("{}: {flaw}", trust::key_of(&live, flaw.part)))),
        }
    }

    pub(super) fn cacerts(&self) -> ObjectRef {
        ObjectRef::namespaced(Kind::SECRET, self.namespace(), trust::CACERTS)
    }

    fn wrong_ca(&self, problem: &str) -> Error {
        Error::new(
            "Wrong cluster CA",
            format!(
                "istiod of cluster \"{}\" can't use the CA that `ca` refers to. Secret {}/{}: {problem} Check that `ca` is the mesh_cluster_ca of \
                 this cluster and namespace.",
                self.cluster,
                self.namespace(),
                trust::CACERTS
            ),
        )
        .at(AttributePath::new("ca"))
    }

    /// Reports the root that istiod serves if it is another than that of `ca`; `None` also if istiod serves none where it usually does.
    pub(super) async fn other_root(&self, cx: &Cx<'_, World>) -> Result<Option<String>, Failure> {
        let Some(wanted) = &self.plane.root else { return Ok(None) };
        let served = self.on(cx).get(&self.served_root()).await?;
        Ok(served.and_then(|served| found_instead(&served, wanted, &self.plane.further_roots, cx.world)))
    }

    /// Whether istiod certainly serves the root of `ca`.
    pub(super) async fn serves_the_root(&self, cx: &Cx<'_, World>) -> Result<bool, Failure> {
        let Some(wanted) = &self.plane.root else { return Ok(false) };
        let served = self.on(cx).get(&self.served_root()).await?.filter(|served| trust::read_served_roots(served).is_some());
        Ok(served.is_some_and(|served| found_instead(&served, wanted, &self.plane.further_roots, cx.world).is_none()))
    }

    fn served_root(&self) -> ObjectRef {
        trust::served_roots(self.namespace())
    }

    /// Waits until istiod serves the root of `ca`. A running istiod ignores a new root in its Secret, so it is restarted if need be.
    pub(super) async fn wait_for_root(&self, cx: &Cx<'_, World>) -> Result<(), Error> {
        let Some(wanted) = &self.plane.root else { return Ok(()) };
        let (mut waiting, mut looks, mut served) = (Waiting::until(&cx.deadline), 0, String::new());
        loop {
            match waiting.outlast(self.other_root(cx).await)? {
                Some(None) => return Ok(()),
                Some(Some(found)) => {
                    if looks == PATIENCE {
                        self.restart_istiod(cx).await?;
                    }
                    looks += 1;
                    served = format!("; it serves {found}");
                }
                None => {}
            }
            let what = format!("waiting for istiod to serve the root with the fingerprint {wanted}{served}");
            if let Err(failure) = waiting.pause(PAUSE, "istiod signs with another root", &what).await {
                return Err(self.with_evidence(failure, cx).await);
            }
        }
    }

    /// Restarts istiod's pods one after the other, as `kubectl rollout restart` does.
    pub(super) async fn restart_istiod(&self, cx: &Cx<'_, World>) -> Result<(), Failure> {
        let at = cx.world.clock.now().unix_timestamp().to_string();
        let canary = self.canary.as_ref().map(Canary::release_name);
        for name in [ISTIOD_RELEASE].into_iter().chain(canary.as_deref()) {
            let manifest = json!({
                "apiVersion": Kind::DEPLOYMENT.api_version(), "kind": Kind::DEPLOYMENT.kind,
                "metadata": {"name": name, "namespace": self.namespace()},
                "spec": {"template": {"metadata": {"annotations": {labels::RESTARTED_AT: at}}}},
            });
            self.on(cx).apply(&manifest).await?;
        }
        Ok(())
    }
}

/// Reports the roots in istiod's ConfigMap unless the wanted ones are among them. Where there are several, the one that signs comes first.
fn found_instead(served: &Json, wanted: &str, further: &[String], world: &World) -> Option<String> {
    let roots = trust::read_served_roots(served)?;
    let found: Vec<_> = world.authority.inspect_all(roots).unwrap_or_default().into_iter().map(|facts| facts.fingerprint).collect();
    let signs = if further.is_empty() { found.iter().any(|root| root == wanted) } else { found.first().is_some_and(|root| root == wanted) };
    if signs && further.iter().all(|root| found.contains(root)) {
        return None;
    }
    Some(if found.is_empty() { "nothing that can be read".to_owned() } else { found.join(", ") })
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::resources::{
        ClusterCa, ClusterCaModel, ClusterModel, RootCa, RootCaModel,
        cluster::ClusterCaRef,
        testing::{Scene, apply, cluster, cluster_ca, created, drift, injector, model, outage, planned, read, root, scene, text},
    };
    use framework::{Deadline, Dynamic, Value, encode, erase};

    /// istiod's ConfigMap with the root that it serves.
    fn served(certificate: &str) -> Json {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio-ca-root-cert", "namespace": "istio-system"},
            "data": {"root-cert.pem": certificate},
        })
    }

    fn with_ca(ca: &Dynamic) -> ClusterModel {
        let root_fingerprint = model::<ClusterCaModel>(ca).root_fingerprint;
        ClusterModel {
            ca: Value::Value(ClusterCaRef {
                cluster: text("eu"),
                root_fingerprint,
                trusted_fingerprints: model::<ClusterCaModel>(ca).trusted_fingerprints,
            }),
            ..cluster()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_istiod_that_keeps_another_root_is_drift_and_is_restarted() {
        let scene = scene();
        scene.objects.put("eu", injector());
        let root = created::<RootCa>(&scene, root()).await;
        let ca = created::<ClusterCa>(&scene, cluster_ca(&root)).await;
        let (wanted, other) = (
            model::<RootCaModel>(&root),
            created::<RootCa>(&scene, RootCaModel { name: text("other"), ..crate::resources::testing::root() }).await,
        );
        let certificate = |root: &RootCaModel| root.certificate.as_ref_option().expect("a certificate").clone();
        let state = created::<Cluster>(&scene, with_ca(&ca)).await;
        scene.objects.put("eu", served(&certificate(&wanted)));
        let state = read::<Cluster>(&scene, &state).await.0;
        assert_eq!(drift(&state), [""; 0]);

        scene.objects.put("eu", served(&certificate(&model(&other))));
        let (found, _) = read::<Cluster>(&scene, &state).await;
        assert!(drift(&found)[0].starts_with("istiod: it signs with the root fingerprint-"), "{:?}", drift(&found));
        let istiod = ObjectRef::namespaced(Kind::DEPLOYMENT, "istio-system", "istiod");
        let restart = async {
            let deadline = Deadline::after(Duration::from_secs(600), CancellationToken::new());
            scene.world.objects.wait("eu", &istiod, "a restart", &|found| found.is_some(), &deadline).await.expect("a restart");
            scene.objects.put("eu", served(&certificate(&wanted)));
        };
        let ((mended, diagnostics), ()) = tokio::join!(apply::<Cluster>(&scene, &found, with_ca(&ca)), restart);
        assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
        let annotations = &scene.objects.live("eu", &istiod).expect("istiod")["spec"]["template"]["metadata"]["annotations"];
        assert!(annotations["mesh.terraform.io/restarted-at"].is_string());
        assert_eq!(read::<Cluster>(&scene, &mended).await.0, mended);
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_neither_ends_the_wait_for_the_root_nor_restarts_istiod() {
        let scene = scene();
        scene.objects.put("eu", injector());
        let root = created::<RootCa>(&scene, root()).await;
        let ca = created::<ClusterCa>(&scene, cluster_ca(&root)).await;
        let other = created::<RootCa>(&scene, RootCaModel { name: text("other"), ..crate::resources::testing::root() }).await;
        let certificate = |root: &Dynamic| model::<RootCaModel>(root).certificate.as_ref_option().expect("a certificate").clone();
        scene.objects.put("eu", served(&certificate(&other)));
        let trouble = async {
            outage(&scene, "eu").await;
            scene.objects.put("eu", served(&certificate(&root)));
        };
        let ((_, diagnostics), ()) = tokio::join!(apply::<Cluster>(&scene, &Value::Null, with_ca(&ca)), trouble);
        assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
        assert_eq!(scene.objects.live("eu", &ObjectRef::namespaced(Kind::DEPLOYMENT, "istio-system", "istiod")), None);
    }

    #[tokio::test]
    async fn a_new_root_restarts_istiod_by_its_pods_annotation_and_the_plan_says_so() {
        let scene = scene();
        scene.objects.put("eu", injector());
        let first = created::<RootCa>(&scene, root()).await;
        let ca = created::<ClusterCa>(&scene, cluster_ca(&first)).await;
        // Without a CA first, as when one is added later.
        let state = created::<Cluster>(&scene, cluster()).await;
        let config = encode(&Value::Value(with_ca(&ca)));
        let warnings = erase::<Cluster>().plan(&state, &config, planned::<Cluster>(with_ca(&ca)), Some(&scene.world)).diagnostics.warnings;
        assert!(warnings.iter().any(|warning| warning.summary == "istiod gets another root of trust"), "{warnings:?}");
        let annotation = async |scene: &Scene| {
            let deadline = Deadline::after(Duration::from_secs(1), CancellationToken::new());
            let istiod = scene.world.releases.get("eu", "istio-system", "istiod", &deadline).await.expect("an answer").expect("istiod");
            istiod.values["podAnnotations"]["mesh.terraform.io/root"].clone()
        };
        assert!(annotation(&scene).await.is_null());
        let (state, diagnostics) = apply::<Cluster>(&scene, &state, with_ca(&ca)).await;
        assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
        assert_eq!(
            Value::Value(annotation(&scene).await.as_str().expect("a fingerprint").to_owned()),
            model::<RootCaModel>(&first).fingerprint
        );

        // A control plane of an older release has no annotation, and needs none while it serves the right root.
        created::<RootCa>(&scene, RootCaModel { name: text("other"), ..root() }).await;
        scene
            .releases
            .apply_values("eu", "istio-system/istiod", |values| _ = values.as_object_mut().expect("a map").remove("podAnnotations"));
        assert_eq!(drift(&read::<Cluster>(&scene, &state).await.0), [""; 0]);
    }

    #[test]
    fn where_something_else_signs_no_ca_is_missing_and_none_is_taken() {
        let scene = scene();
        let plan = |model: ClusterModel| {
            let config = encode(&Value::Value(model.clone()));
            erase::<Cluster>().plan(&Dynamic::Null, &config, planned::<Cluster>(model), Some(&scene.world)).diagnostics
        };
        let member = |key: &str, values: Option<&str>| ClusterModel {
            cluster: text(key),
            network: text(&format!("{key}-net")),
            values: values.map(|values| vec![text(values)]).into(),
            ..cluster()
        };
        let elsewhere = Some("pilot: {env: {ENABLE_CA_SERVER: 'false'}}");
        for key in ["us", "eu"] {
            assert_eq!(plan(member(key, elsewhere)).warnings, [], "{key}");
        }
        let warnings = plan(member("eu", None)).warnings;
        assert_eq!(warnings[0].summary, "Cluster without a common root of trust");
        let reference = ClusterCaRef { cluster: text("eu"), root_fingerprint: text("abc"), trusted_fingerprints: Value::Null };
        let errors = plan(ClusterModel { ca: Value::Value(reference), ..member("eu", elsewhere) }).errors;
        assert_eq!(errors[0].summary, "Helm value pilot.env.ENABLE_CA_SERVER is not supported");
    }
}
