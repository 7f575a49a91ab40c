//! The life cycle of a cluster's CA, with the fakes.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{ClusterCa, ClusterCaModel};
use crate::{
    data::{CaSubject, Certificate, KeyAlgorithm, Kind, Mark, ObjectRef},
    mesh::{Namespace, rotation::TrustRecord, trust},
    ports::{Authority as _, fakes::FakeAuthority},
    resources::{
        RootCa, RootCaModel,
        testing::{Scene, apply, cluster_ca, created, destroy, drift, import, mark, model, planned, read, root, scene, secret, text},
    },
};
use framework::{Dynamic, Value, encode, erase};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn the_key_is_in_no_state() {
    let scene = scene();
    let state = created::<RootCa>(&scene, root()).await;
    let ca = created::<ClusterCa>(&scene, cluster_ca(&state)).await;
    assert!(!format!("{state:?}{ca:?}").contains("key of"));
}

#[tokio::test]
async fn a_ca_that_an_interrupted_create_has_left_is_kept_and_its_namespace_warns_of_it() {
    let scene = scene();
    let root = created::<RootCa>(&scene, RootCaModel { cluster: text("eu"), ..root() }).await;
    let state = created::<ClusterCa>(&scene, cluster_ca(&root)).await;
    let live = scene.objects.live("eu", &secret("cacerts")).expect("the Secret");
    assert_eq!(Mark::of(&live), None, "a create that has finished leaves no mark");
    scene.objects.put("eu", mark("eu").on(live));
    let (gone, diagnostics) = destroy::<RootCa>(&scene, &root).await;
    assert!(gone.is_null());
    assert!(diagnostics.warnings[0].detail.contains("Secret cacerts"), "{diagnostics:?}");
    assert!(diagnostics.warnings[0].detail.contains("is in no state."), "{diagnostics:?}");
    let (again, diagnostics) = apply::<ClusterCa>(&scene, &Value::Null, cluster_ca(&root)).await;
    assert_eq!((&again, diagnostics.errors.len(), diagnostics.warnings.len()), (&state, 0, 1), "{diagnostics:?}");
    assert!(apply::<ClusterCa>(&scene, &Value::Null, cluster_ca(&root)).await.0.is_null(), "it is complete by now");
}

#[tokio::test]
async fn a_namespace_that_an_interrupted_destroy_has_begun_to_delete_is_waited_for() {
    let scene = scene();
    let root = created::<RootCa>(&scene, root()).await;
    scene.objects.put_ending("eu", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}}));
    created::<ClusterCa>(&scene, cluster_ca(&root)).await;
    let live = scene.objects.live("eu", &ObjectRef::cluster_wide(Kind::NAMESPACE, "istio-system")).expect("a new namespace");
    assert!(live["metadata"]["deletionTimestamp"].is_null(), "what is written into one that is being deleted ends with it: {live}");
}

#[tokio::test]
async fn an_intermediate_is_renewed_in_time_and_not_before() {
    let scene = scene();
    let root = created::<RootCa>(&scene, root()).await;
    let state = created::<ClusterCa>(&scene, cluster_ca(&root)).await;
    let plan = |state: &Dynamic| {
        let config = encode(&Value::Value(cluster_ca(&root)));
        erase::<ClusterCa>().plan(state, &config, state.clone(), Some(&scene.world)).state
    };
    assert_eq!(plan(&state), state);
    assert_eq!(apply::<ClusterCa>(&scene, &state, cluster_ca(&root)).await.0, state, "nothing is issued without a reason");
    scene.clock.advance(Duration::from_secs(680 * 24 * 3600));
    let renewal: ClusterCaModel = model(&plan(&state));
    assert!(renewal.certificate.is_unknown() && renewal.expires_at.is_unknown() && renewal.root_fingerprint.is_value());
    let (renewed, diagnostics) = apply::<ClusterCa>(&scene, &state, cluster_ca(&root)).await;
    assert!(diagnostics.errors.is_empty());
    assert_ne!(model::<ClusterCaModel>(&renewed).fingerprint, model::<ClusterCaModel>(&state).fingerprint);
    assert_eq!(plan(&renewed), renewed);
}

/// A CA that a company hands out: an intermediate of a root by way of another.
struct Company {
    root: Certificate,
    issuing: Certificate,
    istio: Certificate,
}

impl Company {
    fn new(scene: &Scene) -> Self {
        let authority = FakeAuthority::at(scene.clock.clone());
        let subject = CaSubject { common_name: "Corp".to_owned(), organization: "Corp".to_owned(), algorithm: KeyAlgorithm::default() };
        // Past the numbers of what the scene itself makes.
        (0..100).for_each(|_| drop(authority.create_root(&subject, DAY).unwrap()));
        let root = authority.create_root(&subject, DAY * 3650).unwrap();
        let issuing = authority.sign(&root, "Issuing", Some(1), DAY * 900);
        let istio = authority.sign(&issuing, "Istio", Some(0), DAY * 300);
        Self { root, issuing, istio }
    }

