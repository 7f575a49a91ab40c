//! In-memory stand-ins for fast unit tests of the life cycles.

mod authority;
mod capabilities;
mod commands;
mod faulty;
mod namespaces;
mod pods;
mod releases;
mod runs;

pub use authority::FakeAuthority;
pub use commands::FakeCommands;
pub use faulty::{Effect, Faulty};
pub use releases::FakeReleases;
pub use runs::FakeRuns;

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};

use super::{Clock, Failure, FailureKind, Handshakes, Hello, Objects, Token, TokenRequest, Tokens, Waiting};
use crate::data::{Kind, ObjectRef, Secret, selects};
use framework::Deadline;

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type Key = (String, String);

fn key(cluster: &str, object: &ObjectRef) -> Key {
    (cluster.to_owned(), object.to_string())
}

/// Clusters of objects. Each cluster is there as soon as something is written to it.
#[derive(Default)]
pub struct FakeObjects {
    objects: Mutex<BTreeMap<Key, Json>>,
    /// By object: what was applied last. The fields that others have are beside it.
    applied: Mutex<BTreeMap<Key, Json>>,
    /// By object: what goes wrong at each call that names it.
    failures: Mutex<BTreeMap<Key, Failure>>,
    /// By cluster: what goes wrong at each call.
    down: Mutex<BTreeMap<String, Failure>>,
    /// By object: what it becomes as soon as somebody has looked at it, null if it is gone then.
    changes: Mutex<BTreeMap<Key, Json>>,
    /// By object: what somebody makes in its place just before it is written.
    overtaken: Mutex<BTreeMap<Key, Json>>,
    /// By cluster and kind: how often it was listed.
    lists: Mutex<BTreeMap<Key, usize>>,
    /// By pod: what it presents, if it isn't the CA of its namespace.
    presented: Mutex<BTreeMap<Key, String>>,
    /// By cluster: its UID, if that is not the usual one; `None` if it may not be read.
    uids: Mutex<BTreeMap<String, Option<String>>>,
    /// What pods and API servers are said to be.
    scripted: pods::Scripted,
    /// What API servers are said to allow.
    capabilities: capabilities::Scripted,
}

impl FakeObjects {
    /// Puts an object there, as another client would.
    pub fn put(&self, cluster: &str, object: Json) {
        let reference = ObjectRef::of(&object, "default").expect("a known kind");
        lock(&self.objects).insert(key(cluster, &reference), object);
    }

    /// Changes an object as soon as it was looked at, as somebody else would between a look and what follows from it.
    pub fn change_after_look(&self, cluster: &str, object: Json) {
        let reference = ObjectRef::of(&object, "default").expect("a known kind");
        lock(&self.changes).insert(key(cluster, &reference), object);
    }

    /// Puts an object there that is being deleted, and is gone as soon as it was looked at.
    pub fn put_ending(&self, cluster: &str, mut object: Json) {
        let reference = ObjectRef::of(&object, "default").expect("a known kind");
        object["metadata"]["deletionTimestamp"] = "2030-01-01T00:00:00Z".into();
        self.put(cluster, object);
        lock(&self.changes).insert(key(cluster, &reference), Json::Null);
    }

    /// Makes an object as soon as its place is about to be written, as somebody else would who is faster.
    pub fn make_before_write(&self, cluster: &str, object: Json) {
        let reference = ObjectRef::of(&object, "default").expect("a known kind");
        lock(&self.overtaken).insert(key(cluster, &reference), object);
    }

    fn overtake(&self, cluster: &str, object: &ObjectRef) {
        if let Some(made) = lock(&self.overtaken).remove(&key(cluster, object)) {
            self.put(cluster, made);
        }
    }

    /// Removes an object, as somebody else would.
    pub fn remove(&self, cluster: &str, object: &ObjectRef) {
        lock(&self.objects).remove(&key(cluster, object));
        lock(&self.applied).remove(&key(cluster, object));
    }

    /// How often objects of a kind were listed in a cluster.
    pub fn lists(&self, cluster: &str, kind: Kind) -> usize {
        lock(&self.lists).get(&(cluster.to_owned(), kind.plural.to_owned())).copied().unwrap_or_default()
    }

