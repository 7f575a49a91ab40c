//! `mesh_cluster`: one cluster's control plane. Owns the namespace's network label, the releases `istio-base` and `istiod`, and the
//! mesh-wide mTLS mode. It is ready when istiod's webhooks really serve, so that whatever refers to it can be created at once.

mod adoption;
#[cfg(test)]
mod adoption_tests;
mod ca;
mod canary;
#[cfg(test)]
mod canary_tests;
mod comparison;
mod creation;
mod definitions;
#[cfg(test)]
mod drift_tests;
mod import;
mod in_use;
mod leftovers;
mod metadata;
mod model;
mod plan;
mod policy;
mod takeover;
#[cfg(test)]
mod tests;
mod webhooks;

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;

use in_use::InUse;
use metadata::NamespaceMetadata;
use model::CanaryModel;
pub(super) use model::ClusterCaRef;
pub use model::ClusterModel;

use crate::world::{ClusterAccess, Creation, LiveCluster, World, in_place, namespace};
use crate::{
    data::{Deployed, Release},
    mesh::{
        Canary, ClusterKey, ControlPlane, MeshId, MutualTlsMode, Namespace, NetworkName, TrustDomain, Values,
        helm::control_plane::{BASE_RELEASE, ISTIOD_RELEASE},
        observe::ignored::IgnoredField,
        signer,
    },
    ports::{Failure, FailureKind},
};
use framework::{Cx, DefaultTimeouts, Error, Observed, Parse, Parsed, Plan, Prior, Reached, Resource, Timeouts, Value};

/// The member of the mesh to be.
pub struct Cluster {
    cluster: ClusterKey,
    plane: ControlPlane,
    metadata: NamespaceMetadata,
    istio_version: Option<String>,
    canary: Option<Canary>,
    delete_crds: bool,
    ignored: Vec<IgnoredField>,
    adopts: bool,
}

/// The member of the mesh that is.
#[derive(Default)]
pub struct ClusterStatus {
    installed_version: String,
    in_use: InUse,
    drift: Vec<String>,
}

impl Cluster {
    fn on<'a>(&'a self, cx: &'a Cx<'_, World>) -> LiveCluster<'a> {
        cx.cluster(&self.cluster)
    }

    fn namespace_labels(&self) -> BTreeMap<String, String> {
        self.metadata.labels.clone().into_iter().chain(self.plane.namespace_labels()).collect()
    }

    fn namespace(&self) -> &str {
        self.plane.namespace.as_str()
    }

    /// `installed` keeps an unpinned version from moving by itself.
    fn version(&self, cx: &Cx<'_, World>, installed: Option<String>) -> Option<String> {
        self.istio_version.clone().or_else(|| cx.world.istio_version.clone()).or(installed)
    }

    async fn release(&self, name: &str, cx: &Cx<'_, World>) -> Result<Option<Deployed>, Error> {
        self.on(cx).release(self.namespace(), name).await.map_err(Error::from)
    }

    /// Installs or upgrades a release, unless it is in place.
    async fn install(&self, release: Release, creation: Option<&Creation>, cx: &Cx<'_, World>) -> Result<Deployed, Error> {
        if creation.is_none()
            && let Some(deployed) = in_place(self.on(cx), &release, &self.ignored).await?
        {
            return Ok(deployed);
        }
        // What an adoption announces is no canary.
        let takes_ownership = self.adopts && creation.is_some() && Canary::revision_of(&release.name).is_none();
        let release = Release { takes_ownership, ..release };
        match self.on(cx).install(&release, creation).await {
            Ok(deployed) => Ok(deployed),
            Err(failure) => Err(self.with_evidence(failure, cx).await),
        }
    }

    /// Adds the state of istiod's pods to a failure.
    async fn with_evidence(&self, failure: Failure, cx: &Cx<'_, World>) -> Error {
        Error::from(failure.seen(crate::world::seen(self.on(cx), self.namespace(), signer::ISTIOD_PODS).await))
    }
}

#[async_trait]
impl Resource for Cluster {
    type World = World;
    type Model = ClusterModel;
    type Spec = Self;
    type Status = ClusterStatus;