    fn ready_made(&self) -> ClusterCaModel {
        ClusterCaModel {
            cluster: text("eu"),
            root_certificate: text(&self.root.certificate),
            intermediate_certificate: text(&self.istio.certificate),
            intermediate_chain: text(&self.issuing.certificate),
            intermediate_private_key_wo: text(self.istio.key.reveal()),
            ..ClusterCaModel::default()
        }
    }

    /// The Secret as somebody else writes it.
    fn secret(&self) -> Json {
        let bundle = trust::bundle(&self.istio, &self.issuing.certificate, &self.root.certificate);
        let mut secret = trust::cacerts_secret(&Namespace::parse("istio-system").unwrap(), &bundle, &Json::Null, &TrustRecord::default());
        secret["metadata"] = json!({"name": "cacerts", "namespace": "istio-system"});
        secret
    }
}

fn plan(scene: &Scene, prior: &Dynamic, model: ClusterCaModel) -> framework::Diagnostics {
    let config = encode(&Value::Value(model.clone()));
    erase::<ClusterCa>().plan(prior, &config, planned::<ClusterCa>(model), Some(&scene.world)).diagnostics
}

async fn in_place(scene: &Scene) -> (Dynamic, Dynamic, Json) {
    let root = created::<RootCa>(scene, root()).await;
    let state = created::<ClusterCa>(scene, cluster_ca(&root)).await;
    let live = scene.objects.live("eu", &secret("cacerts")).unwrap();
    (root, state, live)
}

#[tokio::test]
async fn a_swapped_root_is_drift_and_is_set_back() {
    let scene = scene();
    let (root, state, mut live) = in_place(&scene).await;
    live["data"] = Company::new(&scene).secret()["data"].clone();
    scene.objects.put("eu", live);
    let (found, diagnostics) = read::<ClusterCa>(&scene, &state).await;
    assert!(diagnostics.errors.is_empty() && drift(&found)[0].contains("root-cert.pem: the roots with the fingerprints"), "{found:?}");
    let fingerprint = |state: &Dynamic| model::<ClusterCaModel>(state).root_fingerprint;
    assert_eq!(fingerprint(&found), fingerprint(&state), "another root doesn't pass for the mesh's");
    let (mended, diagnostics) = apply::<ClusterCa>(&scene, &found, cluster_ca(&root)).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!(read::<ClusterCa>(&scene, &mended).await.0, mended);
}

#[tokio::test]
async fn a_bundle_that_cant_be_read_is_drift_and_is_issued_again() {
    let scene = scene();
    let (root, state, live) = in_place(&scene).await;
    for (key, found) in
        [("cert-chain.pem", None), ("ca-cert.pem", Some("bm8gUEVN")), ("ca-key.pem", Some("bm8ga2V5")), ("root-cert.pem", None)]
    {
        let mut damaged = live.clone();
        match found {
            Some(found) => damaged["data"][key] = json!(found),
            None => _ = damaged["data"].as_object_mut().unwrap().remove(key),
        }
        scene.objects.put("eu", damaged);
        let (found, diagnostics) = read::<ClusterCa>(&scene, &state).await;
        assert!(diagnostics.errors.is_empty() && drift(&found)[0].contains(key), "{key}: {found:?}");
        let (mended, diagnostics) = apply::<ClusterCa>(&scene, &found, cluster_ca(&root)).await;
        assert!(diagnostics.errors.is_empty(), "{key}: {:?}", diagnostics.errors);
        assert_eq!(drift(&read::<ClusterCa>(&scene, &mended).await.0), [""; 0], "{key}");
    }
}

#[tokio::test]
async fn a_label_or_a_chain_that_differs_is_set_back_without_a_new_ca() {
    let scene = scene();
    let (root, state, live) = in_place(&scene).await;
    let mut unlabeled = live.clone();
    unlabeled["metadata"]["labels"] = json!({});
    let mut other_chain = live.clone();
    other_chain["data"]["cert-chain.pem"] = live["data"]["root-cert.pem"].clone();
    for changed in [unlabeled, other_chain] {
        scene.objects.put("eu", changed);
        let (found, _) = read::<ClusterCa>(&scene, &state).await;
        assert_eq!(drift(&found).len(), 1);
        let (mended, _) = apply::<ClusterCa>(&scene, &found, cluster_ca(&root)).await;
        assert_eq!(mended, state);
        assert_eq!(scene.objects.live("eu", &secret("cacerts")).unwrap(), live);
    }
}

