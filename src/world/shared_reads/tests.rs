use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{data::MANAGER, mesh::labels::MANAGED_BY, ports::fakes::FakeObjects};

/// How long a request takes.
const REQUEST: Duration = Duration::from_millis(50);

/// Which version of an object was there since when.
type History = Vec<(Instant, Option<u64>)>;

/// Fakes that take time for each request, count them, and remember what each object was when.
#[derive(Default)]
struct Slow {
    fakes: FakeObjects,
    requests: Mutex<BTreeMap<&'static str, usize>>,
    /// By name; `None` since an object was deleted.
    history: Mutex<BTreeMap<String, History>>,
    failures: Mutex<Option<Random>>,
    denies_lists: bool,
}

impl Slow {
    /// Lets half of the time of a request pass; fails perhaps.
    async fn half(&self, what: &'static str) -> Result<(), Failure> {
        *self.requests.lock().unwrap().entry(what).or_default() += 1;
        self.pass().await
    }

    async fn pass(&self) -> Result<(), Failure> {
        let (pause, fails) = match &mut *self.failures.lock().unwrap() {
            Some(random) => (REQUEST * u32::try_from(random.below(20)).unwrap() / 20, random.below(12) == 0),
            None => (REQUEST / 2, false),
        };
        deadline().pause(pause).await.unwrap();
        if fails { Err(Failure::new(FailureKind::Unreachable, "Can't reach the cluster", "The connection was lost.")) } else { Ok(()) }
    }

    fn count(&self, what: &str) -> usize {
        self.requests.lock().unwrap().get(what).copied().unwrap_or_default()
    }

    /// Returns when a version was there first, not counting what was before a moment.
    fn effect(&self, name: &str, version: Option<u64>, since: Instant) -> Instant {
        let history = self.history.lock().unwrap();
        history[name].iter().find(|(at, then)| *at >= since && *then == version).expect("an effect").0
    }

    fn set(&self, name: &str, version: Option<u64>) {
        match version {
            Some(version) => self.fakes.put("eu", entry(name, version)),
            None => self.fakes.remove("eu", &reference(name)),
        }
        self.history.lock().unwrap().entry(name.to_owned()).or_default().push((Instant::now(), version));
    }
}

#[async_trait]
impl Objects for Slow {
    async fn get(&self, cluster: &str, object: &ObjectRef, deadline: &Deadline) -> Result<Option<Json>, Failure> {
        self.half("GET").await?;
        let found = self.fakes.get(cluster, object, deadline).await;
        self.pass().await?;
        found
    }

    async fn list(
        &self,
        cluster: &str,
        kind: Kind,
        namespace: Option<&str>,
        labels: &str,
        deadline: &Deadline,
    ) -> Result<Vec<Json>, Failure> {
        self.half("LIST").await?;
        if self.denies_lists {
            return Err(Failure::new(FailureKind::Denied, "Not allowed", "The role lacks `list`."));
        }
        let found = self.fakes.list(cluster, kind, namespace, labels, deadline).await;
        self.pass().await?;
        found
    }

    async fn apply(&self, _: &str, manifest: &Json, _: &Deadline) -> Result<Json, Failure> {
        self.half("APPLY").await?;
        let name = manifest["metadata"]["name"].as_str().unwrap();
        self.set(name, manifest["spec"]["version"].as_u64());
        self.pass().await?;
        Ok(manifest.clone())
    }

    async fn delete(&self, _: &str, object: &ObjectRef, _: &Deadline) -> Result<(), Failure> {
        self.half("DELETE").await?;
        self.set(&object.name, None);
        self.pass().await
    }

    async fn cluster_uid(&self, _: &str, _: &Deadline) -> Result<Option<String>, Failure> {
        unreachable!()
    }

    async fn create(&self, _: &str, _: &Json, _: &Deadline) -> Result<Option<Json>, Failure> {
        unreachable!()
    }

