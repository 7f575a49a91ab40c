//! Creates that are cut short. Whatever they make carries a mark until all of it is in place, and a later create goes on with what it finds so
//! marked. An object without the mark is another state's, even if it equals the configuration.

use std::time::Duration;

use framework::{Cx, Error, Prior, Reached};
use serde_json::Value as Json;

use super::{LiveCluster, World, not_ours};
use crate::{
    data::{Deployed, Kind, Mark, ObjectRef},
    mesh::{ClusterKey, observe::drift::own_differences},
    ports::{Failure, FailureKind, Run},
};

/// How often to look whether another run is over.
const POLL: Duration = Duration::from_secs(2);

/// A create in progress, or the continuation of one that failed. It is known to be at work as long as this exists.
pub(crate) struct Creation {
    mark: Mark,
    _run: Run,
}

impl Creation {
    /// Begins a create in a cluster. `None` if a finished apply has left the object: what an update writes needs no mark.
    pub(crate) async fn begin<S>(cluster: &ClusterKey, prior: &Prior<S>, cx: &Cx<'_, World>) -> Option<Self> {
        if prior.finished().is_some() {
            return None;
        }
        let run = cx.world.runs.begin().await;
        let until = cx.world.clock.now() + cx.deadline.remaining();
        Some(Self { mark: Mark { cluster: cluster.to_string(), run: run.id.clone(), until }, _run: run })
    }

    /// The mark of this create.
    pub(crate) fn mark(&self) -> &Mark {
        &self.mark
    }
}

/// Returns the manifest with the mark of a create, if there is one.
pub(crate) fn marked(manifest: Json, creation: Option<&Creation>) -> Json {
    match creation {
        Some(creation) => creation.mark.on(manifest),
        None => manifest,
    }
}

