//! The life cycle of a signing request and of the CA that it becomes, with the fakes.

use std::time::Duration;

use serde_json::json;

use super::{CaRequest, CaRequestModel};
use crate::{
    data::{CaSubject, Certificate, KeyAlgorithm},
    ports::{Authority as _, fakes::FakeAuthority},
    resources::{
        ClusterCa, ClusterCaModel,
        cluster_ca::model::CaRequestRef,
        testing::{Scene, apply, created, destroy, drift, import, list, model, planned, read, scene, secret, text},
    },
};
use framework::{Dynamic, Value, encode, erase};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn request() -> CaRequestModel {
    CaRequestModel { cluster: text("eu"), ..CaRequestModel::default() }
}

/// A company's root, and how it signs what it is asked for.
struct Company {
    authority: FakeAuthority,
    root: Certificate,
}

impl Company {
    fn new(scene: &Scene) -> Self {
        let authority = FakeAuthority::at(scene.clock.clone());
        let subject = CaSubject { common_name: "Corp".to_owned(), organization: "Corp".to_owned(), algorithm: KeyAlgorithm::default() };
        // Past the numbers of what the scene itself makes.
        (0..100).for_each(|_| drop(authority.create_root(&subject, DAY).unwrap()));
        Self { root: authority.create_root(&subject, DAY * 3650).unwrap(), authority }
    }

    fn signed(&self, state: &Dynamic) -> ClusterCaModel {
        let request: CaRequestModel = model(state);
        let signed = self.authority.sign_request(&self.root, request.certificate_request.as_ref_option().unwrap(), DAY * 300);
        ClusterCaModel {
            cluster: text("eu"),
            root_certificate: text(&self.root.certificate),
            intermediate_certificate: text(&signed),
            request: reference(state),
            ..ClusterCaModel::default()
        }
    }
}

fn reference(state: &Dynamic) -> Value<CaRequestRef> {
    let CaRequestModel { cluster, namespace, name, certificate_request, .. } = model(state);
    Value::Value(CaRequestRef { cluster, namespace, name, certificate_request })
}

#[tokio::test]
async fn a_certificate_signed_elsewhere_gets_the_key_that_never_left_the_cluster() {
    let scene = scene();
    let state = created::<CaRequest>(&scene, request()).await;
    assert_eq!(read::<CaRequest>(&scene, &state).await.0, state);
    let company = Company::new(&scene);
    let ca = created::<ClusterCa>(&scene, company.signed(&state)).await;
    assert!(!format!("{state:?}{ca:?}").contains("key of"));
    assert_eq!(read::<ClusterCa>(&scene, &ca).await.0, ca);
    let (key, cacerts) =
        (scene.objects.live("eu", &secret("cacerts-request")).unwrap(), scene.objects.live("eu", &secret("cacerts")).unwrap());
    assert_eq!(key["data"]["tls.key"], cacerts["data"]["ca-key.pem"]);
    let imported: ClusterCaModel = model(&import(erase::<ClusterCa>(), &scene, "eu/istio-system").await);
    assert_eq!(imported.request, reference(&state));
    assert!(destroy::<CaRequest>(&scene, &state).await.0.is_null());
    assert_eq!(read::<ClusterCa>(&scene, &ca).await.0, ca, "the CA has a copy of the key");
}