    async fn merge(&self, _: &str, _: &ObjectRef, _: &Json, _: &Deadline) -> Result<Option<Json>, Failure> {
        unreachable!()
    }

    async fn replace(&self, _: &str, _: &Json, _: &Deadline) -> Result<Json, Failure> {
        unreachable!()
    }

    async fn list_metadata(&self, _: &str, _: Kind, _: Option<&str>, _: &str, _: &Deadline) -> Result<Vec<Json>, Failure> {
        unreachable!()
    }

    async fn delete_exactly(&self, _: &str, _: &ObjectRef, _: &str, _: &Deadline) -> Result<(), Failure> {
        unreachable!()
    }

    async fn delete_unchanged(&self, _: &str, _: &Json, _: &Deadline) -> Result<bool, Failure> {
        unreachable!()
    }

    async fn wait(
        &self,
        _: &str,
        _: &ObjectRef,
        _: &str,
        _: &(dyn for<'a> Fn(Option<&'a Json>) -> bool + Sync),
        _: &Deadline,
    ) -> Result<Option<Json>, Failure> {
        unreachable!()
    }

    async fn dry_run(&self, _: &str, _: &Json, _: &Deadline) -> Result<(), Failure> {
        unreachable!()
    }
}

/// Numbers that look random, the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn deadline() -> Deadline {
    Deadline::after(Duration::from_secs(600), CancellationToken::new())
}

fn reference(name: &str) -> ObjectRef {
    ObjectRef::namespaced(Kind::SERVICE_ENTRY, "echo", name)
}

fn entry(name: &str, version: u64) -> Json {
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry",
        "metadata": {"name": name, "namespace": "echo", "labels": {MANAGED_BY: MANAGER, "host": name}},
        "spec": {"version": version},
    })
}

fn selector(name: &str) -> String {
    format!("{MANAGED_BY}={MANAGER},host={name}")
}

fn slow(entries: usize) -> (Arc<Slow>, Arc<SharedReads>) {
    let slow = Slow::default();
    (0..entries).for_each(|number| slow.set(&format!("e{number}"), Some(0)));
    (Arc::new(slow), Arc::new(SharedReads::default()))
}

async fn get(slow: &Slow, shared: &SharedReads, name: &str) -> Result<Option<u64>, Failure> {
    get_of(Owner::Anyone, slow, shared, name).await
}

async fn get_of(owner: Owner, slow: &Slow, shared: &SharedReads, name: &str) -> Result<Option<u64>, Failure> {
    let found = shared.get(slow, "eu", &reference(name), owner, &deadline()).await?;
    Ok(found.and_then(|live| live["spec"]["version"].as_u64()))
}

async fn list(slow: &Slow, shared: &SharedReads, name: &str) -> Result<Option<u64>, Failure> {
    let found = shared.list(slow, "eu", Kind::SERVICE_ENTRY, None, &selector(name), &deadline()).await?;
    assert!(found.iter().all(|live| live["metadata"]["name"] == name), "{found:?}");
    Ok(found.first().and_then(|live| live["spec"]["version"].as_u64()))
}

