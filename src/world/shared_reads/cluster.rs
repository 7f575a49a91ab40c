//! What one run has read from a cluster and written to it, in an order of its own: each event has a number, higher than those of all before.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::Value as Json;
use tokio::time::Instant;

use super::{
    FEW,
    found::Found,
    query::Query,
    writes::{Knowledge, Writes},
};
use crate::{
    data::{Kind, ObjectRef},
    ports::{Failure, FailureKind},
};

/// So many answers are kept, whatever their age.
const KEPT: usize = 64;

/// The answer to a query, with the number of the event of its sending.
#[derive(Clone)]
pub(super) struct Answered {
    pub(super) objects: Arc<Found>,
    pub(super) sent: u64,
}

/// The last answer to a query.
pub(super) struct Last {
    outcome: Result<Answered, Failure>,
    arrived: u64,
    at: Instant,
}

impl Last {
    pub(super) fn new(outcome: Result<Answered, Failure>, arrived: u64) -> Self {
        Self { outcome, arrived, at: Instant::now() }
    }

    /// Returns the answer if a read that began at the event `begun` may have it.
    pub(super) fn serve(&self, begun: u64, forgotten: u64, age: Duration) -> Option<Result<Answered, Failure>> {
        let is_young = self.at.elapsed() < age;
        let may_have = match &self.outcome {
            Ok(answered) => answered.sent > forgotten && (is_young || answered.sent > begun),
            // That of another operation's time says nothing about this one's.
            Err(failure) if matches!(failure.kind, FailureKind::TimedOut | FailureKind::Interrupted) => false,
            // Those that waited need not try in vain one after the other.
            Err(failure) => self.arrived > begun || (is_young && failure.kind == FailureKind::Denied),
        };
        may_have.then(|| self.outcome.clone())
    }
}

/// A query's place for its last answer. It is locked while a request is on its way.
type Slot = Arc<tokio::sync::Mutex<Option<Last>>>;

/// A kind in a namespace, or in all.
type Collection = (Kind, Option<String>);

#[derive(Default)]
pub(super) struct SharedCluster {
    events: AtomicU64,
    forgotten: AtomicU64,
    slots: Mutex<HashMap<Query, Slot>>,
    written: Mutex<Writes>,
    /// By kind and namespace: the first few names or selectors that were asked for.
    asked: Mutex<HashMap<Collection, BTreeSet<String>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SharedCluster {
    /// Returns the number of an event that happens now.
    pub(super) fn tick(&self) -> u64 {
        self.events.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Returns the event before which nothing that was sent counts.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::SeqCst)
    }

    /// Returns whether more than a few different things of a kind have been asked for, this one included.
    pub(super) fn asks_for_many(&self, kind: Kind, namespace: Option<&str>, what: &str) -> bool {
        let mut asked = lock(&self.asked);
        let asked = asked.entry((kind, namespace.map(str::to_owned))).or_default();
        if asked.len() <= FEW {
            asked.insert(what.to_owned());
        }
        asked.len() > FEW
    }

    /// Returns the query's place for its answer.
    pub(super) fn slot(&self, query: &Query, age: Duration) -> Slot {
        let mut slots = lock(&self.slots);
        if slots.len() >= KEPT && !slots.contains_key(query) {
            // One that somebody waits for, or writes to, stays.
            slots.retain(|_, slot| {
                Arc::strong_count(slot) > 1 || slot.try_lock().is_ok_and(|last| last.as_ref().is_some_and(|last| last.at.elapsed() < age))
            });
        }
        Arc::clone(slots.entry(query.clone()).or_default())
    }

    /// Returns what is known of an object from writes that ended after the event `sent`.
    pub(super) fn knowledge(&self, object: &ObjectRef, sent: u64) -> Knowledge {
        lock(&self.written).knowledge(object, sent)
    }

    /// Returns the same for all objects of a kind that were written since.
    pub(super) fn written_since(&self, kind: Kind, sent: u64) -> Vec<(ObjectRef, Knowledge)> {
        lock(&self.written).since(kind, sent)
    }
}

/// A write of an object. Unless [`Writing::ended`] is called, its effect is in doubt.
pub(crate) struct Writing {
    of: Arc<SharedCluster>,
    object: ObjectRef,
    live: Option<Option<Json>>,
}

impl Writing {
    pub(super) fn begin(of: Arc<SharedCluster>, object: ObjectRef, manifest: Option<&Json>) -> Self {
        {
            let mut written = lock(&of.written);
            written.begin(&object, manifest, of.tick());
        }
        Self { of, object, live: None }
    }

    /// Notes the answer: the object as it is now, or `None` if it doesn't exist.
    pub(crate) fn ended(mut self, live: Option<&Json>) {
        self.live = Some(live.cloned());
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if self.object.kind == Kind::NAMESPACE {
            self.of.forgotten.store(self.of.tick(), Ordering::SeqCst);
        }
        let mut written = lock(&self.of.written);
        written.end(&self.object, self.live.take(), self.of.tick());
    }
}

/// Something that writes unknown objects, until this is dropped.
pub(crate) struct Forgetting(pub(super) Arc<SharedCluster>);

impl Drop for Forgetting {
    fn drop(&mut self) {
        self.0.forgotten.store(self.0.tick(), Ordering::SeqCst);
    }
}
