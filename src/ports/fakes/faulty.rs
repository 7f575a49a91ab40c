//! A fault at one of the calls behind the ports: what a resource must get over, whichever call it is.

use std::{future::Future, sync::Arc};

use async_trait::async_trait;
use serde_json::Value as Json;

use super::{FakeObjects, FakeReleases, lock};
use crate::{
    data::{Deployed, Kind, Mark, ObjectRef, Release},
    ports::{Failure, FailureKind, Objects, Releases},
};
use framework::Deadline;

/// Whether a call that fails has done its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It failed before it did anything.
    None,
    /// Its work is done, and only the answer got lost.
    Done,
}

#[derive(Default)]
struct State {
    calls: usize,
    fault: Option<(usize, Effect)>,
    deleted: Vec<String>,
}

/// Fakes of which one call fails.
#[derive(Clone)]
pub struct Faulty {
    objects: Arc<FakeObjects>,
    releases: Arc<FakeReleases>,
    state: Arc<std::sync::Mutex<State>>,
}

impl Faulty {
    /// Fakes of which no call fails yet.
    pub fn new(objects: &Arc<FakeObjects>, releases: &Arc<FakeReleases>) -> Self {
        Self { objects: objects.clone(), releases: releases.clone(), state: Arc::default() }
    }

    /// Makes the call of this number fail, counted from here.
    pub fn fail_at(&self, call: usize, effect: Effect) {
        *lock(&self.state) = State { fault: Some((call, effect)), ..State::default() };
    }

    /// Lets no call fail from here on. Returns whether the fault was met.
    pub fn mend(&self) -> bool {
        let state = std::mem::take(&mut *lock(&self.state));
        state.fault.is_some_and(|(call, _)| call < state.calls)
    }

    /// Returns what was deleted since the last [`mend`](Self::mend) or [`fail_at`](Self::fail_at).
    pub fn deleted(&self) -> Vec<String> {
        lock(&self.state).deleted.clone()
    }

    async fn step<T>(&self, call: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let fault = {
            let mut state = lock(&self.state);
            let number = state.calls;
            state.calls += 1;
            state.fault.filter(|(call, _)| *call == number).map(|(_, effect)| effect)
        };
        let failed = || Err(Failure::new(FailureKind::Unreachable, "Can't reach the cluster", "The connection was lost."));
        match fault {
            Some(Effect::None) => failed(),
            Some(Effect::Done) => call.await.and_then(|_| failed()),
            None => call.await,
        }
    }

    fn note(&self, cluster: &str, deleted: &str) {
        lock(&self.state).deleted.push(format!("{cluster}: {deleted}"));
    }
}

#[async_trait]
impl Objects for Faulty {
    async fn cluster_uid(&self, cluster: &str, deadline: &Deadline) -> Result<Option<String>, Failure> {
        self.step(self.objects.cluster_uid(cluster, deadline)).await
    }

    async fn apply(&self, cluster: &str, manifest: &Json, deadline: &Deadline) -> Result<Json, Failure> {
        self.step(self.objects.apply(cluster, manifest, deadline)).await
    }

    async fn create(&self, cluster: &str, manifest: &Json, deadline: &Deadline) -> Result<Option<Json>, Failure> {
        self.step(self.objects.create(cluster, manifest, deadline)).await
    }

    async fn merge(&self, cluster: &str, object: &ObjectRef, patch: &Json, deadline: &Deadline) -> Result<Option<Json>, Failure> {
        self.step(self.objects.merge(cluster, object, patch, deadline)).await
    }

    async fn replace(&self, cluster: &str, object: &Json, deadline: &Deadline) -> Result<Json, Failure> {
        self.step(self.objects.replace(cluster, object, deadline)).await
    }

    async fn get(&self, cluster: &str, object: &ObjectRef, deadline: &Deadline) -> Result<Option<Json>, Failure> {
        self.step(self.objects.get(cluster, object, deadline)).await
    }

    async fn list(
        &self,
        cluster: &str,
        kind: Kind,
        namespace: Option<&str>,
        labels: &str,
        deadline: &Deadline,
    ) -> Result<Vec<Json>, Failure> {
        self.step(self.objects.list(cluster, kind, namespace, labels, deadline)).await
    }