async fn write(slow: &Slow, shared: &SharedReads, name: &str, version: Option<u64>) -> Result<(), Failure> {
    if let Some(version) = version {
        let manifest = entry(name, version);
        let writing = shared.write("eu", reference(name), Some(&manifest));
        let live = slow.apply("eu", &manifest, &deadline()).await?;
        writing.ended(Some(&live));
    } else {
        let writing = shared.write("eu", reference(name), Some(&Json::Null));
        slow.delete("eu", &reference(name), &deadline()).await?;
        writing.ended(None);
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_few_objects_are_read_one_by_one_and_many_by_one_list() {
    let (slow, shared) = slow(100);
    for number in 0..100 {
        assert_eq!(get(&slow, &shared, &format!("e{number}")).await.unwrap(), Some(0));
        assert_eq!(list(&slow, &shared, &format!("e{number}")).await.unwrap(), Some(0));
    }
    assert_eq!(slow.count("GET") + slow.count("LIST"), FEW + 1);
    let before = slow.count("GET");
    assert_eq!(get(&slow, &shared, "nothing").await.unwrap(), None);
    assert_eq!(slow.count("GET"), before + 1, "it may be there without our label");
    assert_eq!(get_of(Owner::Us, &slow, &shared, "nothing else").await.unwrap(), None);
    assert_eq!(slow.count("GET"), before + 1, "without our label it is as good as none");
}

#[tokio::test(start_paused = true)]
async fn an_object_of_others_is_none_of_ours_however_it_is_read() {
    let (slow, shared) = slow(10);
    let mut theirs = entry("theirs", 1);
    theirs["metadata"]["labels"] = Json::Null;
    slow.fakes.put("eu", theirs);
    assert_eq!(get_of(Owner::Us, &slow, &shared, "theirs").await.unwrap(), None, "by a GET");
    for number in 0..10 {
        assert_eq!(get_of(Owner::Us, &slow, &shared, &format!("e{number}")).await.unwrap(), Some(0));
    }
    assert_eq!(get_of(Owner::Us, &slow, &shared, "theirs").await.unwrap(), None, "by a LIST");
    assert_eq!(get(&slow, &shared, "theirs").await.unwrap(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn reads_at_the_same_time_share_a_request() {
    let (slow, shared) = slow(50);
    let names: Vec<_> = (0..50).map(|number| format!("e{number}")).collect();
    let found = futures::future::join_all(names.iter().map(|name| get(&slow, &shared, name))).await;
    assert!(found.into_iter().all(|found| found.unwrap() == Some(0)));
    assert_eq!((slow.count("GET"), slow.count("LIST")), (FEW, 1));
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_used_for_seconds_only() {
    let (slow, shared) = slow(5);
    for _ in 0..3 {
        for number in 0..5 {
            get(&slow, &shared, &format!("e{number}")).await.unwrap();
        }
        tokio::time::advance(SHARED).await;
    }
    assert_eq!((slow.count("GET"), slow.count("LIST")), (FEW, 3));
}

#[tokio::test(start_paused = true)]
async fn without_the_permission_to_list_each_object_is_read() {
    let slow = Slow { denies_lists: true, ..Slow::default() };
    let shared = SharedReads::default();
    for number in 0..10 {
        slow.set(&format!("e{number}"), Some(0));
        assert_eq!(get(&slow, &shared, &format!("e{number}")).await.unwrap(), Some(0));
    }
    assert_eq!((slow.count("GET"), slow.count("LIST")), (10, 1));
}

#[tokio::test(start_paused = true)]
async fn an_object_that_lost_its_label_is_not_gone() {
    let (slow, shared) = slow(10);
    let mut live = entry("e9", 1);
    live["metadata"]["labels"] = Json::Null;
    slow.fakes.put("eu", live);
    for number in 0..9 {
        get(&slow, &shared, &format!("e{number}")).await.unwrap();
    }
    assert_eq!(get(&slow, &shared, "e9").await.unwrap(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn what_helm_has_done_is_seen() {
    let (slow, shared) = slow(10);
    for number in 0..10 {
        get(&slow, &shared, &format!("e{number}")).await.unwrap();
    }
    let writing = shared.write_anything("eu");
    slow.set("e9", Some(7));
    drop(writing);
    assert_eq!(get(&slow, &shared, "e9").await.unwrap(), Some(7));
}

/// Operations as the CLI runs them at once, each reading and writing at random, with requests that fail and another client that writes, too.
/// Every answer must be one that the object gave within the last seconds, and since the last write of this process that ended before the read.
#[tokio::test(start_paused = true)]
async fn reads_are_never_older_than_allowed_whatever_is_written_and_whatever_fails() {
    let mut shared_requests = 0;
    for seed in 0..60 {
        let (slow, shared) = slow(12);
        *slow.failures.lock().unwrap() = Some(Random(seed));
        let versions = Arc::new(Mutex::new(0_u64));
        // By name: when a write of this process that has ended took effect.
        let ended = Arc::new(Mutex::new(BTreeMap::<String, Instant>::new()));
        let operations = (0..10).map(|operation| {
            let (slow, shared, versions, ended) = (Arc::clone(&slow), Arc::clone(&shared), Arc::clone(&versions), Arc::clone(&ended));
            tokio::spawn(async move {
                let mut random = Random(seed * 100 + operation);
                for _ in 0..40 {
                    let name = format!("e{}", random.below(12));
                    let next = || {
                        let mut version = versions.lock().unwrap();
                        *version += 1;
                        *version
                    };
                    match random.below(10) {
                        0 => slow.set(&name, Some(next())),
                        1 => slow.set(&name, None),
                        2 | 3 => {
                            let version = (random.below(4) > 0).then(next);
                            let begun = Instant::now();
                            if write(&slow, &shared, &name, version).await.is_ok() {
                                let effect = slow.effect(&name, version, begun);
                                let mut ended = ended.lock().unwrap();
                                let last = ended.entry(name).or_insert(effect);
                                *last = effect.max(*last);
                            }
                        }
                        4 => {
                            // Interrupted half-way.
                            let _ = Deadline::after(REQUEST / 3, CancellationToken::new())
                                .bound(write(&slow, &shared, &name, Some(next())))
                                .await;
                        }
                        5 => deadline().pause(Duration::from_millis(random.below(3000))).await.unwrap(),
                        kind => {
                            let (begun, since) = (Instant::now(), ended.lock().unwrap().get(&name).copied());
                            let found = match kind {
                                6 => get(&slow, &shared, &name).await,
                                7 => get_of(Owner::Us, &slow, &shared, &name).await,
                                _ => list(&slow, &shared, &name).await,
                            };
                            let Ok(found) = found else { continue };
                            // A LIST and the GETs that make it up each take up to two requests' time.
                            let oldest = begun.checked_sub(SHARED + REQUEST * 4).unwrap_or(begun);
                            let oldest = since.map_or(oldest, |since| since.max(oldest));
                            let allowed = versions_since(&slow, &name, oldest);
                            assert!(allowed.contains(&found), "seed {seed}: {name} was read as {found:?}, and was {allowed:?}");
                        }
                    }
                }
            })
        });
        for outcome in futures::future::join_all(operations).await {
            outcome.expect("an operation");
        }
        shared_requests += slow.count("LIST");
    }
    assert!(shared_requests > 0);
}

/// The versions that an object had since a moment, the one at that moment included.
fn versions_since(slow: &Slow, name: &str, since: Instant) -> BTreeSet<Option<u64>> {
    let history = slow.history.lock().unwrap();
    let history = &history[name];
    let first = history.iter().rposition(|(at, _)| *at < since).unwrap_or_default();
    history[first..].iter().map(|(_, version)| *version).collect()
}

#[tokio::test]
async fn one_list_tells_for_many_creates_what_may_exist() {
    let (fakes, shared) = (FakeObjects::default(), SharedReads::default());
    fakes.put("eu", entry("entry-7", 1));
    for number in 0..50 {
        let name = format!("entry-{number}");
        let may_have = shared.may_have(&fakes, "eu", &reference(&name), &deadline()).await.unwrap();
        assert_eq!(may_have, number == 7, "{name}");
    }
    assert_eq!(fakes.lists("eu", Kind::SERVICE_ENTRY), 1);
    let manifest = entry("entry-8", 1);
    let writing = shared.write("eu", reference("entry-8"), Some(&manifest));
    assert!(shared.may_have(&fakes, "eu", &reference("entry-8"), &deadline()).await.unwrap(), "it may be there by now");
    writing.ended(Some(&manifest));
    assert!(shared.may_have(&fakes, "eu", &reference("entry-8"), &deadline()).await.unwrap());
    assert_eq!(fakes.lists("eu", Kind::SERVICE_ENTRY), 1);
}