    /// The object as it is.
    pub fn live(&self, cluster: &str, object: &ObjectRef) -> Option<Json> {
        lock(&self.objects).get(&key(cluster, object)).cloned()
    }

    /// All objects of a cluster.
    pub fn all(&self, cluster: &str) -> Vec<Json> {
        lock(&self.objects).iter().filter(|((of, _), _)| of == cluster).map(|(_, object)| object.clone()).collect()
    }

    /// All objects of a cluster, by kind and name.
    pub fn names(&self, cluster: &str) -> Vec<String> {
        lock(&self.objects).keys().filter(|(of, _)| of == cluster).map(|(_, name)| name.clone()).collect()
    }

    /// From now on every call that names the object fails.
    pub fn fail(&self, cluster: &str, object: &ObjectRef, failure: Failure) {
        lock(&self.failures).insert(key(cluster, object), failure);
    }

    /// From now on every call to the cluster fails.
    pub fn take_down(&self, cluster: &str, failure: Failure) {
        lock(&self.down).insert(cluster.to_owned(), failure);
    }

    /// From now on the cluster has this UID, or shows none.
    pub fn set_uid(&self, cluster: &str, uid: Option<&str>) {
        lock(&self.uids).insert(cluster.to_owned(), uid.map(str::to_owned));
    }

    /// From now on the pod presents these certificates; those of the Secret again if `None`.
    pub fn present(&self, cluster: &str, pod: &ObjectRef, certificates: Option<String>) {
        let mut presented = lock(&self.presented);
        match certificates {
            Some(certificates) => presented.insert(key(cluster, pod), certificates),
            None => presented.remove(&key(cluster, pod)),
        };
    }

    /// Nothing fails from now on.
    pub fn mend(&self) {
        lock(&self.failures).clear();
        lock(&self.down).clear();
    }

    fn check_cluster(&self, cluster: &str) -> Result<(), Failure> {
        lock(&self.down).get(cluster).cloned().map_or(Ok(()), Err)
    }

    fn check(&self, cluster: &str, object: &ObjectRef) -> Result<(), Failure> {
        self.check_cluster(cluster)?;
        lock(&self.failures).get(&key(cluster, object)).cloned().map_or(Ok(()), Err)
    }
}

/// Sets the status of what istiod takes up, and the token of a Secret that is to keep one.
fn take_up(live: &mut Json) {
    if live["type"] == "kubernetes.io/service-account-token" {
        let token = format!("endless token of {}", live["metadata"]["name"].as_str().unwrap_or_default());
        live["data"] = json!({"token": STANDARD.encode(token)});
    }
    if Kind::of(live) == Some(Kind::API_GATEWAY) {
        live["status"] = json!({"conditions": [{"type": "Programmed", "status": "True"}]});
    }
}

/// Takes the fields of an earlier apply off the live object, as server-side apply does with those that the next one lacks.
fn withdraw(live: &mut Json, before: &Json) {
    let (Json::Object(live), Json::Object(before)) = (live, before) else { return };
    for (key, before) in before {
        match live.get_mut(key) {
            Some(live) if live.is_object() && before.is_object() => withdraw(live, before),
            _ => drop(live.remove(key)),
        }
    }
    live.retain(|_, value| value.as_object().is_none_or(|fields| !fields.is_empty()));
}

/// Puts the fields of an apply on the live object; those of others stay.
fn merge(live: &mut Json, manifest: &Json) {
    match (live, manifest) {
        (Json::Object(live), Json::Object(manifest)) => {
            for (key, value) in manifest {
                merge(live.entry(key).or_insert(Json::Null), value);
            }
        }
        (live, manifest) => *live = manifest.clone(),
    }
}

/// RFC 7386. What has no fields left is removed, as in [`withdraw`].
fn merge_patch(live: &mut Json, patch: &Json) {
    let Json::Object(patch) = patch else {
        *live = patch.clone();
        return;
    };
    if !live.is_object() {
        *live = json!({});
    }
    let Json::Object(fields) = live else { return };
    for (key, change) in patch {
        if change.is_null() {
            fields.remove(key);
        } else {
            merge_patch(fields.entry(key).or_insert(Json::Null), change);
        }
    }
    fields.retain(|_, value| value.as_object().is_none_or(|fields| !fields.is_empty()));
}

