//! Clusters in which a mesh can be installed, and such in which it can't be.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::mesh::check::Severity;

pub(super) fn intent() -> Intent {
    Intent {
        namespace: Namespace::parse("istio-system").unwrap(),
        istio_version: None,
        roles: DEFAULT_ROLES.map(str::to_owned).into(),
        takes_ownership: false,
    }
}

/// A cluster in which a mesh can be installed.
pub(super) fn candidate() -> Candidate {
    Candidate {
        uid: Some("the UID of eu".to_owned()),
        user: Some("ann".to_owned()),
        version: Ok("v1.34.4".to_owned()),
        missing: Ok(BTreeSet::new()),
        nodes: Ok(vec![json!({
            "metadata": {"name": "node"}, "spec": {"providerID": "aws:///a/i-0"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        })]),
        services: Ok(Vec::new()),
        events: Vec::new(),
        istiods: Ok(Vec::new()),
        webhooks: Ok(Vec::new()),
        definitions: Ok(Vec::new()),
        releases: BTreeMap::new(),
    }
}

fn survey(candidate: Candidate) -> Survey {
    let charts = CHARTS.map(|name| Chart { name, version: Ok("1.31.0".to_owned()) });
    Survey { clusters: [(ClusterKey::parse("eu").unwrap(), Ok(candidate))].into(), charts: Ok(charts.into()) }
}

/// The status of a cluster after something was done to what it shows.
fn status(work: impl FnOnce(&mut Candidate)) -> Status {
    let mut candidate = candidate();
    work(&mut candidate);
    Status::before(&survey(candidate), &intent())
}

/// Each problem in one line, and its fix.
fn problems(work: impl FnOnce(&mut Candidate)) -> Vec<(String, String)> {
    status(work).problems().map(|check| (check.line(), check.fix.clone())).collect()
}

#[test]
fn each_check_has_a_result_and_each_result_is_of_a_known_check() {
    let status = status(|_| {});
    assert_eq!(status.verdict(), Severity::Ok, "{}", status.summary());
    let seen: BTreeSet<_> = status.checks.iter().map(|check| check.id).collect();
    assert_eq!(seen, CHECKS.iter().map(|(id, _)| *id).collect());
}

#[test]
fn the_guide_describes_each_check() {
    let guide = include_str!("../../../docs/guides/checking-a-mesh.md");
    for (id, about) in CHECKS {
        assert!(guide.contains(&format!("| `{id}` | {about} |")), "{id}");
    }
}

#[test]
fn two_keys_of_one_cluster_are_an_error() {
    let mut survey = survey(candidate());
    survey.clusters.insert(ClusterKey::parse("us").unwrap(), Ok(candidate()));
    let status = Status::before(&survey, &intent());
    assert!(status.summary().starts_with("error precheck.distinct: The keys eu and us lead to one cluster."), "{}", status.summary());
}

fn unread(why: &str) -> Unread {
    Unread { why: why.to_owned(), advice: "Do this.".to_owned(), is_unknown: false }
}

#[test]
fn a_cluster_that_cant_be_read_has_one_result() {
    let mut survey = survey(candidate());
    survey.clusters.insert(ClusterKey::parse("us").unwrap(), Err(unread("No answer.")));
    let status = Status::before(&survey, &intent());
    let problems: Vec<_> = status.problems().map(Check::line).collect();
    assert_eq!(problems, ["error precheck.api_server: cluster us: No answer."]);
}

#[test]
fn without_helm_there_are_no_charts() {
    let mut survey = survey(candidate());
    survey.charts = Err(unread("No usable helm."));
    let status = Status::before(&survey, &intent());
    assert!(status.summary().starts_with("error precheck.charts: No usable helm.\n"), "{}", status.summary());
}

#[test]
fn the_gateway_api_is_a_note() {
    let seen = |work: &dyn Fn(&mut Candidate)| {
        let status = status(work);
        status.checks.into_iter().find(|check| check.id == "precheck.gateway_api").map(|check| (check.severity, check.seen)).unwrap()
    };
    assert_eq!(seen(&|_| {}), (Severity::Ok, "Its definitions are missing. Only mesh_link needs them.".to_owned()));
    let there = |candidate: &mut Candidate| candidate.definitions = Ok(vec![definition("gateways.gateway.networking.k8s.io", None)]);
    assert_eq!(seen(&there), (Severity::Ok, "Its definitions are there.".to_owned()));
}

#[test]
fn what_may_not_be_read_is_unknown_and_not_taken_for_missing() {
    type Hide = fn(&mut Candidate);
    let hides: [(Hide, &str); 7] = [
        (|candidate| candidate.version = Err("Forbidden".to_owned()), "precheck.kubernetes"),
        (|candidate| candidate.nodes = Err("Forbidden".to_owned()), "precheck.nodes"),
        (|candidate| candidate.services = Err("Forbidden".to_owned()), "precheck.load_balancer"),
        (|candidate| candidate.istiods = Err("Forbidden".to_owned()), "precheck.istio"),
        (|candidate| candidate.webhooks = Err("Forbidden".to_owned()), "precheck.istio"),
        (|candidate| candidate.definitions = Err("Forbidden".to_owned()), "precheck.istio"),
        (|candidate| candidate.uid = None, "precheck.distinct"),
    ];
    for (hide, id) in hides {
        let status = status(hide);
        let first = status.problems().next().map(|check| (check.severity, check.id));
        assert_eq!(first, Some((Severity::Unknown, id)), "{}", status.summary());
    }
}

fn object(kind: &str, namespace: Option<&str>, name: &str, release: Option<&str>) -> Json {
    let mut object = json!({"kind": kind, "metadata": {"name": name, "namespace": namespace}});
    if let Some((namespace, name)) = release.and_then(|release| release.split_once('/')) {
        object["metadata"]["annotations"] = json!({"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": namespace});
    }
    object
}

fn istiod(namespace: &str, name: &str, release: Option<&str>) -> Json {
    let mut istiod = object("Deployment", Some(namespace), name, release);
    istiod["spec"] = json!({"template": {"spec": {"containers": [{"name": "discovery", "image": "docker.io/istio/pilot:1.30.2"}]}}});
    istiod
}

fn definition(name: &str, release: Option<&str>) -> Json {
    object("CustomResourceDefinition", None, name, release)
}

#[test]
fn a_control_plane_of_others_has_a_way_out() {
    let found = |istiod: Json, release: &str, is_ours: Option<bool>| {
        problems(|candidate| {
            candidate.istiods = Ok(vec![istiod]);
            candidate.releases.insert(release.to_owned(), Ok(is_ours));
            // They are of the same Istio.
            candidate.definitions = Ok(vec![definition("gateways.networking.istio.io", None)]);
        })
    };
    assert_eq!(found(istiod("istio-system", "istiod", Some("istio-system/istiod")), "istio-system/istiod", Some(true)), []);
    let theirs = |istiod: Json, release: &str| {
        let mut problems = found(istiod, release, Some(false));
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems.remove(0)
    };
    let (line, fix) = theirs(istiod("istio-system", "istiod", Some("istio-system/istiod")), "istio-system/istiod");
    assert_eq!(
        line,
        "error precheck.istio: cluster eu: Deployment istio-system/istiod: istiod 1.30.2 is there, and this provider did not install it: it \
         belongs to the Helm release istio-system/istiod."
    );
    assert!(fix.starts_with("Take it over with `adopt = true` in the mesh_cluster, or import it."), "{fix}");

    let (line, fix) = theirs(istiod("istio-system", "istiod", None), "istio-system/istiod");
    assert!(
        line.ends_with("it belongs to no Helm release.") && fix.starts_with("Take it over with `adopt = true` in the mesh_cluster. "),
        "{fix}"
    );
    let (_, fix) = theirs(istiod("mesh", "istiod", Some("mesh/istiod")), "mesh/istiod");
    assert!(fix.contains("`adopt = true` in the mesh_cluster and `namespace = \"mesh\"`, where it is, or import it."), "{fix}");
    let mut revised = istiod("istio-system", "istiod-canary", Some("istio-system/istiod-canary"));
    revised["metadata"]["labels"] = json!({"istio.io/rev": "canary"});
    let (_, fix) = theirs(revised, "istio-system/istiod-canary");
    assert!(fix.starts_with("It has a revision canary, and can't be taken over."), "{fix}");
}

#[test]
fn a_release_that_may_not_be_read_leaves_it_open_whose_it_is() {
    let problems = problems(|candidate| {
        candidate.istiods = Ok(vec![istiod("istio-system", "istiod", Some("istio-system/istiod"))]);
        candidate.releases.insert("istio-system/istiod".to_owned(), Err("Forbidden.".to_owned()));
    });
    assert!(problems[0].0.starts_with("unknown precheck.istio: cluster eu: Deployment istio-system/istiod: istiod 1.30.2 is there. Who"));
}

#[test]
fn what_an_istio_has_left_is_reported_if_helm_would_refuse_it() {
    let left = |webhooks: &[Json], definitions: &[Json]| {
        problems(|candidate| {
            candidate.webhooks = Ok(webhooks.to_vec());
            candidate.definitions = Ok(definitions.to_vec());
            for release in ["platform/crds", "istio-system/my-base"] {
                candidate.releases.insert(release.to_owned(), Ok(Some(false)));
            }
        })
    };
    let injector = |name: &str, release| object("MutatingWebhookConfiguration", None, name, release);
    // Of a mesh_cluster that was destroyed.
    let ours = definition("gateways.networking.istio.io", Some("istio-system/istio-base"));
    assert_eq!(left(&[injector("istio-sidecar-injector", Some("istio-system/istiod"))], &[ours]), []);
    // Of one in another namespace, whose definitions the next create takes up; without that note Helm refuses them.
    let mut elsewhere = definition("gateways.networking.istio.io", Some("mesh-system/istio-base"));
    assert_eq!(left(&[], std::slice::from_ref(&elsewhere)).len(), 1);
    elsewhere["metadata"]["annotations"]["mesh.terraform.io/left-by"] = json!("terraform-provider-mesh");
    assert_eq!(left(&[], &[elsewhere]), []);
    // Not Istio's charts'.
    assert_eq!(left(&[], &[definition("istiooperators.install.istio.io", None), definition("pools.metallb.io", None)]), []);

    let problems = left(&[injector("istio-sidecar-injector", None), injector("istio-revision-tag-default", None)], &[]);
    assert!(
        problems[0].0.starts_with(
            "error precheck.istio: cluster eu: MutatingWebhookConfiguration istio-sidecar-injector: The cluster has no Deployment of istiod for it"
        ),
        "{problems:?}"
    );
    assert!(problems[0].1.ends_with("delete it: kubectl delete mutatingwebhookconfiguration istio-sidecar-injector"), "{problems:?}");
    assert!(problems[1].0.starts_with("warning precheck.istio: cluster eu: MutatingWebhookConfiguration istio-revision-tag-default:"));

    let theirs = ["gateways.networking.istio.io", "telemetries.telemetry.istio.io"].map(|name| definition(name, Some("platform/crds")));
    let problems = left(&[], &theirs);
    assert_eq!(
        problems[0].0,
        "error precheck.istio: cluster eu: CustomResourceDefinitions: 2 definitions of Istio belong to the Helm release platform/crds: \
         gateways.networking.istio.io, telemetries.telemetry.istio.io."
    );
    assert!(problems[0].1.contains("enableCRDTemplates: false") && problems[0].1.contains("helm.take_ownership"), "{}", problems[0].1);
    let here = definition("gateways.networking.istio.io", Some("istio-system/my-base"));
    let problems = left(&[], &[here]);
    assert!(problems[0].1.starts_with("Take the release over with `adopt = true` in the mesh_cluster."), "{}", problems[0].1);
}

#[test]
fn an_istio_that_does_no_harm_is_no_error() {
    let beside = problems(|candidate| {
        let canary = istiod("istio-system", "istiod-canary", Some("istio-system/istiod-canary"));
        candidate.istiods = Ok(vec![istiod("istio-system", "istiod", Some("istio-system/istiod")), canary]);
        candidate.releases.insert("istio-system/istiod".to_owned(), Ok(Some(true)));
        candidate.releases.insert("istio-system/istiod-canary".to_owned(), Ok(Some(false)));
    });
    assert_eq!(beside.len(), 1, "{beside:?}");
    assert!(
        beside[0].0.starts_with("warning precheck.istio: cluster eu: Deployment istio-system/istiod-canary: istiod 1.30.2 is there beside")
    );

    let mut remote = object("MutatingWebhookConfiguration", None, "istio-sidecar-injector", None);
    remote["webhooks"] = json!([{"clientConfig": {"url": "https://istiod.example.com:15017/inject"}}]);
    let elsewhere = problems(|candidate| candidate.webhooks = Ok(vec![remote.clone()]));
    assert!(elsewhere[0].0.ends_with("It calls an istiod outside of the cluster. It belongs to no Helm release."), "{elsewhere:?}");
    assert!(!elsewhere[0].1.contains("kubectl delete"), "another cluster's istiod injects by it: {elsewhere:?}");

    let mut with = self::candidate();
    with.definitions = Ok(vec![definition("gateways.networking.istio.io", None)]);
    let intent = Intent { takes_ownership: true, ..self::intent() };
    let checks = foreign::checks(&with, &intent);
    assert_eq!(checks.iter().map(|check| check.severity).collect::<Vec<_>>(), [Severity::Ok], "{}", checks[0].line());
    with.webhooks = Ok(vec![remote]);
    assert_eq!(foreign::checks(&with, &intent)[0].severity, Severity::Error, "that Istio isn't taken over by it");
}
