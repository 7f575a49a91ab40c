//! `mesh_precheck`: whether a mesh can be installed, as a list of named checks.

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use semver::Version;

use super::check::{CheckModel, configured_clusters, recorded};
use crate::{
    mesh::{
        ClusterKey, Namespace,
        check::Status,
        precheck::{DEFAULT_ROLES, Intent, ROLES},
    },
    world::{World, parse_version, survey},
};
use framework::{Cx, DataSource, Error, Observed, Parse, Set, Value, computed, model, optional};

model! {
    /// Whether a mesh can be installed: access, permissions, the version of Kubernetes, an Istio that another tool has installed, nodes, load balancers
    /// and Istio's charts. For postconditions and `check` blocks, and before the first apply.
    ///
    /// It only reads: nothing is created in the clusters. All clusters are read at the same time, within 20 seconds. A cluster that can't be reached, or of
    /// which something may not be read, is a result and not an error of the data source. Helm fetches the charts that an apply would install to a
    /// temporary folder, within 40 seconds.
    ///
    /// After the apply its results are still true: an Istio that this provider has installed is `ok`. Whether the mesh is well is what `mesh_status` says.
    pub struct PrecheckModel {
        /// Keys of the clusters to check; all of the provider's `clusters` if not set.
        clusters: Set<String> => optional(),
        /// Namespace in which Istio is to be installed. Permissions that the credentials have in this namespace only count as well. Defaults to `istio-system`.
        namespace: String => optional(),
        /// Version of Istio's charts to be installed, for example `1.31.0`. Defaults to the provider's `helm.version`, or else to the newest version.
        istio_version: String => optional(),
        /// Roles of the guide [Least privilege](../guides/least-privilege.md) whose rules the credentials must have: `mesh-installer`, `mesh-exporter`,
        /// `mesh-importer`, `mesh-discovery`, `mesh-caller`, `mesh-reader` or `mesh-inspector`. Empty for none. Defaults to the first three.
        roles: Set<String> => optional(),
        /// The worst severity of all checks: `ok`, `warning`, `unknown` or `error`.
        verdict: String => computed(),
        /// One line for each check that isn't `ok`, the worst first, and with the likely cause of the others at the top. One line if all is well.
        summary: String => computed(),
        /// All checks, in the same order.
        checks: Vec<Value<CheckModel>> => computed(),
    }
}

/// What to check.
pub struct MeshPrecheck {
    clusters: Value<Set<String>>,
    namespace: Namespace,
    istio_version: Option<String>,
    roles: BTreeSet<String>,
}

#[async_trait]
impl DataSource for MeshPrecheck {
    type World = World;
    type Model = PrecheckModel;
    type Spec = Self;
    type Status = Status;

    const NAME: &'static str = "mesh_precheck";
    const TIMEOUT: Duration = Duration::from_secs(60);

    fn parse(model: &PrecheckModel, parse: &mut Parse<'_>) -> Option<Self> {
        let clusters = parse.each("clusters", &model.clusters, |key| ClusterKey::parse(key));
        let namespace = parse.optional("namespace", &model.namespace, |name| Namespace::parse(name));
        let istio_version = parse.optional("istio_version", &model.istio_version, |version| parse_version(version));
        let roles = parse.optional_each("roles", &model.roles, |role| parse_role(role));
        let default = || Namespace::parse(Namespace::ISTIO_SYSTEM).ok();
        clusters?;
        Some(Self {
            clusters: model.clusters.clone(),
            namespace: namespace?.or_else(default)?,
            istio_version: istio_version?,
            roles: roles?.map_or_else(|| DEFAULT_ROLES.map(str::to_owned).into(), |roles| roles.into_iter().collect()),
        })
    }

    async fn read(spec: &Self, cx: &Cx<'_, World>) -> Result<Observed<Status>, Error> {
        let clusters = configured_clusters(&spec.clusters, cx)?;
        let version = spec.istio_version.as_ref().or(cx.world.istio_version.as_ref());
        let intent = Intent {
            namespace: spec.namespace.clone(),
            istio_version: version.and_then(|version| Version::parse(version).ok()),
            roles: spec.roles.clone(),
            takes_ownership: cx.world.takes_ownership,
        };
        Ok(Observed::Found(Status::before(&survey(&clusters, &intent, cx).await, &intent)))
    }

    fn record(status: &Status, model: &mut PrecheckModel) {
        (model.verdict, model.summary, model.checks) = recorded(status);
    }
}