#[tokio::test]
async fn a_ca_of_another_state_is_refused_even_if_it_is_the_same() {
    let scene = scene();
    let (root, _, live) = in_place(&scene).await;
    let (state, diagnostics) = apply::<ClusterCa>(&scene, &Value::Null, cluster_ca(&root)).await;
    assert!(state.is_null() && diagnostics.errors[0].summary == "Already exists");
    assert_eq!(scene.objects.live("eu", &secret("cacerts")).unwrap(), live);
}

#[tokio::test]
async fn a_renewal_that_lacks_the_roots_key_fails_in_the_plan() {
    let scene = scene();
    let company = Company::new(&scene);
    let own = |key: Value<String>| ClusterCaModel {
        cluster: text("eu"),
        root_certificate: text(&company.root.certificate),
        root_private_key_wo: key,
        ..ClusterCaModel::default()
    };
    assert_eq!(plan(&scene, &Value::Null, own(Value::Null)).errors[0].summary, "Missing root_private_key_wo");
    let key = text(company.root.key.reveal());
    let state = created::<ClusterCa>(&scene, own(key.clone())).await;
    let unchanged = |model: ClusterCaModel| {
        erase::<ClusterCa>().plan(&state, &encode(&Value::Value(model)), state.clone(), Some(&scene.world)).diagnostics
    };
    assert!(unchanged(own(Value::Null)).errors.is_empty());
    scene.clock.advance(DAY * 680);
    assert!(unchanged(own(Value::Null)).errors[0].detail.contains("due to be renewed"));
    assert!(unchanged(own(key)).errors.is_empty());
}

/// The CLI doesn't keep a write-only value: a change of anything else comes with the same key again, or with none, and the same version.
#[tokio::test]
async fn a_root_of_ones_own_outlives_a_change_of_anything_else() {
    let scene = scene();
    let company = Company::new(&scene);
    let own = |organization: &str, renew_before_days: i64, key: Value<String>| ClusterCaModel {
        cluster: text("eu"),
        root_certificate: text(&company.root.certificate),
        root_private_key_wo: key,
        root_private_key_wo_version: Value::Value(1),
        organization: text(organization),
        renew_before_days: Value::Value(renew_before_days),
        ..ClusterCaModel::default()
    };
    let key = || text(company.root.key.reveal());
    let live = || scene.objects.live("eu", &secret("cacerts")).unwrap()["data"].clone();
    let state = created::<ClusterCa>(&scene, own("Corp", 60, key())).await;
    let first = live();

    let (state, diagnostics) = apply::<ClusterCa>(&scene, &state, own("Corp", 90, Value::Null)).await;
    assert!(diagnostics.errors.is_empty() && live() == first, "nothing is to be signed: {:?}", diagnostics.errors);
    let (state, diagnostics) = apply::<ClusterCa>(&scene, &state, own("Corp EU", 90, key())).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_ne!(live()["ca-cert.pem"], first["ca-cert.pem"], "the new subject has a new intermediate");
    assert_eq!(live()["root-cert.pem"], first["root-cert.pem"], "of the same root");
    let (kept, diagnostics) = apply::<ClusterCa>(&scene, &state, own("Corp US", 90, Value::Null)).await;
    assert_eq!(diagnostics.errors[0].summary, "Missing root_private_key_wo", "the plan says what the key is missing for");
    assert_eq!(kept, state);
}

#[tokio::test]
async fn a_ready_made_intermediate_is_verified_written_and_read_back() {
    let scene = scene();
    let company = Company::new(&scene);
    let state = created::<ClusterCa>(&scene, company.ready_made()).await;
    assert!(!format!("{state:?}").contains("key of"));
    assert_eq!(read::<ClusterCa>(&scene, &state).await.0, state);
    let live = scene.objects.live("eu", &secret("cacerts")).unwrap();
    assert_eq!(live["data"], company.secret()["data"]);
    let (again, diagnostics) =
        apply::<ClusterCa>(&scene, &state, ClusterCaModel { intermediate_private_key_wo: Value::Null, ..company.ready_made() }).await;
    assert!(diagnostics.errors.is_empty() && again == state, "the key in place is kept: {:?}", diagnostics.errors);

    let errors =
        |model: ClusterCaModel| plan(&scene, &Value::Null, model).errors.iter().map(|error| error.summary.to_string()).collect::<Vec<_>>();
    assert_eq!(errors(company.ready_made()), [""; 0]);
    let wrong_key = ClusterCaModel { intermediate_private_key_wo: text("key of 1"), ..company.ready_made() };
    assert_eq!(errors(wrong_key), ["Invalid intermediate_private_key_wo"]);
    let no_key = ClusterCaModel { intermediate_private_key_wo: Value::Null, ..company.ready_made() };
    assert_eq!(errors(no_key), ["Missing intermediate_private_key_wo"]);
    let no_chain = ClusterCaModel { intermediate_chain: Value::Null, ..company.ready_made() };
    assert_eq!(errors(no_chain), ["Invalid intermediate_certificate"]);
    let subject = CaSubject { common_name: "Other".to_owned(), organization: "Corp".to_owned(), algorithm: KeyAlgorithm::default() };
    let other = scene.world.authority.create_root(&subject, DAY).unwrap();
    let too_much = format!("{}{}", company.issuing.certificate, other.certificate);
    assert_eq!(errors(ClusterCaModel { intermediate_chain: text(&too_much), ..company.ready_made() }), ["Invalid intermediate_chain"]);
}

