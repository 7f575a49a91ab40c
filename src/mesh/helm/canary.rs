//! A second istiod in a cluster, which serves only the workloads that ask for its revision: with a new version or new settings, before the
//! cluster's own istiod gets them.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::{
    control_plane::{self, ControlPlane, INJECTOR, ISTIOD_RELEASE},
    setting::{self, Setting},
    values::{self, Values},
};
use crate::{
    data::Release,
    istio::well_known,
    mesh::{
        names::{Namespace, Revision},
        pod,
    },
};

const REVISION: Setting = Setting::new(&["revision"], "canary.revision");

/// What is different from the cluster's own istiod.
#[derive(Clone, Debug, PartialEq)]
pub struct Canary {
    /// The name by which workloads ask for it.
    pub revision: Revision,
    /// Its version, for example `1.31.0`; `None` for that of the cluster's own istiod.
    pub istio_version: Option<String>,
    /// The user's values on top of those of the cluster's own istiod.
    pub values: Vec<Values>,
}

impl Canary {
    /// Returns the name of its release, of its Deployment and of its Service.
    pub fn release_name(&self) -> String {
        format!("{ISTIOD_RELEASE}-{}", self.revision)
    }

    /// Returns the revision of an istiod by the name of its release; `None` for the cluster's own istiod.
    pub fn revision_of(release: &str) -> Option<&str> {
        release.strip_prefix(ISTIOD_RELEASE)?.strip_prefix('-')
    }

    /// Returns the name of the webhook that injects its sidecars, for an istiod in this namespace.
    pub fn injector_webhook(&self, namespace: &Namespace) -> String {
        control_plane::of_namespace(&format!("{INJECTOR}-{}", self.revision), namespace)
    }

    /// Whether the proxy of a pod is of a revision. A pod that has ended, or ends, needs no istiod any more.
    pub fn has_injected(revision: &str, pod: &Json) -> bool {
        pod["metadata"]["annotations"][well_known::REVISION_LABEL] == revision && !pod::has_ended(pod)
    }

    /// Returns the names by which namespaces ask for a revision: its own, and the tags that its injection webhooks have.
    pub fn names_of<'a>(revision: &'a str, injectors: &'a [Json]) -> BTreeSet<&'a str> {
        let labels = injectors.iter().map(|injector| &injector["metadata"]["labels"]);
        let tags = labels
            .filter(|labels| labels[well_known::REVISION_LABEL] == revision)
            .filter_map(|labels| labels[well_known::TAG_LABEL].as_str());
        std::iter::once(revision).chain(tags).collect()
    }
}

/// The attributes of a canary that a deployed release shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedCanary {
    /// Its revision.
    pub revision: String,
    /// Its values where they differ from those of the cluster's own istiod, as YAML; `None` if they don't.
    pub values: Option<String>,
}

impl ImportedCanary {
    /// Reads a release of the chart `istiod`; `None` if it is no canary. `own` are the values of the cluster's own istiod.
    pub fn of(release: &str, values: &Json, own: &Json) -> Option<Self> {
        let revision = REVISION.read_text(values).filter(|revision| Canary::revision_of(release) == Some(revision))?;
        let values = setting::without(values, &[REVISION.path()]);
        Some(Self { revision, values: values::to_yaml(&values::added(&values, own)) })
    }
}

impl ControlPlane {
    /// The release of a canary: this control plane with what is different. Its tags are its own, as a tag can't lead to two.
    pub fn canary_release(&self, canary: &Canary, version: Option<String>) -> Release {
        let istiod = self.istiod_release(version);
        let tags = [vec!["revisionTags".to_owned()], vec!["pilot".to_owned(), "revisionTags".to_owned()]];
        let values = values::merge(&setting::without(&istiod.values, &tags), &Values::merged(&canary.values));
        let decisions: Vec<_> = self.decisions().into_iter().chain([REVISION.to(canary.revision.as_str())]).collect();
        Release { name: canary.release_name(), values: setting::applied(&values, &decisions), ..istiod }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_canary_is_read_back_as_what_differs_from_istiod() {
        let own = json!({"global": {"hub": "h", "tag": "a"}, "pilot": {"env": {"A": "1"}}});
        let values =
            json!({"revision": "next", "global": {"hub": "h", "tag": "b"}, "pilot": {"env": {"A": "1"}}, "revisionTags": ["trial"]});
        let found = ImportedCanary::of("istiod-next", &values, &own).expect("a canary");
        assert_eq!(found.revision, "next");
        assert!(values::same_yaml(&found.values.expect("values"), "global: {tag: b}\nrevisionTags: [trial]"));
        assert_eq!(ImportedCanary::of("istiod-next", &json!({"revision": "next"}), &json!({})).expect("a canary").values, None);
        assert_eq!(ImportedCanary::of("istiod", &own, &own), None);
        assert_eq!(ImportedCanary::of("istiod-other", &values, &own), None, "of other names");
    }

    #[test]
    fn the_webhook_has_the_revision_and_an_unusual_namespace_in_its_name() {
        let canary = Canary { revision: Revision::parse("next").expect("a name"), istio_version: None, values: Vec::new() };
        let name = |namespace: &str| canary.injector_webhook(&Namespace::parse(namespace).expect("a name"));
        assert_eq!([name("istio-system"), name("mesh")], ["istio-sidecar-injector-next", "istio-sidecar-injector-next-mesh"]);
    }
}