fn parse_role(role: &str) -> Result<String, String> {
    if ROLES.contains(&role) {
        return Ok(role.to_owned());
    }
    Err(format!("\"{role}\" is not one of the roles of the guide Least privilege. It must be one of {}.", ROLES.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value as Json, json};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{
        data::{Permission, Release, Rules},
        ports::{
            Failure, FailureKind, Releases as _,
            fakes::{FakeClock, FakeObjects, FakeReleases},
        },
        world::Clusters,
    };
    use framework::{AttributePath, Deadline, Outcome, decode, encode, erase_data_source};

    /// Two clusters in which a mesh can be installed.
    struct Scene {
        objects: Arc<FakeObjects>,
        releases: Arc<FakeReleases>,
    }

    impl Scene {
        fn new() -> Self {
            let objects = Arc::new(FakeObjects::default());
            for cluster in ["us", "eu"] {
                objects.put(
                    cluster,
                    json!({
                        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "node"}, "spec": {"providerID": "aws:///a/i-0"},
                        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
                    }),
                );
            }
            Self { objects, releases: Arc::default() }
        }

        fn world(&self) -> World {
            World::fake(&self.objects, &self.releases, &FakeClock::default())
        }

        async fn read_in(&self, world: &World, model: PrecheckModel) -> (Option<PrecheckModel>, Outcome) {
            let outcome = erase_data_source::<MeshPrecheck>().read(&encode(&Value::Value(model)), world, CancellationToken::new()).await;
            let found = match decode(&outcome.found, &AttributePath::root()).unwrap() {
                Value::Value(found) => Some(found),
                _ => None,
            };
            (found, outcome)
        }

        async fn summary(&self, model: PrecheckModel) -> String {
            let (found, outcome) = self.read_in(&self.world(), model).await;
            assert!(outcome.diagnostics.errors.is_empty(), "{:?}", outcome.diagnostics);
            found.and_then(|found| found.summary.as_ref_option().cloned()).expect("a result")
        }
    }

    fn istiod(release: Option<&str>) -> Json {
        let mut istiod = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "istiod", "namespace": "istio-system", "labels": {"app": "istiod", "app.kubernetes.io/version": "1.30.2"}},
        });
        if let Some(release) = release {
            istiod["metadata"]["annotations"] =
                json!({"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": "istio-system"});
        }
        istiod
    }

    #[tokio::test]
    async fn clusters_that_are_ready_for_a_mesh_are_ok_and_few_questions_are_asked() {
        let scene = Scene::new();
        let summary = scene.summary(PrecheckModel::default()).await;
        assert_eq!(summary, "ok: 20 checks, no problem");
        assert_eq!(scene.objects.asked_for_permissions(), 0, "the rules say it all");
        for kind in crate::data::Kind::ALL {
            assert!(scene.objects.lists("eu", *kind) <= 1, "{} are listed more than once", kind.plural);
        }
        assert_eq!(scene.objects.names("eu"), ["Node node"], "nothing is created");
    }

    #[tokio::test]
    async fn a_cluster_that_is_down_is_a_result() {
        let scene = Scene::new();
        let down = Failure::new(FailureKind::Unreachable, "Can't reach cluster \"eu\"", "No answer.").raw("connection refused");
        scene.objects.take_down("eu", down);
        let summary = scene.summary(PrecheckModel::default()).await;
        assert!(
            summary.starts_with(
                "error precheck.api_server: cluster eu: Can't reach cluster \"eu\". No answer. The error: connection refused\n"
            ),
            "{summary}"
        );
        assert_eq!(summary.lines().filter(|line| line.contains("precheck.")).count(), 1, "the other one is ok: {summary}");
    }

    #[tokio::test]
    async fn rejected_credentials_are_a_result() {
        let scene = Scene::new();
        scene.objects.take_down("eu", Failure::new(FailureKind::Denied, "Can't read the user of cluster \"eu\"", "They have expired."));
        let summary = scene.summary(PrecheckModel::default()).await;
        assert!(summary.starts_with("error precheck.api_server: cluster eu: Can't read the user"), "{summary}");
    }

    #[tokio::test]
    async fn an_istio_of_others_is_told_apart_from_ours() {
        let scene = Scene::new();
        let release = Release {
            name: "istiod".to_owned(),
            namespace: "istio-system".to_owned(),
            chart: "istiod".to_owned(),
            version: None,
            values: json!({}),
            private: Vec::new(),
            takes_ownership: false,
        };
        let deadline = Deadline::after(Duration::from_secs(1), CancellationToken::new());
        scene.releases.apply("eu", &release, None, &deadline).await.unwrap();
        scene.objects.put("eu", istiod(Some("istiod")));
        assert!(scene.summary(PrecheckModel::default()).await.starts_with("ok: "));

        scene.releases.give_away("eu", "istio-system", "istiod");
        let summary = scene.summary(PrecheckModel::default()).await;
        assert!(
            summary.starts_with("error precheck.istio: cluster eu: Deployment istio-system/istiod: istiod 1.30.2 is there"),
            "{summary}"
        );
        assert!(summary.contains("`adopt = true` in the mesh_cluster, or import it"), "{summary}");
    }

    #[tokio::test]
    async fn rules_that_are_not_all_are_completed_by_questions() {
        let scene = Scene::new();
        scene.objects.set_rules("eu", Rules { rules: Vec::new(), is_complete: false });
        let intent = |roles: &[&str]| PrecheckModel {
            roles: Value::Value(roles.iter().map(|role| Value::Value((*role).to_owned())).collect()),
            ..PrecheckModel::default()
        };
        let summary = scene.summary(intent(&["mesh-discovery"])).await;
        assert!(summary.starts_with("error precheck.permissions: cluster eu: mesh-discovery: The credentials can't"), "{summary}");
        let permission = |resource: &str, verb: &str, name: Option<&str>| Permission {
            group: String::new(),
            resource: resource.to_owned(),
            verb: verb.to_owned(),
            namespace: (resource != "namespaces").then(|| "istio-system".to_owned()),
            name: name.map(str::to_owned),
        };
        for verb in ["get", "list", "create", "patch", "delete"] {
            scene.objects.allow(permission("secrets", verb, None));
        }
        for (resource, verb) in [("namespaces", "get"), ("pods", "list"), ("pods/log", "get")] {
            scene.objects.allow(permission(resource, verb, None));
        }
        scene.objects.allow(permission("serviceaccounts/token", "create", Some("istio-reader-service-account")));
        let summary = scene.summary(intent(&["mesh-discovery"])).await;
        assert!(
            summary.starts_with(
                "warning precheck.permissions: cluster eu: mesh-discovery: The credentials can't create and get pods/portforward."
            ),
            "{summary}"
        );
        let summary = scene.summary(intent(&[])).await;
        assert!(summary.starts_with("ok: "), "no role is asked for: {summary}");
    }

    #[tokio::test]
    async fn charts_that_cant_be_had_are_a_result() {
        let scene = Scene::new();
        let failure = Failure::new(FailureKind::NotFound, "Can't get the chart istiod", "Helm can't get the chart.").raw("404 Not Found");
        scene.releases.fail("istiod", failure);
        let summary = scene.summary(PrecheckModel::default()).await;
        let line = "error precheck.charts: chart istiod: Can't get the chart istiod. Helm can't get the chart. The error: 404 Not Found";
        assert!(summary.starts_with(line), "{summary}");
    }

    #[tokio::test]
    async fn the_version_of_kubernetes_is_compared_with_the_version_of_istio() {
        let scene = Scene::new();
        scene.objects.set_version("us", "v1.31.2");
        let line = "warning precheck.kubernetes: cluster us: It is Kubernetes v1.31.2. Istio 1.31 supports 1.32 to 1.36.";
        assert!(scene.summary(PrecheckModel::default()).await.starts_with(line), "by the newest chart");
        let older = PrecheckModel { istio_version: Value::Value("1.29.1".to_owned()), ..PrecheckModel::default() };
        assert!(scene.summary(older).await.starts_with("ok: "));
        let mut world = scene.world();
        world.istio_version = Some("1.29.1".to_owned());
        let (found, _) = scene.read_in(&world, PrecheckModel::default()).await;
        assert_eq!(found.and_then(|found| found.verdict.as_ref_option().cloned()).as_deref(), Some("ok"), "by helm.version");
    }

    #[tokio::test]
    async fn clusters_that_arent_known_are_told_apart_from_those_that_dont_exist() {
        let scene = Scene::new();
        let mut world = scene.world();
        world.clusters = Clusters::Known([("eu".to_owned(), false)].into());
        let (found, _) = scene.read_in(&world, PrecheckModel::default()).await;
        let summary = found.and_then(|found| found.summary.as_ref_option().cloned()).expect("a result");
        assert!(summary.starts_with("unknown precheck.api_server: cluster eu: The access is known only after an apply."), "{summary}");
        let asia =
            PrecheckModel { clusters: Value::Value([Value::Value("asia".to_owned())].into_iter().collect()), ..PrecheckModel::default() };
        let (_, outcome) = scene.read_in(&scene.world(), asia).await;
        assert!(outcome.diagnostics.errors[0].detail.contains("no cluster `asia`"), "{:?}", outcome.diagnostics);
    }
}