    const NAME: &'static str = "mesh_cluster";
    const TIMEOUTS: DefaultTimeouts =
        DefaultTimeouts { apply: Duration::from_secs(600), read: Duration::from_secs(120), delete: Duration::from_secs(600) };
    const IDENTITY: &'static [&'static str] = &["cluster", "namespace"];

    fn timeouts(model: &ClusterModel) -> &Value<Timeouts> {
        &model.timeouts
    }

    fn parse(model: &ClusterModel, parse: &mut Parse<'_>) -> Option<Self> {
        let cluster = parse.required("cluster", &model.cluster, |key| ClusterKey::parse(key));
        let plane = parse_plane(model, parse);
        let ca = parse.nested("ca", &model.ca, |ca, parse| {
            let cluster = parse.required("cluster", &ca.cluster, |key| ClusterKey::parse(key));
            let fingerprint = parse.required("root_fingerprint", &ca.root_fingerprint, |text| Ok::<_, String>(text.clone()));
            let further = parse.each("trusted_fingerprints", &ca.trusted_fingerprints, |text| Ok::<_, String>(text.clone()));
            cluster?;
            Some((fingerprint?, further?))
        });
        let istio_version = parse.optional("istio_version", &model.istio_version, |text| crate::world::parse_version(text));
        let canary = parse.nested("canary", &model.canary, canary::parse);
        let metadata = NamespaceMetadata::parse(model, parse);
        let delete_crds = parse.required("delete_crds", &model.delete_crds, |on| Ok::<_, String>(*on));
        let ignored = parse.each("ignore_drift", &model.ignore_drift, |text| IgnoredField::parse(text));
        let adopts = parse.optional("adopt", &model.adopt, |on| Ok::<_, String>(*on));
        if let (Some(cluster), Value::Value(ClusterCaRef { cluster: Value::Value(signs_for), .. })) = (&cluster, &model.ca)
            && signs_for != cluster.as_str()
        {
            parse.violation(
                parse.path("ca"),
                &format!(
                    "This is the CA of cluster `{signs_for}`, and the resource is for `{cluster}`. Refer to the mesh_cluster_ca of `{cluster}`."
                ),
            );
        }
        Some(Self {
            cluster: cluster?,
            plane: match ca? {
                Some((root, further_roots)) => ControlPlane { root: Some(root), further_roots, ..plane? },
                None => plane?,
            },
            metadata: metadata?,
            istio_version: istio_version?,
            canary: canary?,
            delete_crds: delete_crds?,
            ignored: ignored?,
            adopts: adopts?.unwrap_or_default(),
        })
    }

    fn plan(plan: &mut Plan<'_, ClusterModel, World>, _spec: &Parsed<Self>) {
        plan::plan(plan);
    }

    async fn preview(planned: &mut ClusterModel, cx: &Cx<'_, World>) -> Result<(), Error> {
        adoption::preview(planned, cx).await
    }

    fn plan_destroy(destruction: &mut framework::Destruction<'_, ClusterModel, World>) {
        crate::world::check_destroyable(destruction.world, &destruction.prior.cluster, destruction.report);
    }

    async fn apply(spec: &Self, prior: &Prior<Self>, reached: &mut Reached<ClusterStatus>, cx: &Cx<'_, World>) -> Result<(), Error> {
        cx.world.releases.check().await?;
        let found = spec.own_releases(prior, cx).await?;
        let creation = Creation::begin(&spec.cluster, prior, cx).await;
        spec.check_ca(cx).await?;
        spec.check_policy(prior, cx).await?;
        let outdated = spec.outdated_canaries(prior, found.is_left, cx).await?;
        if found.releases().next().is_none() && !found.is_adopted {
            reached.set(ClusterStatus::default());
        }
        namespace::mark(spec.on(cx), &spec.plane.namespace, &spec.namespace_labels(), &spec.metadata.annotations).await?;
        if !found.is_adopted {
            reached.set(ClusterStatus::default());
        }

        let plane = spec.plane_beside(found.is_unmarked(), spec.serves_the_root(cx).await?);
        let version = spec.version(cx, found.version.clone());
        let base = plane.base_release(spec.version_of_base(version.clone()));
        if creation.is_some() {
            unless_denied(spec.take_up_definitions(cx).await)?;
        }
        let base = spec.install(base, creation.as_ref(), cx).await?;
        // Both of one version, also when none was asked for; with a canary, `base` may be newer.
        let version = version.filter(|_| spec.canary.is_some()).unwrap_or_else(|| base.version.clone());
        let istiod = spec.install(plane.istiod_release(Some(version)), creation.as_ref(), cx).await?;
        // Not before: until all of it is taken over, a destroy must not delete what others have created.
        reached.set(ClusterStatus { installed_version: istiod.version.clone(), ..ClusterStatus::default() });
        spec.apply_canary(&plane, &istiod.version, creation.as_ref(), cx).await?;
        spec.wait_for_webhooks(cx).await?;
        spec.wait_for_root(cx).await?;
        spec.apply_mtls(prior, found.is_left, cx).await?;
        spec.forget_others(prior, cx).await?;
        spec.remove_canaries(&outdated, cx).await?;
        spec.finish(&base, cx).await?;
        spec.wait_for_signer(cx).await?;
        reached.set(ClusterStatus { installed_version: istiod.version, in_use: spec.in_use(cx).await, drift: Vec::new() });
        Ok(())
    }

    async fn read(spec: &Self, cx: &Cx<'_, World>) -> Result<Observed<ClusterStatus>, Error> {
        if !cx.world.clusters.is_known(&spec.cluster) {
            return Ok(Observed::Deferred);
        }
        if spec.on(cx).is_lost().await {
            return Ok(Observed::Unseen);
        }
        let seen = spec.look(cx).await?;
        if seen.base.is_none() && seen.istiod.is_none() && seen.canary.is_none() {
            let remains = spec.remains(cx).await?;
            let found = |line| Observed::Found(ClusterStatus { drift: vec![line], ..ClusterStatus::default() });
            return Ok(remains.map_or(Observed::Gone, found));
        }
        let (drift, in_use) = tokio::join!(spec.differences(&seen, spec.istio_version.clone(), cx), spec.in_use(cx));
        let installed_version = seen.istiod.map(|istiod| istiod.version).unwrap_or_default();
        let drift = [drift?, in_use.lagging.clone()].concat();
        Ok(Observed::Found(ClusterStatus { installed_version, in_use, drift }))
    }

    async fn delete(spec: &Self, cx: &Cx<'_, World>) -> Result<(), Error> {
        let canary = spec.canary.as_ref().map(|canary| format!("{}, ", canary.release_name())).unwrap_or_default();
        let namespace = spec.namespace();
        let objects = format!("the Helm releases {canary}istiod and istio-base in namespace {namespace}, and what istiod has created");
        if spec.on(cx).leaves_behind(&objects).await {
            return Ok(());
        }
        cx.world.releases.check().await?;
        spec.warn_of_sidecars(cx).await;
        if spec.plane.mtls_mode.is_some() {
            spec.delete_policy(cx).await?;
        }
        let base = spec.release(BASE_RELEASE, cx).await?;
        if !spec.delete_crds {
            unless_denied(spec.note_left_definitions(cx).await)?;
        }
        spec.remove_canaries(&spec.canaries(std::iter::once(spec), cx).await?, cx).await?;
        // As long as there is a release, a destroy that was cut off goes on from there.
        spec.on(cx).uninstall(spec.namespace(), ISTIOD_RELEASE).await?;
        spec.remove_leftovers(cx).await?;
        namespace::unmark(spec.on(cx), &spec.plane.namespace).await?;
        spec.on(cx).uninstall(spec.namespace(), BASE_RELEASE).await?;
        if spec.delete_crds {
            spec.remove_crds(base.as_ref(), cx).await?;
        }
        namespace::release(spec.on(cx), &spec.plane.namespace).await.map_err(Error::from)
    }

    async fn import(id: &str, cx: &Cx<'_, World>) -> Result<ClusterModel, Error> {
        import::import(id, cx).await
    }

    fn record(status: &ClusterStatus, model: &mut ClusterModel) {
        model.installed_version = Value::Value(status.installed_version.trim_start_matches('v').to_owned());
        model.ca_in_use = status.in_use.model(std::mem::take(&mut model.ca_in_use));
        model.drift = crate::world::strings(&status.drift);
    }
}

