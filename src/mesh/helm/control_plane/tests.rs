//! What the control plane renders and reads.

use super::*;

const ARTICLE: &str = "
global:
  meshID: training-mesh
  trustDomain: corp.local
  network: us-net
pilot:
  env:
    PILOT_ENABLE_MULTINETWORK: \"true\"
";

fn plane(network: &str, values: &[&str]) -> ControlPlane {
    ControlPlane {
        mesh_id: MeshId::parse("training-mesh").unwrap(),
        trust_domain: TrustDomain::parse("corp.local").unwrap(),
        trust_domain_aliases: None,
        network: NetworkName::parse(network).unwrap(),
        cluster_name: ClusterKey::parse("us").unwrap(),
        namespace: Namespace::parse("istio-system").unwrap(),
        dns_capture: true,
        values: values.iter().map(|text| Values::parse(text).unwrap()).collect(),
        base_values: Vec::new(),
        mtls_mode: Some(MutualTlsMode::Strict),
        root: None,
        further_roots: Vec::new(),
    }
}

#[test]
fn istiod_gets_what_makes_it_a_member() {
    let release = plane("us-net", &["global: {hub: h, network: wrong}\nautoscaleEnabled: false"]).istiod_release(Some("1.31.0".into()));
    assert_eq!(
        release.values,
        json!({
            "autoscaleEnabled": false,
            "global": {"hub": "h", "meshID": "training-mesh", "network": "us-net", "istioNamespace": "istio-system", "multiCluster": {"clusterName": "us"}},
            "meshConfig": {"trustDomain": "corp.local", "defaultConfig": {"proxyMetadata": {"ISTIO_META_DNS_CAPTURE": "true"}}},
        })
    );
}

#[test]
fn the_articles_dead_keys_are_named_and_what_it_overrides() {
    let keys = |network| plane(network, &[ARTICLE]).lints().into_iter().map(|lint| lint.key).collect::<Vec<_>>();
    assert_eq!(keys("us-net"), ["global.trustDomain", "pilot.env.PILOT_ENABLE_MULTINETWORK"]);
    assert_eq!(keys("eu-net"), ["global.trustDomain", "pilot.env.PILOT_ENABLE_MULTINETWORK", "global.network"]);
}

#[test]
fn values_that_take_the_webhooks_away_are_refused() {
    let keys = |values: &str| plane("us-net", &[values]).refusals(true).into_iter().map(|refusal| refusal.key).collect::<Vec<_>>();
    assert_eq!(keys("revision: 1-31-0\nglobal: {operatorManageWebhooks: true}"), ["revision", "global.operatorManageWebhooks"]);
    assert_eq!(keys("pilot: {revision: canary}\nistiodRemote: {enabled: true}"), ["pilot.revision", "istiodRemote.enabled"]);
    assert_eq!(keys("global: {resourceScope: namespace}"), ["global.resourceScope"]);
    let other_signer = "pilot: {env: {ENABLE_CA_SERVER: 'false'}}";
    assert_eq!(keys(other_signer), ["pilot.env.ENABLE_CA_SERVER"], "istiod would never serve the root");
    assert_eq!(plane("us-net", &[other_signer]).refusals(false), [], "something else signs");
    assert_eq!(keys("revision: ''\nglobal: {operatorManageWebhooks: false, resourceScope: all}"), [""; 0]);
    assert_eq!(keys("meshConfig: {rootNamespace: istio-config}"), ["meshConfig.rootNamespace"], "STRICT would not hold for the mesh");
    assert_eq!(keys("meshConfig: {rootNamespace: istio-system}"), [""; 0]);
    assert!(plane("us-net", &[]).validates() && !plane("us-net", &["global: {configValidation: false}"]).validates());
}

#[test]
fn nothing_beats_an_attribute_unnoticed() {
    let plane = plane("us-net", &["pilot: {global: {network: other}, env: {A: b}}\nmeshConfig: {defaultConfig: {meshId: other}}"]);
    assert_eq!(
        plane.lints().into_iter().map(|lint| lint.key).collect::<Vec<_>>(),
        ["meshConfig.defaultConfig.meshId", "pilot.global.network"]
    );
    let values = plane.istiod_release(None).values;
    assert_eq!((&values["pilot"], &values["global"]["network"]), (&json!({"env": {"A": "b"}}), &json!("us-net")));
}

