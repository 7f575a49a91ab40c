//! The CA that istiod has in use: read off istiod itself, and waited for after a change of the Secret `cacerts`.

use std::time::Duration;

use time::format_description::well_known::Rfc3339;

use super::{Cluster, model::CaInUse};
use crate::{
    data::{CertificateFacts, Kind},
    mesh::{signer, trust},
    ports::{Failure, FailureKind, Waiting},
    world::{Signer, World},
};
use framework::{AttributePath, Cx, Error, Value};

/// How often istiod is asked for its CA, and how many times before it is restarted. The kubelet needs up to two minutes to bring a changed Secret
/// to a running pod.
const PAUSE: Duration = Duration::from_secs(3);
const PATIENCE: u32 = 60;
/// How many times in succession it is asked without any pod's answer: a proxy before the API server may pass on no connections to pods. One that
/// has passed on some is in trouble for a time.
const UNANSWERED: u32 = 4;
const NO_LONGER_ANSWERED: u32 = 20;

/// The CA that istiod signs with, and the root that it serves.
#[derive(Clone, Debug, Default)]
pub(super) struct InUse {
    signer: Option<CertificateFacts>,
    root: Option<CertificateFacts>,
    /// Whether istiod's pods could not be asked.
    is_unread: bool,
    /// What pods sign with that isn't the CA in the Secret `cacerts`, as lines of a drift.
    pub(super) lagging: Vec<String>,
}

impl InUse {
    /// Returns the attribute. What was known before stays where istiod could not be asked, as in a plan of an account that may only read.
    pub(super) fn model(&self, before: Value<CaInUse>) -> Value<CaInUse> {
        if self.is_unread && before.is_value() {
            return before;
        }
        let fingerprint = |facts: &Option<CertificateFacts>| facts.as_ref().map(|facts| facts.fingerprint.clone()).into();
        let first = self.signer.iter().chain(&self.root).map(|facts| facts.not_after).min();
        match (&self.signer, &self.root) {
            (None, None) => Value::Null,
            _ => Value::Value(CaInUse {
                fingerprint: fingerprint(&self.signer),
                root_fingerprint: fingerprint(&self.root),
                expires_at: first.and_then(|end| end.format(&Rfc3339).ok()).into(),
            }),
        }
    }
}

impl Cluster {
    /// Reads what istiod has in use. A part that can't be read is left out: it is no reason to fail.
    pub(super) async fn in_use(&self, cx: &Cx<'_, World>) -> InUse {
        if !self.plane.signs() {
            return InUse::default();
        }
        let Ok((signers, roots)) = self.signers(cx).await else { return InUse { is_unread: true, ..InUse::default() } };
        let is_unread = signers.iter().any(|signer| signer.certificate.is_err());
        let lagging = match self.wanted(cx).await {
            Ok(Some(wanted)) if !is_unread => signers.iter().filter_map(|signer| lagging(signer, &wanted)).collect(),
            _ => Vec::new(),
        };
        let certificates = signers.into_iter().filter_map(|signer| signer.certificate.ok().flatten());
        InUse { signer: certificates.min_by_key(|facts| facts.not_after), root: roots.into_iter().next(), is_unread, lagging }
    }

    /// Returns the fingerprint of the CA that istiod is to sign with: that in the Secret `cacerts`. `None` without `ca`, and where the Secret is gone
    /// or damaged: that is refused elsewhere, or somebody is at work on it.
    async fn wanted(&self, cx: &Cx<'_, World>) -> Result<Option<String>, Failure> {
        if self.plane.root.is_none() {
            return Ok(None);
        }
        let secret = self.on(cx).get(&self.cacerts()).await?;
        let Some(Ok(bundle)) = secret.as_ref().map(trust::read_cacerts) else { return Ok(None) };
        Ok(Some(cx.world.authority.inspect(&bundle.certificate)?.fingerprint))
    }

    /// Asks istiod's pods for their CAs. Returns these, and the roots that istiod serves.
    async fn signers(&self, cx: &Cx<'_, World>) -> Result<(Vec<Signer>, Vec<CertificateFacts>), Failure> {
        let (on, served) = (self.on(cx), trust::served_roots(self.namespace()));
        let (pods, served) = tokio::try_join!(on.list(Kind::POD, Some(self.namespace()), signer::ISTIOD_PODS), on.get(&served))?;
        let roots = served.as_ref().and_then(trust::read_served_roots).and_then(|pem| cx.world.authority.inspect_all(pem).ok());
        let roots = roots.unwrap_or_default();
        Ok((on.signers(&pods, &roots).await, roots))
    }