/// What is only for the sake of a later create isn't worth an error where the credentials don't allow it.
fn unless_denied(outcome: Result<(), Failure>) -> Result<(), Failure> {
    outcome.or_else(|failure| if failure.kind == FailureKind::Denied { Ok(()) } else { Err(failure) })
}

/// Reads what the control plane is to be.
fn parse_plane(model: &ClusterModel, parse: &mut Parse<'_>) -> Option<ControlPlane> {
    let key = parse.required("cluster", &model.cluster, |key| Ok::<_, String>(ClusterKey::parse(key).ok()));
    // An istiod that was installed without them is looked for and deleted by its name.
    let mesh_id = parse.required_to_change("mesh_id", &model.mesh_id, |text| MeshId::parse(text), MeshId::parse("unknown").ok());
    let network = parse.required_to_change("network", &model.network, |text| NetworkName::parse(text), NetworkName::parse("unknown").ok());
    let trust_domain = parse.required("trust_domain", &model.trust_domain, |text| TrustDomain::parse(text));
    let aliases = parse.optional_each("trust_domain_aliases", &model.trust_domain_aliases, |text| TrustDomain::parse(text));
    let cluster_name = parse.optional("cluster_name", &model.cluster_name, |text| ClusterKey::parse(text));
    let namespace = parse.required("namespace", &model.namespace, |text| Namespace::parse(text));
    let values = parse.each("values", &model.values, |text| Values::parse(text));
    let private = parse.optional("values_wo", &model.values_wo, |text| Values::parse_private(text));
    let base_values = parse.each("base_values", &model.base_values, |text| Values::parse(text));
    let dns_capture = parse.required("dns_capture", &model.dns_capture, |on| Ok::<_, String>(*on));
    let mtls_mode = parse.optional("mtls_mode", &model.mtls_mode, |text| MutualTlsMode::parse(text));
    Some(ControlPlane {
        mesh_id: mesh_id?,
        trust_domain: trust_domain?,
        trust_domain_aliases: aliases?,
        network: network?,
        cluster_name: cluster_name?.or(key?)?,
        namespace: namespace?,
        dns_capture: dns_capture?,
        values: values?.into_iter().chain(private?).collect(),
        base_values: base_values?,
        mtls_mode: mtls_mode?,
        root: None,
        further_roots: Vec::new(),
    })
}