#[test]
fn values_are_read_as_they_were_written() {
    let found = ControlPlane::read_values(&plane("us-net", &["global: {hub: h}"]).istiod_release(None).values);
    assert_eq!(found.network.as_deref(), Some("us-net"));
    assert!(found.dns_capture);
    assert!(values::same_yaml(&found.rest.unwrap(), "global: {hub: h}"));
    assert_eq!(ControlPlane::read_values(&plane("us-net", &[]).istiod_release(None).values).rest, None);
}

#[test]
fn values_of_the_base_chart_are_read_as_they_were_written() {
    let values = "base: {excludedCRDs: [envoyfilters.networking.istio.io]}\nglobal: {istioNamespace: other}";
    let plane = ControlPlane { base_values: vec![Values::parse(values).unwrap()], ..plane("us-net", &[]) };
    let release = plane.base_release(None);
    assert_eq!(release.values["global"]["istioNamespace"], "istio-system", "the attribute counts");
    assert_eq!(plane.base_lints().len(), 1);
    let found = ControlPlane::read_base_values(&release.values).unwrap();
    assert!(values::same_yaml(&found, "base: {excludedCRDs: [envoyfilters.networking.istio.io]}"), "{found}");
    assert!(!plane.brings_definition("envoyfilters.networking.istio.io") && plane.brings_definition("gateways.networking.istio.io"));
    let without = ControlPlane { base_values: vec![Values::parse("base: {enableCRDTemplates: false}").unwrap()], ..plane.clone() };
    assert!(!without.brings_definition("gateways.networking.istio.io"));
    let bare = ControlPlane { base_values: Vec::new(), ..plane }.base_release(None);
    assert_eq!(bare.values, json!({"global": {"istioNamespace": "istio-system"}}));
    assert_eq!(ControlPlane::read_base_values(&bare.values), None);
}

#[test]
fn aliases_of_the_trust_domain_are_set_where_the_attribute_says_so() {
    let domain = |text: &str| TrustDomain::parse(text).unwrap();
    let with = |aliases: Option<Vec<TrustDomain>>| ControlPlane {
        trust_domain_aliases: aliases,
        ..plane("us-net", &["meshConfig: {trustDomainAliases: [old.local]}"])
    };
    assert_eq!(with(None).accepted_domains(), ["old.local"], "`values` count");
    let eu = with(Some(vec![domain("eu.corp.local")]));
    assert_eq!(eu.lints().into_iter().map(|lint| lint.key).collect::<Vec<_>>(), ["meshConfig.trustDomainAliases"]);
    let found = ControlPlane::read_values(&eu.istiod_release(None).values);
    assert_eq!((found.trust_domain_aliases, found.rest), (Some(vec!["eu.corp.local".to_owned()]), None));
    assert_eq!(eu.accepted_domains(), ["eu.corp.local"]);
    assert_eq!(with(Some(Vec::new())).accepted_domains(), [""; 0]);
}

#[test]
fn another_root_changes_istiods_pods_and_no_attribute() {
    let own = plane("us-net", &["podAnnotations: {a.example/b: c}"]);
    let release = ControlPlane { root: Some("abc".to_owned()), ..own }.istiod_release(None);
    assert_eq!(release.values["podAnnotations"], json!({"a.example/b": "c", "mesh.terraform.io/root": "abc"}));
    assert!(ControlPlane::is_for_a_root(&release.values));
    let two = ControlPlane { root: Some("abc".to_owned()), further_roots: vec!["def".to_owned()], ..plane("us-net", &[]) };
    assert_eq!(two.istiod_release(None).values["podAnnotations"]["mesh.terraform.io/root"], "abc,def");
    let rest = ControlPlane::read_values(&release.values).rest.unwrap();
    assert!(values::same_yaml(&rest, "podAnnotations: {a.example/b: c}"), "{rest}");
}

#[test]
fn the_policy_is_the_meshs() {
    let policy = plane("us-net", &[]).mesh_peer_authentication().unwrap();
    assert_eq!(policy["metadata"]["namespace"], "istio-system");
    assert_eq!(policy["spec"], json!({"mtls": {"mode": "STRICT"}}));
}