#[tokio::test]
async fn a_new_request_leaves_the_ca_alone_until_it_is_signed() {
    let scene = scene();
    let company = Company::new(&scene);
    let first = created::<CaRequest>(&scene, request()).await;
    let ca = created::<ClusterCa>(&scene, company.signed(&first)).await;
    let before = scene.objects.live("eu", &secret("cacerts")).unwrap();

    let (second, diagnostics) = apply::<CaRequest>(&scene, &first, CaRequestModel { rotation: Value::Value(1), ..request() }).await;
    assert!(diagnostics.errors.is_empty() && second != first);
    let waiting = ClusterCaModel { request: reference(&second), ..company.signed(&first) };
    let mut waiting = waiting;
    waiting.intermediate_certificate = model::<ClusterCaModel>(&ca).intermediate_certificate;
    let plan = |model: ClusterCaModel, prior: &Dynamic| {
        let config = encode(&Value::Value(model.clone()));
        erase::<ClusterCa>().plan(prior, &config, planned::<ClusterCa>(model), Some(&scene.world)).diagnostics
    };
    assert_eq!(plan(waiting.clone(), &ca).warnings[0].summary, "The certificate is not for the request");
    let (kept, diagnostics) = apply::<ClusterCa>(&scene, &ca, waiting.clone()).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!(scene.objects.live("eu", &secret("cacerts")).unwrap()["data"], before["data"]);

    let other = company.authority.sign(&company.root, "Other", Some(0), DAY * 300);
    let wrong = ClusterCaModel { intermediate_certificate: text(&other.certificate), ..waiting };
    let refused = plan(wrong.clone(), &kept).errors.remove(0);
    assert_eq!(refused.summary, "The certificate is not for the request");
    assert!(refused.detail.contains("of the mesh_cluster_ca_request signed, and"), "{}", refused.detail);
    assert_eq!(apply::<ClusterCa>(&scene, &kept, wrong).await.1.errors[0].summary, "The certificate is not for the request");

    let renewed = company.signed(&second);
    assert!(plan(renewed.clone(), &kept).errors.is_empty());
    let (renewed, diagnostics) = apply::<ClusterCa>(&scene, &kept, renewed).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!(drift(&read::<ClusterCa>(&scene, &renewed).await.0), [""; 0]);
    assert_ne!(scene.objects.live("eu", &secret("cacerts")).unwrap()["data"], before["data"]);
}

#[tokio::test]
async fn a_request_that_was_tampered_with_is_drift_and_is_made_again() {
    let scene = scene();
    let state = created::<CaRequest>(&scene, request()).await;
    let good = scene.objects.live("eu", &secret("cacerts-request")).unwrap();
    let other = created::<CaRequest>(&scene, CaRequestModel { name: text("other"), ..request() }).await;
    assert_ne!(other, state);
    let swapped = scene.objects.live("eu", &secret("other")).unwrap()["data"].clone();
    for (what, data) in [("another request", swapped), ("tls.csr", json!({"tls.key": good["data"]["tls.key"]}))] {
        let mut damaged = good.clone();
        damaged["data"] = data;
        scene.objects.put("eu", damaged);
        let (found, diagnostics) = read::<CaRequest>(&scene, &state).await;
        assert!(diagnostics.errors.is_empty() && drift(&found)[0].contains(what), "{found:?}");
        let (mended, diagnostics) = apply::<CaRequest>(&scene, &found, request()).await;
        assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
        assert_ne!(model::<CaRequestModel>(&mended).certificate_request, model::<CaRequestModel>(&state).certificate_request);
        assert_eq!(read::<CaRequest>(&scene, &mended).await.0, mended);
    }
}

#[tokio::test]
async fn requests_are_found_and_one_of_another_state_is_refused() {
    let scene = scene();
    let state = created::<CaRequest>(&scene, request()).await;
    assert_eq!(list::<CaRequest>(&scene, Some(&["eu"])).await, (vec!["eu/istio-system/cacerts-request".to_owned()], Vec::new()));
    let (again, diagnostics) = apply::<CaRequest>(&scene, &Value::Null, request()).await;
    assert!(again.is_null() && diagnostics.errors[0].summary == "Already exists");
    assert_eq!(import(erase::<CaRequest>(), &scene, "eu/istio-system/cacerts-request").await, state);
    assert!(destroy::<CaRequest>(&scene, &state).await.0.is_null());
    assert_eq!(scene.objects.live("eu", &secret("cacerts-request")), None);
}

#[tokio::test]
async fn a_request_of_another_cluster_is_refused() {
    let scene = scene();
    let state = created::<CaRequest>(&scene, request()).await;
    let company = Company::new(&scene);
    let elsewhere = ClusterCaModel { cluster: text("us"), ..company.signed(&state) };
    let errors = apply::<ClusterCa>(&scene, &Value::Null, elsewhere).await.1.errors;
    assert!(errors.iter().any(|error| error.detail.contains("its key never leaves it")), "{errors:?}");
}
