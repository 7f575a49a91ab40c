//! What this process writes to a cluster, and what that tells about objects beyond what a request has shown.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value as Json;

use super::packed::Packed;
use crate::data::{Kind, ObjectRef};

/// What writes of this process tell about an object beyond what a query has shown.
pub(super) enum Knowledge {
    /// Nothing: it wasn't written since.
    Nothing,
    /// It was written, and is this now; `None` if it was deleted.
    Live(Option<Packed>),
    /// It is being written, or a write has failed. With the manifest, if that tells the labels; null for a deletion.
    Doubt(Option<Packed>),
}

#[derive(Default)]
struct Written {
    /// The last event of a write.
    at: u64,
    pending: usize,
    /// Whether writes have met, so that no answer is known to be the last one's.
    is_contested: bool,
    /// What the last write's answer showed.
    live: Option<Option<Packed>>,
    /// What is being written.
    manifest: Option<Packed>,
}

impl Written {
    fn knowledge(&self) -> Knowledge {
        match &self.live {
            Some(live) if self.pending == 0 => Knowledge::Live(live.clone()),
            _ => Knowledge::Doubt(self.manifest.clone()),
        }
    }
}

/// The objects that were written, and those that are being written. What was written since a moment is found without a look at all that ever was.
#[derive(Default)]
pub(super) struct Writes {
    objects: HashMap<ObjectRef, Written>,
    /// Each object at the last event of a write of it.
    order: BTreeMap<u64, ObjectRef>,
    pending: HashSet<ObjectRef>,
}

impl Writes {
    /// Notes that a write begins, at an event. `manifest` as in [`SharedReads::write`](super::SharedReads::write).
    pub(super) fn begin(&mut self, object: &ObjectRef, manifest: Option<&Json>, event: u64) {
        let metadata = |live: &Json| Packed::new(&Json::from_iter([("metadata", live["metadata"].clone())]));
        let written = self.objects.entry(object.clone()).or_default();
        written.is_contested |= written.pending > 0;
        written.pending += 1;
        written.manifest = manifest.map(metadata).or_else(|| written.live.take()?);
        written.live = None;
        self.pending.insert(object.clone());
        self.move_to(object, event);
    }

    /// Notes that a write has ended, at an event: with the object as it is now (`None` within if it doesn't exist), if the answer told that.
    pub(super) fn end(&mut self, object: &ObjectRef, live: Option<Option<Json>>, event: u64) {
        let written = self.objects.entry(object.clone()).or_default();
        written.pending = written.pending.saturating_sub(1);
        written.live = live.map(|live| live.as_ref().map(Packed::new)).filter(|_| !written.is_contested);
        written.is_contested &= written.pending > 0;
        if written.pending == 0 {
            self.pending.remove(object);
        }
        self.move_to(object, event);
    }

    fn move_to(&mut self, object: &ObjectRef, event: u64) {
        if let Some(written) = self.objects.get_mut(object) {
            self.order.remove(&std::mem::replace(&mut written.at, event));
            self.order.insert(event, object.clone());
        }
    }

    /// Returns what is known of an object from writes that ended after the event `sent`.
    pub(super) fn knowledge(&self, object: &ObjectRef, sent: u64) -> Knowledge {
        match self.objects.get(object) {
            Some(written) if written.at > sent || written.pending > 0 => written.knowledge(),
            _ => Knowledge::Nothing,
        }
    }

    /// Returns the same for all objects of a kind that were written since.
    pub(super) fn since(&self, kind: Kind, sent: u64) -> Vec<(ObjectRef, Knowledge)> {
        let ended = self.order.range(sent + 1..).map(|(_, object)| object).filter(|object| !self.pending.contains(*object));
        let objects = ended.chain(&self.pending).filter(|object| object.kind == kind);
        objects.map(|object| (object.clone(), self.knowledge(object, sent))).collect()
    }
}
