//! Objects that an adoption takes over beside the releases: Helm does so without a word, whatever they belong to.

use std::collections::BTreeMap;

use framework::{AttributePath, Error};
use serde_json::Value as Json;

use super::LiveCluster;
use crate::{data::release_of, ports::Failure};

/// A release's namespace and name; `None` for objects that belong to none.
type Owner = Option<(String, String)>;

/// How many objects of each kind belong to whom.
pub(crate) struct Sorted(BTreeMap<Owner, BTreeMap<String, usize>>);

impl Sorted {
    /// Sorts objects by the releases that they belong to, without those of releases that are taken over themselves.
    pub(crate) fn of<'a>(objects: impl Iterator<Item = &'a Json>, is_taken_over: impl Fn(&str, &str) -> bool) -> Self {
        let mut found = BTreeMap::<Owner, BTreeMap<String, usize>>::new();
        for object in objects {
            let release = release_of(object);
            if !release.as_ref().is_some_and(|(namespace, name)| is_taken_over(namespace, name)) {
                let kind = object["kind"].as_str().unwrap_or_default().to_owned();
                *found.entry(release).or_default().entry(kind).or_default() += 1;
            }
        }
        Self(found)
    }
}

/// Objects of one owner that isn't one of the releases that are taken over.
pub(crate) struct Strays {
    release: Owner,
    /// Whether that release exists.
    is_live: bool,
    /// How many there are of each kind.
    counts: BTreeMap<String, usize>,
}

impl Strays {
    fn counted(&self) -> String {
        self.counts
            .iter()
            .map(|(kind, count)| format!("{count} {kind}{}", if *count == 1 { "" } else { "s" }))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// A line of what a plan announces. `releases` are those that the objects become a part of.
    pub(crate) fn line(&self, releases: &str) -> String {
        let owner = match &self.release {
            Some((namespace, name)) => format!("the Helm release {namespace}/{name}, which is gone"),
            None => "no Helm release".to_owned(),
        };
        format!("objects of {owner}: {} become those of {releases}", self.counted())
    }
}

impl LiveCluster<'_> {
    /// Looks which of the releases exist that objects belong to.
    pub(crate) async fn strays(self, found: Sorted) -> Result<Vec<Strays>, Failure> {
        let mut strays = Vec::new();
        for (release, counts) in found.0 {
            let is_live = match &release {
                Some((namespace, name)) => self.release(namespace, name).await?.is_some(),
                None => false,
            };
            strays.push(Strays { release, is_live, counts });
        }
        Ok(strays)
    }

    /// Refuses to take over objects of a release that exists and isn't taken over itself. `objects` says where they are, and `way_out` how to get
    /// on.
    pub(crate) fn check_strays(self, strays: &[Strays], objects: &str, way_out: &str) -> Result<(), Error> {
        let Some((stray, (namespace, name))) =
            strays.iter().filter(|stray| stray.is_live).find_map(|stray| Some((stray, stray.release.as_ref()?)))
        else {
            return Ok(());
        };
        let detail = format!(
            "As `adopt` is true, the apply would take over {objects} that belong to the Helm release {namespace}/{name} of cluster \"{}\": {}. That \
             release exists: its next upgrade would fail, or take them back. Nothing was changed.\n\n{way_out}",
            self.key,
            stray.counted()
        );
        Err(Error::new("Objects belong to another release", detail).at(AttributePath::new("adopt")))
    }
}