    /// Waits until each pod of istiod signs with the CA in the Secret `cacerts`. A running istiod takes up another one of the same root by itself;
    /// one that doesn't is restarted.
    pub(super) async fn wait_for_signer(&self, cx: &Cx<'_, World>) -> Result<(), Error> {
        let (mut waiting, mut looks, mut unanswered, mut most_unanswered) = (Waiting::until(&cx.deadline), 0, 0, UNANSWERED);
        let mut seen = Vec::new();
        loop {
            let look = async {
                let Some(wanted) = self.wanted(cx).await? else { return Ok(None) };
                Ok(Some((wanted, self.signers(cx).await?.0)))
            };
            match waiting.outlast(look.await)? {
                Some(None) => return Ok(()),
                Some(Some((wanted, signers))) => {
                    let failures: Vec<_> = signers.iter().filter_map(|signer| signer.certificate.as_ref().err()).collect();
                    if failures.len() < signers.len() {
                        (unanswered, most_unanswered) = (0, NO_LONGER_ANSWERED);
                    }
                    let is_over = failures.len() == signers.len() && unanswered >= most_unanswered;
                    if let Some(failure) = failures.iter().find(|failure| is_over || failure.kind == FailureKind::Denied) {
                        cx.warn(unverified(failure));
                        return Ok(());
                    }
                    unanswered += u32::from(failures.len() == signers.len());
                    seen = signers.iter().filter_map(|signer| lagging(signer, &wanted)).collect();
                    if seen.is_empty() {
                        return Ok(());
                    }
                    if looks == PATIENCE {
                        self.restart_istiod(cx).await?;
                    }
                    looks += 1;
                }
                None => {}
            }
            let what = format!("waiting for istiod to sign with the CA in {}", self.cacerts());
            if let Err(failure) = waiting.pause(PAUSE, "istiod signs with another CA", &what).await {
                return Err(self.with_evidence(failure.seen(seen), cx).await);
            }
        }
    }
}

/// Says what a pod signs with if that isn't what it is to sign with.
fn lagging(signer: &Signer, wanted: &str) -> Option<String> {
    let pod = &signer.pod;
    match &signer.certificate {
        Ok(Some(found)) if found.fingerprint == wanted => None,
        Ok(Some(found)) => {
            let (fingerprint, end) = (&found.fingerprint, found.not_after.date());
            Some(format!("istiod: pod {pod} signs with the CA {fingerprint}, valid until {end}, {wanted} wanted"))
        }
        // What it presents doesn't show what it signs with, as where its own certificate comes from elsewhere.
        Ok(None) => None,
        Err(failure) => Some(format!("Pod {pod} can't be asked: {failure}")),
    }
}

