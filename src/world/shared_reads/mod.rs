//! Reads that the operations of one run share: a thousand exports that are refreshed one after the other cost a few LISTs rather than thousands
//! of GETs.
//!
//! What such a read returns is never older than [`SHARED`] plus the time of one request, and never older than what this process has written:
//!
//! - An answer of the API server is used by reads that begin while it is young, and by those that waited for a request sent after they began.
//! - Each write is noted when it begins and when it ends. What a request sent before that end has shown of the written object doesn't count: the
//!   answer to the write does instead, or a new GET where the write failed or its answer doesn't tell.
//! - Helm writes objects that aren't known here, and a namespace takes its objects along, so after those nothing is used that was read before.
//!
//! So it suits a refresh, whose reads have no fixed time among each other, and searches of which each hit is checked again before anything is
//! done about it. An apply reads what it decides on directly.

mod cluster;
mod found;
mod packed;
mod query;
#[cfg(test)]
mod tests;
mod writes;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use framework::Deadline;
use serde_json::Value as Json;

use crate::{
    data::{Kind, ObjectRef, selects},
    mesh::labels,
    ports::{Failure, FailureKind, Objects},
};
use cluster::{Answered, SharedCluster};
pub(crate) use cluster::{Forgetting, Writing};
use packed::Packed;
use query::Query;
use writes::Knowledge;

/// How long an answer is used by further reads.
const SHARED: Duration = Duration::from_secs(5);

/// So many objects of a kind are read one by one. From the next one on, one LIST answers for all.
const FEW: usize = 3;

/// Kinds of which the provider makes many objects, all with its label.
const OWN: [Kind; 4] = [Kind::GATEWAY, Kind::SERVICE_ENTRY, Kind::DESTINATION_RULE, Kind::AUTHORIZATION_POLICY];

/// Kinds of which many objects of others are read, and which are small enough to be listed by namespace.
const OTHERS: [Kind; 1] = [Kind::SERVICE];

/// Whose objects a read is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Anyone,
    /// Only objects with our label: another one is as good as none.
    Us,
}

/// Where an object is among those of its kind.
type Place = (String, String);

/// The reads that the operations on each cluster share.
pub struct SharedReads {
    clusters: Mutex<HashMap<String, Arc<SharedCluster>>>,
    age: Duration,
}

impl Default for SharedReads {
    fn default() -> Self {
        Self::used_for(SHARED)
    }
}

impl SharedReads {
    /// Answers are used for this long. With no time at all, only reads that wait for the same request share it.
    pub(crate) fn used_for(age: Duration) -> Self {
        Self { clusters: Mutex::default(), age }
    }

    fn of(&self, cluster: &str) -> Arc<SharedCluster> {
        let mut clusters = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(clusters.entry(cluster.to_owned()).or_default())
    }

    /// Notes that a write of an object begins. `manifest` is what is written, null for a deletion; `None` if the labels that the object will have
    /// aren't in it.
    pub(crate) fn write(&self, cluster: &str, object: ObjectRef, manifest: Option<&Json>) -> Writing {
        Writing::begin(self.of(cluster), object, manifest)
    }

    /// Notes that something which writes unknown objects of a cluster begins; it ends when the result is dropped.
    pub(crate) fn write_anything(&self, cluster: &str) -> Forgetting {
        Forgetting(self.of(cluster))
    }

    /// Returns the object, or `None` if it doesn't exist or is another's than asked for.
    pub(crate) async fn get(
        &self,
        objects: &dyn Objects,
        cluster: &str,
        object: &ObjectRef,
        owner: Owner,
        deadline: &Deadline,
    ) -> Result<Option<Json>, Failure> {
        let found = self.find(objects, cluster, object, owner, deadline).await?;
        Ok(found.filter(|live| owner == Owner::Anyone || labels::is_ours(live)))
    }

    /// Returns the object if it exists, which may be another's where that costs nothing to find.
    async fn find(
        &self,
        objects: &dyn Objects,
        cluster: &str,
        object: &ObjectRef,
        owner: Owner,
        deadline: &Deadline,
    ) -> Result<Option<Json>, Failure> {
        let of = self.of(cluster);
        let place = query::place(object);
        if let Some(wide) = Self::wide_of(&of, object) {
            match self.answer(objects, cluster, &of, &wide, deadline).await {
                Ok(answered) => match of.knowledge(object, answered.sent) {
                    Knowledge::Nothing if answered.objects.has(&place) => return Ok(answered.objects.get(&place)),
                    // An object without our label isn't among those with it.
                    Knowledge::Nothing if wide.is_filtered() && owner == Owner::Anyone => {}
                    Knowledge::Nothing => return Ok(None),
                    Knowledge::Live(live) => return Ok(live.as_ref().map(Packed::unpack)),
                    Knowledge::Doubt(_) => return objects.get(cluster, object, deadline).await,
                },
                // Credentials may allow to read objects, and not to list them.
                Err(failure) if failure.kind == FailureKind::Denied => {}
                Err(failure) => return Err(failure),
            }
        }
        let answered = self.answer(objects, cluster, &of, &Query::Object(object.clone()), deadline).await?;
        match of.knowledge(object, answered.sent) {
            Knowledge::Nothing => Ok(answered.objects.get(&place)),
            Knowledge::Live(live) => Ok(live.as_ref().map(Packed::unpack)),
            Knowledge::Doubt(_) => objects.get(cluster, object, deadline).await,
        }
    }

