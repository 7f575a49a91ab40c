//! The charts' objects outside of any namespace, which a create with `adopt` takes over beside the releases.

use futures::future::try_join_all;
use serde_json::Value as Json;

use super::{Cluster, adoption::Others};
use crate::{
    data::Kind,
    mesh::{
        helm::control_plane::{BASE_RELEASE, ISTIOD_RELEASE},
        precheck::is_definition,
    },
    ports::Failure,
    world::{Sorted, Strays, World},
};
use framework::{Cx, Error};

/// The kinds of these objects.
const KINDS: [Kind; 5] = [Kind::CRD, Kind::CLUSTER_ROLE, Kind::CLUSTER_ROLE_BINDING, Kind::MUTATING_WEBHOOK, Kind::VALIDATING_WEBHOOK];

/// How to get on where they belong to a release that exists.
const WAY_OUT: &str = "If that release is to go, uninstall it first: an istiod in it goes, too, and definitions without the annotation \
                       `helm.sh/resource-policy: keep` go with all objects of their kinds. If it is to stay, leave this control plane to the tool that \
                       manages it. If it has only the definitions, they can stay with it: set `base_values = [\"base: {enableCRDTemplates: false}\"]`.";

impl Cluster {
    /// Returns what the create would take over of owners other than `others` and its own releases.
    pub(super) async fn strays(&self, others: &Others, cx: &Cx<'_, World>) -> Result<Vec<Strays>, Failure> {
        let lists = try_join_all(KINDS.map(|kind| self.on(cx).list_metadata(kind, None, ""))).await?;
        let found = self.sorted(&lists, others);
        self.on(cx).strays(found).await
    }

    /// Sorts lists of these kinds.
    fn sorted(&self, lists: &[Vec<Json>], others: &Others) -> Sorted {
        let all = KINDS.iter().zip(lists).flat_map(|(kind, list)| list.iter().map(move |object| (kind, object)));
        let objects = all.filter(|(kind, object)| self.is_of_charts(**kind, object)).map(|(_, object)| object);
        Sorted::of(objects, |namespace, name| namespace == self.namespace() && is_taken_over(name, others))
    }

    /// Whether an object has a name that the charts give, for an istiod without a revision in this namespace.
    fn is_of_charts(&self, kind: Kind, object: &Json) -> bool {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        match kind {
            Kind::CRD => is_definition(object) && self.plane.brings_definition(name),
            Kind::MUTATING_WEBHOOK => name == self.plane.injector_webhook(),
            Kind::VALIDATING_WEBHOOK => name == "istiod-default-validator" || name == self.plane.validator_webhook(),
            // `istiod-clusterrole-istio-system`, and `istiod-istio-system` of older charts.
            _ => {
                let stem = name.strip_suffix(self.namespace()).and_then(|stem| stem.strip_suffix('-')).unwrap_or_default();
                ["istiod", "istiod-clusterrole", "istiod-gateway-controller", "istio-reader", "istio-reader-clusterrole"].contains(&stem)
            }
        }
    }

    /// Refuses to take over objects of a release that exists and isn't taken over itself.
    pub(super) fn check_strays(&self, strays: &[Strays], cx: &Cx<'_, World>) -> Result<(), Error> {
        self.on(cx).check_strays(strays, "objects outside of any namespace", WAY_OUT)
    }
}

/// Returns the lines by which a plan announces them.
pub(super) fn lines(strays: &[Strays]) -> impl Iterator<Item = String> {
    strays.iter().map(|stray| stray.line(&format!("the releases {BASE_RELEASE} and {ISTIOD_RELEASE}")))
}

/// Whether the adoption takes the release over itself.
fn is_taken_over(release: &str, others: &Others) -> bool {
    [BASE_RELEASE, ISTIOD_RELEASE].contains(&release) || others.releases.iter().any(|other| other.name == release)
}