#[tokio::test]
async fn an_external_ca_is_verified_and_never_touched() {
    let scene = scene();
    let company = Company::new(&scene);
    let external = || ClusterCaModel { cluster: text("eu"), external: Value::Value(true), ..ClusterCaModel::default() };
    let (none, diagnostics) = apply::<ClusterCa>(&scene, &Value::Null, external()).await;
    assert!(none.is_null() && diagnostics.errors[0].detail.contains("it doesn't exist"));
    scene.objects.put("eu", company.secret());
    let state = created::<ClusterCa>(&scene, external()).await;
    let found: ClusterCaModel = model(&state);
    let facts = scene.world.authority.inspect(&company.root.certificate).unwrap();
    assert_eq!(found.root_fingerprint, text(&facts.fingerprint));
    let other_root = ClusterCaModel { root_certificate: text(&Company::new(&scene).issuing.certificate), ..external() };
    assert!(apply::<ClusterCa>(&scene, &state, other_root).await.1.errors[0].detail.contains("root-cert.pem"));
    let mut damaged = company.secret();
    damaged["data"]["cert-chain.pem"] = damaged["data"]["root-cert.pem"].clone();
    scene.objects.put("eu", damaged.clone());
    assert_eq!(drift(&read::<ClusterCa>(&scene, &state).await.0).len(), 1);
    assert!(destroy::<ClusterCa>(&scene, &state).await.0.is_null());
    assert_eq!(scene.objects.live("eu", &secret("cacerts")), Some(damaged));
}

#[tokio::test]
async fn certificates_that_no_apply_renews_are_warned_of_before_they_expire() {
    let scene = scene();
    let company = Company::new(&scene);
    let state = created::<ClusterCa>(&scene, company.ready_made()).await;
    let unchanged = |days: Value<i64>| {
        let config = ClusterCaModel { warn_before_days: days, ..company.ready_made() };
        let warnings = erase::<ClusterCa>()
            .plan(&state, &encode(&Value::Value(config.clone())), planned::<ClusterCa>(config), Some(&scene.world))
            .diagnostics
            .warnings;
        warnings.into_iter().map(|warning| warning.attribute.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(unchanged(Value::Null), [""; 0]);
    scene.clock.advance(DAY * 220);
    assert_eq!(unchanged(Value::Null), ["intermediate_certificate"]);
    assert_eq!(unchanged(Value::Value(30)), [""; 0]);
    assert_eq!(unchanged(Value::Value(700)), ["intermediate_certificate", "intermediate_chain"]);
}

#[tokio::test]
async fn an_imported_chain_of_three_is_settled() {
    let scene = scene();
    let company = Company::new(&scene);
    scene.objects.put("eu", company.secret());
    let imported = import(erase::<ClusterCa>(), &scene, "eu/istio-system").await;
    assert_eq!(drift(&imported), ["Secret cacerts: its label says that this provider doesn't manage it"]);
    let mut config: ClusterCaModel = model(&imported);
    config.root_private_key_wo_version = Value::Value(1);
    for computed in [&mut config.certificate, &mut config.fingerprint, &mut config.root_fingerprint, &mut config.expires_at] {
        *computed = Value::Null;
    }
    config.drift = Value::Null;
    let (taken_over, diagnostics) = apply::<ClusterCa>(&scene, &imported, config).await;
    assert!(diagnostics.errors.is_empty(), "{:?}", diagnostics.errors);
    assert_eq!(model::<ClusterCaModel>(&taken_over).fingerprint, model::<ClusterCaModel>(&imported).fingerprint, "nothing is issued again");
    assert_eq!(scene.objects.live("eu", &secret("cacerts")).unwrap()["data"], company.secret()["data"]);
    assert_eq!(read::<ClusterCa>(&scene, &taken_over).await.0, taken_over);
}