    /// Returns whether the object may exist, for a create: that fails on one that does, whatever this has said. Where many are asked for, one LIST
    /// of a namespace's names answers for all of them.
    pub(crate) async fn may_have(
        &self,
        objects: &dyn Objects,
        cluster: &str,
        object: &ObjectRef,
        deadline: &Deadline,
    ) -> Result<bool, Failure> {
        let (of, namespace) = (self.of(cluster), object.namespace.clone());
        if of.asks_for_many(object.kind, namespace.as_deref(), &object.name) {
            let names = Query::Metadata { kind: object.kind, namespace, labels: String::new() };
            match self.answer(objects, cluster, &of, &names, deadline).await {
                Ok(answered) => {
                    return Ok(match of.knowledge(object, answered.sent) {
                        Knowledge::Nothing => answered.objects.has(&query::place(object)),
                        Knowledge::Live(live) => live.is_some(),
                        Knowledge::Doubt(_) => true,
                    });
                }
                // Credentials may allow to read objects, and not to list them.
                Err(failure) if failure.kind == FailureKind::Denied => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(objects.get(cluster, object, deadline).await?.is_some())
    }

    /// Returns the objects of a kind, in one namespace or all, that match a label selector (empty: all).
    pub(crate) async fn list(
        &self,
        objects: &dyn Objects,
        cluster: &str,
        kind: Kind,
        namespace: Option<&str>,
        labels: &str,
        deadline: &Deadline,
    ) -> Result<Vec<Json>, Failure> {
        let of = self.of(cluster);
        let narrow = Query::list(kind, namespace, labels);
        let managed = labels::managed_selector();
        let is_ours = labels.strip_prefix(&managed).is_some_and(|rest| rest.starts_with(','));
        let query =
            if OWN.contains(&kind) && is_ours && of.asks_for_many(kind, None, labels) { Query::list(kind, None, &managed) } else { narrow };
        let answered = self.answer(objects, cluster, &of, &query, deadline).await?;
        let is_within = |place: &Place| namespace.is_none_or(|namespace| place.0 == namespace);
        let found = answered.objects.selected(labels).filter(|(place, _)| is_within(place));
        let mut found: BTreeMap<Place, Json> = found.map(|(place, live)| (place.clone(), live.unpack())).collect();
        for (object, knowledge) in of.written_since(kind, answered.sent) {
            let place = query::place(&object);
            if !is_within(&place) {
                continue;
            }
            let live = match knowledge {
                Knowledge::Nothing => continue,
                Knowledge::Live(live) => live.filter(|live| live.is_selected(labels)).as_ref().map(Packed::unpack),
                Knowledge::Doubt(Some(manifest)) if !manifest.is_selected(labels) && !found.contains_key(&place) => continue,
                Knowledge::Doubt(_) => objects.get(cluster, &object, deadline).await?.filter(|live| selects(labels, live)),
            };
            match live {
                Some(live) => found.insert(place, live),
                None => found.remove(&place),
            };
        }
        Ok(found.into_values().collect())
    }

    /// Returns the same list with `metadata` only.
    pub(crate) async fn list_metadata(
        &self,
        objects: &dyn Objects,
        cluster: &str,
        kind: Kind,
        namespace: Option<&str>,
        labels: &str,
        deadline: &Deadline,
    ) -> Result<Vec<Json>, Failure> {
        let of = self.of(cluster);
        let query = Query::Metadata { kind, namespace: namespace.map(str::to_owned), labels: labels.to_owned() };
        let answered = self.answer(objects, cluster, &of, &query, deadline).await?;
        if !of.written_since(kind, answered.sent).is_empty() {
            return objects.list_metadata(cluster, kind, namespace, labels, deadline).await;
        }
        Ok(answered.objects.all().collect())
    }

    /// Returns the LIST that answers for an object, if many of its kind are asked for.
    fn wide_of(of: &SharedCluster, object: &ObjectRef) -> Option<Query> {
        let kind = object.kind;
        if OWN.contains(&kind) {
            let name = format!("{}/{}", object.namespace.as_deref().unwrap_or_default(), object.name);
            return of.asks_for_many(kind, None, &name).then(|| Query::list(kind, None, &labels::managed_selector()));
        }
        let namespace = object.namespace.as_deref().filter(|_| OTHERS.contains(&kind))?;
        of.asks_for_many(kind, Some(namespace), &object.name).then(|| Query::list(kind, Some(namespace), ""))
    }

    /// Returns the answer to a query: one that is young, one that another read waits for already, or a new one.
    async fn answer(
        &self,
        objects: &dyn Objects,
        cluster: &str,
        of: &SharedCluster,
        query: &Query,
        deadline: &Deadline,
    ) -> Result<Answered, Failure> {
        let begun = of.tick();
        let slot = of.slot(query, self.age);
        let title = format!("Can't {} {query} of cluster \"{cluster}\"", query.verb());
        let cut = |cut| Failure::cut(cut, title, "waiting for the answer to the same request");
        let mut last = deadline.bound(slot.lock()).await.map_err(cut)?;
        if let Some(outcome) = last.as_ref().and_then(|last| last.serve(begun, of.forgotten(), self.age)) {
            return outcome;
        }
        let sent = of.tick();
        let outcome = query.send(objects, cluster, deadline).await;
        let outcome = outcome.map(|objects| Answered { objects: Arc::new(objects), sent });
        *last = Some(cluster::Last::new(outcome.clone(), of.tick()));
        outcome
    }
}