fn unverified(failure: &Failure) -> Error {
    let detail = format!(
        "That istiod signs with the CA that `ca` refers to wasn't verified, and `ca_in_use` can't show it: {} {} A running istiod takes up a changed Secret \
         `cacerts` within two minutes.",
        failure.why, failure.advice
    );
    Error::new("istiod's CA was not verified", detail).at(AttributePath::new("ca_in_use"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{
        data::ObjectRef,
        ports::fakes::FakeAuthority,
        resources::{
            ClusterCa, ClusterCaModel, ClusterModel, RootCa,
            cluster::ClusterCaRef,
            testing::{Scene, apply, cluster, cluster_ca, created, injector, model, outage, planned, read, root, scene, text, unreachable},
        },
    };
    use framework::{Deadline, Dynamic, encode, erase};

    fn istiod() -> ObjectRef {
        ObjectRef::namespaced(Kind::POD, "istio-system", "istiod-1")
    }

    /// A scene in which a pod of istiod serves, and the CA.
    async fn with_istiod() -> (Scene, Dynamic, Dynamic) {
        let scene = scene();
        scene.objects.put("eu", injector());
        scene.objects.put(
            "eu",
            json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "istiod-1", "namespace": "istio-system", "labels": {"app": "istiod"}},
                "status": {"conditions": [{"type": "Ready", "status": "True"}]},
            }),
        );
        let root = created::<RootCa>(&scene, root()).await;
        let ca = created::<ClusterCa>(&scene, cluster_ca(&root)).await;
        let served = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio-ca-root-cert", "namespace": "istio-system"},
            "data": {"root-cert.pem": model::<crate::resources::RootCaModel>(&root).certificate.as_ref_option().expect("a certificate")},
        });
        scene.objects.put("eu", served);
        (scene, root, ca)
    }

    fn member(ca: &Dynamic) -> ClusterModel {
        let ca = model::<ClusterCaModel>(ca);
        ClusterModel {
            ca: Value::Value(ClusterCaRef {
                cluster: text("eu"),
                root_fingerprint: ca.root_fingerprint,
                trusted_fingerprints: ca.trusted_fingerprints,
            }),
            ..cluster()
        }
    }

    fn in_use(state: &Dynamic) -> (Value<String>, Value<String>) {
        let in_use = model::<ClusterModel>(state).ca_in_use;
        let in_use = in_use.as_ref_option().expect("the CA in use");
        (in_use.fingerprint.clone(), in_use.root_fingerprint.clone())
    }

    #[tokio::test(start_paused = true)]
    async fn an_apply_waits_until_istiod_signs_with_the_renewed_ca() {
        let (scene, root, first) = with_istiod().await;
        let state = created::<Cluster>(&scene, member(&first)).await;
        let of = |ca: &Dynamic| (model::<ClusterCaModel>(ca).fingerprint, model::<ClusterCaModel>(ca).root_fingerprint);
        assert_eq!(in_use(&state), of(&first));
        assert_eq!(read::<Cluster>(&scene, &state).await.0, state);

        // A renewal is planned, and with it an update of the cluster, although none of its attributes changes.
        let plan = |state: &Dynamic| {
            let config = encode(&Value::Value(member(&first)));
            let planned = erase::<Cluster>().plan(state, &config, state.clone(), Some(&scene.world)).state;
            model::<ClusterModel>(&planned).ca_in_use
        };
        assert!(plan(&state).is_value());
        let renewed = ClusterCaModel { validity_days: Value::Value(100), ..cluster_ca(&root) };
        erase::<ClusterCa>().plan(
            &first,
            &encode(&Value::Value(renewed.clone())),
            planned::<ClusterCa>(renewed.clone()),
            Some(&scene.world),
        );
        assert_eq!(plan(&state), Value::Unknown);

        let before = scene.objects.live("eu", &ObjectRef::namespaced(Kind::SECRET, "istio-system", "cacerts")).expect("a Secret");
        let chain = trust::read_cacerts(&before).expect("a bundle").chain;
        scene.objects.present("eu", &istiod(), Some(FakeAuthority::issued_by(&chain)));
        let (second, diagnostics) = apply::<ClusterCa>(&scene, &first, renewed).await;
        assert!(diagnostics.errors.is_empty() && of(&second) != of(&first), "{:?}", diagnostics.errors);
        // As after an apply that was killed here: the next plan goes on with it.
        let seen = model::<ClusterModel>(&read::<Cluster>(&scene, &state).await.0).drift;
        assert!(format!("{seen:?}").contains("istiod: pod istiod-1 signs with the CA"), "{seen:?}");
        let taken_up = async {
            let deadline = Deadline::after(Duration::from_secs(60), CancellationToken::new());
            let _ = deadline.pause(Duration::from_secs(30)).await;
            scene.objects.present("eu", &istiod(), None);
        };
        let ((state, diagnostics), ()) = tokio::join!(apply::<Cluster>(&scene, &state, member(&second)), taken_up);
        assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
        assert_eq!(in_use(&state), of(&second));
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_does_not_end_the_wait_for_the_renewed_ca() {
        for is_of_pods in [false, true] {
            let (scene, root, first) = with_istiod().await;
            let state = created::<Cluster>(&scene, member(&first)).await;
            let secret = ObjectRef::namespaced(Kind::SECRET, "istio-system", "cacerts");
            let chain = trust::read_cacerts(&scene.objects.live("eu", &secret).expect("a Secret")).expect("a bundle").chain;
            scene.objects.present("eu", &istiod(), Some(FakeAuthority::issued_by(&chain)));
            let renewed = ClusterCaModel { validity_days: Value::Value(100), ..cluster_ca(&root) };
            let (second, _) = apply::<ClusterCa>(&scene, &first, renewed).await;
            let trouble = async {
                if is_of_pods {
                    // Only the connections to pods are refused; they were not before.
                    let deadline = Deadline::after(Duration::from_secs(600), CancellationToken::new());
                    deadline.pause(Duration::from_secs(4)).await.expect("time is left");
                    scene.objects.fail("eu", &istiod(), unreachable());
                    deadline.pause(Duration::from_secs(35)).await.expect("time is left");
                    scene.objects.mend();
                } else {
                    outage(&scene, "eu").await;
                }
                scene.objects.present("eu", &istiod(), None);
            };
            let ((state, diagnostics), ()) = tokio::join!(apply::<Cluster>(&scene, &state, member(&second)), trouble);
            assert!(diagnostics.errors.is_empty() && diagnostics.warnings.is_empty(), "{diagnostics:?}");
            assert_eq!(in_use(&state).0, model::<ClusterCaModel>(&second).fingerprint);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_istiod_that_keeps_its_ca_is_restarted_and_then_an_error() {
        let (scene, root, first) = with_istiod().await;
        let state = created::<Cluster>(&scene, member(&first)).await;
        let secret = ObjectRef::namespaced(Kind::SECRET, "istio-system", "cacerts");
        let chain = trust::read_cacerts(&scene.objects.live("eu", &secret).expect("a Secret")).expect("a bundle").chain;
        let renewed = ClusterCaModel { validity_days: Value::Value(100), ..cluster_ca(&root) };
        let (second, _) = apply::<ClusterCa>(&scene, &first, renewed).await;
        scene.objects.present("eu", &istiod(), Some(FakeAuthority::issued_by(&chain)));
        let (state, diagnostics) = apply::<Cluster>(&scene, &state, member(&second)).await;
        let error = &diagnostics.errors[0];
        assert_eq!(error.summary, "istiod signs with another CA");
        let former = model::<ClusterCaModel>(&first).fingerprint;
        assert!(
            error.detail.contains(&format!("istiod: pod istiod-1 signs with the CA {}", former.as_ref_option().expect("a fingerprint"))),
            "{}",
            error.detail
        );
        let deployment = scene.objects.live("eu", &ObjectRef::namespaced(Kind::DEPLOYMENT, "istio-system", "istiod")).expect("istiod");
        assert!(deployment["spec"]["template"]["metadata"]["annotations"]["mesh.terraform.io/restarted-at"].is_string());
        assert!(!state.is_null());
    }

    #[tokio::test(start_paused = true)]
    async fn where_pods_can_not_be_asked_a_warning_says_so() {
        let (scene, _, ca) = with_istiod().await;
        let denied = Failure::new(FailureKind::Denied, "Can't connect to it", "The credentials don't allow it.");
        scene.objects.fail("eu", &istiod(), denied.clone());
        let (state, diagnostics) = apply::<Cluster>(&scene, &Dynamic::Null, member(&ca)).await;
        assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
        assert_eq!(diagnostics.warnings[0].summary, "istiod's CA was not verified");
        assert_eq!(in_use(&state), (Value::Null, model::<ClusterCaModel>(&ca).root_fingerprint));

        // So it is behind a proxy that passes on no connections to pods.
        let (cut, begin) =
            (Failure::new(FailureKind::Unreachable, "Can't reach it", "The protocol isn't switched."), tokio::time::Instant::now());
        scene.objects.fail("eu", &istiod(), cut);
        let (_, diagnostics) = apply::<Cluster>(&scene, &state, member(&ca)).await;
        assert!(diagnostics.errors.is_empty() && begin.elapsed() < Duration::from_secs(30), "{:?}", diagnostics.errors);
        assert_eq!(diagnostics.warnings[0].summary, "istiod's CA was not verified");

        // A plan of such an account keeps what an apply of another one has seen.
        scene.objects.mend();
        let (seen, _) = read::<Cluster>(&scene, &state).await;
        assert_eq!(in_use(&seen).0, model::<ClusterCaModel>(&ca).fingerprint);
        scene.objects.fail("eu", &istiod(), denied);
        assert_eq!(read::<Cluster>(&scene, &seen).await.0, seen);
    }
}