    async fn list_metadata(
        &self,
        cluster: &str,
        kind: Kind,
        namespace: Option<&str>,
        labels: &str,
        deadline: &Deadline,
    ) -> Result<Vec<Json>, Failure> {
        self.step(self.objects.list_metadata(cluster, kind, namespace, labels, deadline)).await
    }

    async fn delete(&self, cluster: &str, object: &ObjectRef, deadline: &Deadline) -> Result<(), Failure> {
        if self.objects.live(cluster, object).is_some() {
            self.note(cluster, &object.to_string());
        }
        self.step(self.objects.delete(cluster, object, deadline)).await
    }

    async fn delete_exactly(&self, cluster: &str, object: &ObjectRef, uid: &str, deadline: &Deadline) -> Result<(), Failure> {
        if self.objects.live(cluster, object).is_some() {
            self.note(cluster, &object.to_string());
        }
        self.step(self.objects.delete_exactly(cluster, object, uid, deadline)).await
    }

    async fn delete_unchanged(&self, cluster: &str, read: &Json, deadline: &Deadline) -> Result<bool, Failure> {
        let object = ObjectRef::of(read, "default").expect("a known kind");
        if self.objects.live(cluster, &object).is_some() {
            self.note(cluster, &object.to_string());
        }
        self.step(self.objects.delete_unchanged(cluster, read, deadline)).await
    }

    async fn wait(
        &self,
        cluster: &str,
        object: &ObjectRef,
        what: &str,
        wanted: &(dyn for<'a> Fn(Option<&'a Json>) -> bool + Sync),
        deadline: &Deadline,
    ) -> Result<Option<Json>, Failure> {
        self.step(self.objects.wait(cluster, object, what, wanted, deadline)).await
    }

    async fn dry_run(&self, cluster: &str, manifest: &Json, deadline: &Deadline) -> Result<(), Failure> {
        // An istiod that serves refuses it, and that answer can be lost, too.
        let refused = async { Ok(self.objects.dry_run(cluster, manifest, deadline).await) };
        self.step(refused).await?
    }
}

#[async_trait]
impl Releases for Faulty {
    fn locate(&self) -> Result<(), Failure> {
        self.releases.locate()
    }

    async fn check(&self) -> Result<(), Failure> {
        self.step(self.releases.check()).await
    }

    async fn fetch(&self, chart: &str, version: Option<&str>, deadline: &Deadline) -> Result<String, Failure> {
        self.step(self.releases.fetch(chart, version, deadline)).await
    }

    async fn apply(&self, cluster: &str, release: &Release, mark: Option<&Mark>, deadline: &Deadline) -> Result<Deployed, Failure> {
        self.step(self.releases.apply(cluster, release, mark, deadline)).await
    }

    async fn unmark(&self, cluster: &str, namespace: &str, name: &str, deadline: &Deadline) -> Result<(), Failure> {
        self.step(self.releases.unmark(cluster, namespace, name, deadline)).await
    }

    async fn forget(&self, cluster: &str, namespace: &str, name: &str, deadline: &Deadline) -> Result<(), Failure> {
        self.step(self.releases.forget(cluster, namespace, name, deadline)).await
    }

    async fn get(&self, cluster: &str, namespace: &str, name: &str, deadline: &Deadline) -> Result<Option<Deployed>, Failure> {
        self.step(self.releases.get(cluster, namespace, name, deadline)).await
    }

    async fn list(&self, cluster: &str, namespace: Option<&str>, charts: &[&str], deadline: &Deadline) -> Result<Vec<Deployed>, Failure> {
        self.step(self.releases.list(cluster, namespace, charts, deadline)).await
    }

    async fn remove(&self, cluster: &str, namespace: &str, name: &str, deadline: &Deadline) -> Result<Vec<String>, Failure> {
        if self.releases.get(cluster, namespace, name, deadline).await?.is_some() {
            self.note(cluster, &format!("release {namespace}/{name}"));
        }
        self.step(self.releases.remove(cluster, namespace, name, deadline)).await
    }
}