impl LiveCluster<'_> {
    /// Creates an object that no one else may change; false if there is another one by its name, which stays as it is. Unlike an apply after a
    /// look, this can't overwrite what somebody has made since.
    pub(crate) async fn create_own(self, manifest: &Json) -> Result<bool, Failure> {
        Ok(self.is_created(manifest).await? || self.is_created_after_all(manifest).await?)
    }

    /// Creates an object; false if there is one.
    async fn is_created(self, manifest: &Json) -> Result<bool, Failure> {
        let Some(created) = self.create(manifest).await? else { return Ok(false) };
        // What differs was changed on the way.
        if !own_differences(manifest, &created).is_empty() {
            self.apply_own(manifest).await?;
        }
        Ok(true)
    }

    /// Looks at the object that was there when one was to be created. One that equals the manifest, with its mark, was made by this run, and the
    /// answer was lost. One that is gone by now is created.
    async fn is_created_after_all(self, manifest: &Json) -> Result<bool, Failure> {
        let Some(object) = ObjectRef::of(manifest, "") else { return Ok(false) };
        match self.get(&object).await? {
            Some(found) => Ok(own_differences(manifest, &found).is_empty()),
            None => self.is_created(manifest).await,
        }
    }

    /// Creates an object that a look hasn't found (`is_new`), or changes one that is ours. False if somebody has made it since the look, and it
    /// stays as it is.
    pub(crate) async fn put_own(self, manifest: &Json, is_new: bool) -> Result<bool, Failure> {
        if is_new {
            return self.create_own(manifest).await;
        }
        // It has no `spec` that others could add to.
        if Kind::of(manifest) == Some(Kind::SECRET) {
            self.apply(manifest).await?;
        } else {
            self.apply_own(manifest).await?;
        }
        Ok(true)
    }

    /// Puts the object that a resource begins with. One that somebody has made since the look is an error that names the import, and then nothing
    /// is reached.
    pub(crate) async fn put_first<S>(
        self,
        manifest: &Json,
        is_new: bool,
        reached: &mut Reached<S>,
        import: impl Fn() -> String,
    ) -> Result<(), Error> {
        if !is_new {
            return self.put_own(manifest, false).await.map(drop).map_err(Error::from);
        }
        if self.is_created(manifest).await? {
            return Ok(());
        }
        // Until it is known whose the object is that there is, nothing is reached. If it is this run's, a later create knows it by its mark.
        let was = std::mem::replace(reached, Reached::nothing());
        if self.is_created_after_all(manifest).await? {
            *reached = was;
            return Ok(());
        }
        let object = ObjectRef::of(manifest, "").map(|object| object.to_string()).unwrap_or_default();
        Err(not_ours(self.key, &object, &import()))
    }

    /// Returns the mark of an object, if a create for this cluster's key has made it and not finished.
    pub(crate) fn mark_on(self, object: &Json) -> Option<Mark> {
        Mark::of(object).filter(|mark| mark.cluster == self.key.as_str())
    }

    /// Returns the mark of releases, if a create for this cluster's key has made them all and not finished. One of them may have lost it.
    pub(crate) fn mark_of<'b>(self, releases: impl Iterator<Item = &'b Deployed>) -> Option<Mark> {
        let mut found = None;
        for release in releases {
            match &release.mark {
                Some(mark) if mark.cluster == self.key.as_str() => found = Some(mark.clone()),
                None if release.is_ours => {}
                _ => return None,
            }
        }
        found
    }

    /// Returns an object that an interrupted create of this cluster's key has left, for a create to go on with; `None` if there is no object. Any
    /// other object is an error that names the import.
    pub(crate) async fn left(self, object: &ObjectRef, import: impl Fn() -> String) -> Result<Option<Json>, Error> {
        loop {
            let Some(live) = self.get(object).await? else { return Ok(None) };
            if self.takes_up(&object.to_string(), self.mark_on(&live), &import).await? {
                return Ok(Some(live));
            }
        }
    }

    /// Whether a create goes on with an object that is not in the state: true if an interrupted create has left it with this mark, false if it
    /// has to be looked at again. Without a mark it is an error that names the import.
    pub(crate) async fn takes_up(self, object: &str, mark: Option<Mark>, import: impl Fn() -> String) -> Result<bool, Error> {
        let Some(mark) = mark else { return Err(not_ours(self.key, object, &import())) };
        if self.is_at_work(&mark, object).await? {
            return Ok(false);
        }
        self.continues(object);
        Ok(true)
    }

    /// Waits a moment if the run that has made something may still be at work on it: true if it has to be looked at again. It is an error if
    /// that run may take longer than this operation.
    pub(crate) async fn is_at_work(self, mark: &Mark, object: &str) -> Result<bool, Error> {
        if !self.may_be_alive(mark) {
            return Ok(false);
        }
        let at_work = || {
            let until = mark.until.replace_nanosecond(0).unwrap_or(mark.until);
            Error::new(
                "Another run is creating it",
                format!(
                    "Cluster \"{}\" already has {object}, and the run of this provider that creates it has not finished: it is at work until {until} \
                     at the latest, or was killed on another machine. Apply again when that run is over, or after that time.",
                    self.key
                ),
            )
        };
        if self.time_left(mark) > self.remaining() {
            return Err(at_work());
        }
        tracing::info!(cluster = self.key.as_str(), object, "waiting for another run of the provider");
        self.pause(POLL).await.map_err(|_| at_work())?;
        // The look that follows is one call, which waits for an API server in trouble less long than this wait may.
        let namespace = ObjectRef::cluster_wide(Kind::NAMESPACE, "kube-system");
        match self.wait(&namespace, "the API server to answer", &|_| true).await {
            Err(failure) if failure.kind != FailureKind::Denied => {
                Err(Failure { summary: format!("Can't reach cluster \"{}\"", self.key), ..failure }.into())
            }
            _ => Ok(true),
        }
    }

    /// Whether an object carries the mark of a run that is over.
    pub(super) fn is_abandoned(self, object: &Json) -> bool {
        self.mark_on(object).is_some_and(|mark| !self.may_be_alive(&mark))
    }

    /// Whether the run of a mark is alive. That of a run on another machine may be until its time is over.
    fn may_be_alive(self, mark: &Mark) -> bool {
        self.world().runs.is_alive(&mark.run).unwrap_or_else(|| self.time_left(mark).is_positive())
    }

    fn time_left(self, mark: &Mark) -> time::Duration {
        mark.until - self.world().clock.now()
    }

    /// Reports that this apply goes on with what another one has left.
    pub(crate) fn continues(self, object: &str) {
        self.warn(Error::new(
            "An interrupted creation is continued",
            format!(
                "Cluster \"{}\" already has {object}. An apply of this provider began to create it and was cut short, so this apply continues.",
                self.key
            ),
        ));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use framework::Deadline;
    use serde_json::json;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{
        ports::{
            Clock as _,
            fakes::{FakeClock, FakeObjects, FakeReleases, FakeRuns},
        },
        world::ClusterAccess as _,
    };

    #[tokio::test]
    async fn a_create_changes_nothing_that_exists_and_knows_what_it_has_made() {
        let objects = Arc::new(FakeObjects::default());
        let world = World::fake(&objects, &Arc::new(FakeReleases::default()), &FakeClock::default());
        let cx = Cx::new(&world, Deadline::after(Duration::from_secs(60), CancellationToken::new()));
        let key = ClusterKey::parse("eu").unwrap();
        let gateway = |host: &str| {
            json!({
                "apiVersion": "networking.istio.io/v1", "kind": "Gateway",
                "metadata": {"name": "echo", "namespace": "istio-system"}, "spec": {"hosts": [host]},
            })
        };
        let object = ObjectRef::of(&gateway("a"), "").unwrap();
        assert!(cx.cluster(&key).create_own(&gateway("a")).await.unwrap());
        assert!(cx.cluster(&key).create_own(&gateway("a")).await.unwrap(), "sent again, as its answer was lost");
        assert!(!cx.cluster(&key).create_own(&gateway("b")).await.unwrap(), "it is another's");
        assert_eq!(objects.live("eu", &object), Some(gateway("a")));
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_living_run_works_on_is_waited_for() {
        let (clock, runs) = (FakeClock::default(), Arc::new(FakeRuns::default()));
        let world =
            World { runs: runs.clone(), ..World::fake(&Arc::new(FakeObjects::default()), &Arc::new(FakeReleases::default()), &clock) };
        let cx = Cx::new(&world, Deadline::after(Duration::from_secs(600), CancellationToken::new()));
        let key = ClusterKey::parse("eu").unwrap();
        let creation = Creation::begin(&key, &Prior::<()>::none(), &cx).await.expect("a create");
        let mark = creation.mark().clone();
        let cx = Cx::new(&world, Deadline::after(Duration::from_secs(3600), CancellationToken::new()));
        assert!(cx.cluster(&key).is_at_work(&mark, "Secret x").await.unwrap(), "it is alive");
        drop(creation);
        assert!(!cx.cluster(&key).is_at_work(&mark, "Secret x").await.unwrap(), "it is over");
        let elsewhere = Mark { run: "elsewhere.1".to_owned(), ..mark };
        assert!(cx.cluster(&key).is_at_work(&elsewhere, "Secret x").await.unwrap(), "it may be alive");
        clock.advance(Duration::from_secs(601));
        assert!(!cx.cluster(&key).is_at_work(&elsewhere, "Secret x").await.unwrap(), "it has ended by now");
        let longer = Mark { until: clock.now() + Duration::from_secs(3601), ..elsewhere };
        let refused = cx.cluster(&key).is_at_work(&longer, "Secret x").await.unwrap_err();
        assert!(refused.detail.contains("2030-01-01 1:10:02"), "{}", refused.detail);
    }
}