#[async_trait]
impl Objects for FakeObjects {
    async fn cluster_uid(&self, cluster: &str, _: &Deadline) -> Result<Option<String>, Failure> {
        self.check_cluster(cluster)?;
        Ok(lock(&self.uids).get(cluster).cloned().unwrap_or_else(|| Some(format!("the UID of {cluster}"))))
    }

    async fn apply(&self, cluster: &str, manifest: &Json, _: &Deadline) -> Result<Json, Failure> {
        let object = ObjectRef::of(manifest, "default").expect("a known kind");
        self.check(cluster, &object)?;
        self.overtake(cluster, &object);
        let key = key(cluster, &object);
        let before = lock(&self.applied).insert(key.clone(), manifest.clone()).unwrap_or_default();
        let mut objects = lock(&self.objects);
        let live = objects.entry(key).or_default();
        withdraw(live, &before);
        merge(live, manifest);
        take_up(live);
        Ok(live.clone())
    }

    /// Unlike those of an apply, the fields are the client's for good: a later apply that lacks some doesn't remove them.
    async fn create(&self, cluster: &str, manifest: &Json, _: &Deadline) -> Result<Option<Json>, Failure> {
        let object = ObjectRef::of(manifest, "default").expect("a known kind");
        self.check(cluster, &object)?;
        self.overtake(cluster, &object);
        if self.live(cluster, &object).is_some() {
            return Ok(None);
        }
        let mut live = manifest.clone();
        take_up(&mut live);
        self.put(cluster, live.clone());
        Ok(Some(live))
    }

    async fn merge(&self, cluster: &str, object: &ObjectRef, patch: &Json, _: &Deadline) -> Result<Option<Json>, Failure> {
        self.check(cluster, object)?;
        let mut objects = lock(&self.objects);
        let Some(live) = objects.get_mut(&key(cluster, object)) else { return Ok(None) };
        merge_patch(live, patch);
        Ok(Some(live.clone()))
    }

    async fn replace(&self, cluster: &str, object: &Json, _: &Deadline) -> Result<Json, Failure> {
        let reference = ObjectRef::of(object, "default").expect("a known kind");
        self.check(cluster, &reference)?;
        lock(&self.objects).insert(key(cluster, &reference), object.clone());
        Ok(object.clone())
    }

    async fn get(&self, cluster: &str, object: &ObjectRef, _: &Deadline) -> Result<Option<Json>, Failure> {
        self.check(cluster, object)?;
        let live = self.live(cluster, object);
        match lock(&self.changes).remove(&key(cluster, object)) {
            Some(Json::Null) => self.remove(cluster, object),
            Some(changed) => self.put(cluster, changed),
            None => {}
        }
        Ok(live)
    }

    async fn list(&self, cluster: &str, kind: Kind, namespace: Option<&str>, labels: &str, _: &Deadline) -> Result<Vec<Json>, Failure> {
        self.check_cluster(cluster)?;
        *lock(&self.lists).entry((cluster.to_owned(), kind.plural.to_owned())).or_default() += 1;
        let objects = lock(&self.objects);
        let of_cluster =
            objects.iter().filter(|((of, _), object)| of == cluster && Kind::of(object) == Some(kind)).map(|(_, object)| object);
        let within = of_cluster.filter(|object| namespace.is_none_or(|namespace| object["metadata"]["namespace"] == namespace));
        Ok(within.filter(|object| selects(labels, object)).cloned().collect())
    }

