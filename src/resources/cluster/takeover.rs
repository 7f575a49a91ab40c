//! The charts' objects outside of any namespace, which a create with `adopt` takes over beside the releases: Helm does so without a word, whatever
//! they belong to.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use serde_json::Value as Json;

use super::{Cluster, adoption::Others};
use crate::{
    data::{Kind, release_of},
    mesh::{
        helm::control_plane::{BASE_RELEASE, ISTIOD_RELEASE},
        precheck::is_definition,
    },
    ports::Failure,
    world::World,
};
use framework::{AttributePath, Cx, Error};

/// The kinds of these objects.
const KINDS: [Kind; 5] = [Kind::CRD, Kind::CLUSTER_ROLE, Kind::CLUSTER_ROLE_BINDING, Kind::MUTATING_WEBHOOK, Kind::VALIDATING_WEBHOOK];

/// Objects of one owner that isn't one of the releases that are taken over.
pub(super) struct Strays {
    /// Their release, namespace and name; `None` if they belong to none.
    release: Option<(String, String)>,
    /// Whether that release exists.
    is_live: bool,
    /// How many there are of each kind.
    counts: BTreeMap<&'static str, usize>,
}

impl Strays {
    fn counted(&self) -> String {
        self.counts
            .iter()
            .map(|(kind, count)| format!("{count} {kind}{}", if *count == 1 { "" } else { "s" }))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// A line of what a plan announces.
    pub(super) fn line(&self) -> String {
        let owner = match &self.release {
            Some((namespace, name)) => format!("the Helm release {namespace}/{name}, which is gone"),
            None => "no Helm release".to_owned(),
        };
        format!("objects of {owner}: {} become those of the releases {BASE_RELEASE} and {ISTIOD_RELEASE}", self.counted())
    }
}

impl Cluster {
    /// Returns what the create would take over of owners other than `others` and its own releases. It is an error if a release that exists is one
    /// of them: its next upgrade would be refused, or its removal take the objects away.
    pub(super) async fn strays(&self, others: &Others, cx: &Cx<'_, World>) -> Result<Vec<Strays>, Failure> {
        let lists = try_join_all(KINDS.map(|kind| self.on(cx).list_metadata(kind, None, ""))).await?;
        let mut found = BTreeMap::<Option<(String, String)>, BTreeMap<&'static str, usize>>::new();
        for (kind, object) in KINDS.iter().zip(&lists).flat_map(|(kind, list)| list.iter().map(move |object| (kind, object))) {
            if !self.is_of_charts(*kind, object) {
                continue;
            }
            let release = release_of(object);
            if !release.as_ref().is_some_and(|(namespace, name)| namespace == self.namespace() && is_taken_over(name, others)) {
                *found.entry(release).or_default().entry(kind.kind).or_default() += 1;
            }
        }
        let mut strays = Vec::new();
        for (release, counts) in found {
            let is_live = match &release {
                Some((namespace, name)) => self.on(cx).release(namespace, name).await?.is_some(),
                None => false,
            };
            strays.push(Strays { release, is_live, counts });
        }
        Ok(strays)
    }

    /// Whether an object has a name that the charts give, for an istiod without a revision in this namespace.
    fn is_of_charts(&self, kind: Kind, object: &Json) -> bool {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        match kind {
            Kind::CRD => is_definition(object),
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
    pub(super) fn check_strays(&self, strays: &[Strays]) -> Result<(), Error> {
        let Some((stray, (namespace, name))) =
            strays.iter().filter(|stray| stray.is_live).find_map(|stray| Some((stray, stray.release.as_ref()?)))
        else {
            return Ok(());
        };
        let detail = format!(
            "As `adopt` is true, the apply would take over objects outside of any namespace that belong to the Helm release {namespace}/{name} of cluster \
             \"{}\": {}. That release exists: its next upgrade would fail, or take them back. Nothing was changed.\n\nIf that release is to go, \
             uninstall it first: an istiod in it goes, too, and definitions without the annotation `helm.sh/resource-policy: keep` go with all objects of their \
             kinds. If it is to stay, leave this control plane to the tool that manages it.",
            self.cluster,
            stray.counted()
        );
        Err(Error::new("Objects belong to another release", detail).at(AttributePath::new("adopt")))
    }
}

/// Whether the adoption takes the release over itself.
fn is_taken_over(release: &str, others: &Others) -> bool {
    [BASE_RELEASE, ISTIOD_RELEASE].contains(&release) || others.releases.iter().any(|other| other.name == release)
}