    async fn list_metadata(
        &self,
        cluster: &str,
        kind: Kind,
        namespace: Option<&str>,
        labels: &str,
        deadline: &Deadline,
    ) -> Result<Vec<Json>, Failure> {
        let objects = self.list(cluster, kind, namespace, labels, deadline).await?;
        let metadata = |object: Json| json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "metadata": object["metadata"]});
        Ok(objects.into_iter().map(metadata).collect())
    }

    async fn delete(&self, cluster: &str, object: &ObjectRef, _: &Deadline) -> Result<(), Failure> {
        self.check(cluster, object)?;
        self.remove(cluster, object);
        Ok(())
    }

    async fn delete_exactly(&self, cluster: &str, object: &ObjectRef, uid: &str, deadline: &Deadline) -> Result<(), Failure> {
        match self.get(cluster, object, deadline).await? {
            Some(live) if live["metadata"]["uid"].as_str().unwrap_or_default() == uid => self.delete(cluster, object, deadline).await,
            _ => Ok(()),
        }
    }

    async fn delete_unchanged(&self, cluster: &str, read: &Json, deadline: &Deadline) -> Result<bool, Failure> {
        let object = ObjectRef::of(read, "default").expect("a known kind");
        match self.get(cluster, &object, deadline).await? {
            Some(live) if live == *read => self.delete(cluster, &object, deadline).await.map(|()| true),
            live => Ok(live.is_none()),
        }
    }

    async fn wait(
        &self,
        cluster: &str,
        object: &ObjectRef,
        what: &str,
        wanted: &(dyn for<'a> Fn(Option<&'a Json>) -> bool + Sync),
        deadline: &Deadline,
    ) -> Result<Option<Json>, Failure> {
        let mut waiting = Waiting::until(deadline);
        loop {
            match waiting.outlast(self.get(cluster, object, deadline).await)? {
                Some(live) if wanted(live.as_ref()) => return Ok(live),
                _ => waiting.pause(Duration::from_millis(5), &format!("{object} is not ready"), &format!("waiting for {what}")).await?,
            }
        }
    }

    /// As a cluster whose istiod serves and refuses everything.
    async fn dry_run(&self, cluster: &str, manifest: &Json, _: &Deadline) -> Result<(), Failure> {
        self.check(cluster, &ObjectRef::of(manifest, "default").expect("a known kind"))?;
        Err(Failure::new(FailureKind::Rejected, "refused", "refused").raw("admission webhook \"validation.istio.io\" denied the request"))
    }
}

#[async_trait]
impl Tokens for FakeObjects {
    /// Returns a token that names its account; valid for an hour at most.
    async fn issue(&self, cluster: &str, request: &TokenRequest, _: &Deadline) -> Result<Token, Failure> {
        self.check(cluster, &ObjectRef::namespaced(Kind::SERVICE_ACCOUNT, &request.namespace, &request.service_account))?;
        Ok(Token {
            token: Secret::new(format!("token of {}/{}", request.namespace, request.service_account)),
            expires_at: FakeClock::default().now() + request.lifetime.min(Duration::from_secs(3600)),
        })
    }
}

#[async_trait]
impl Handshakes for FakeObjects {
    /// As an istiod that has taken up the Secret `cacerts` of its namespace, unless it is set otherwise.
    async fn presented(&self, cluster: &str, pod: &ObjectRef, _: &Hello, deadline: &Deadline) -> Result<String, Failure> {
        self.check(cluster, pod)?;
        if let Some(presented) = lock(&self.presented).get(&key(cluster, pod)) {
            return Ok(presented.clone());
        }
        let secret = ObjectRef::namespaced(Kind::SECRET, pod.namespace.clone().unwrap_or_default(), "cacerts");
        let secret = self.get(cluster, &secret, deadline).await?.unwrap_or_default();
        let encoded = secret["data"]["cert-chain.pem"].as_str().unwrap_or_default();
        let chain = String::from_utf8(STANDARD.decode(encoded).unwrap_or_default()).unwrap_or_default();
        Ok(FakeAuthority::issued_by(&chain))
    }
}

/// A clock that stands still until it is set.
#[derive(Clone, Default)]
pub struct FakeClock(std::sync::Arc<Mutex<Duration>>);

impl FakeClock {
    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        *lock(&self.0) += by;
    }
}

impl Clock for FakeClock {
    fn now(&self) -> time::OffsetDateTime {
        time::macros::datetime!(2030-01-01 00:00 UTC) + *lock(&self.0)
    }
}
