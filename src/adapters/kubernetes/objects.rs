//! Objects of the clusters' API servers.

use std::time::Duration;

use async_trait::async_trait;
use framework::Deadline;
use http::Method;
use serde::Deserialize;
use serde_json::{Value as Json, json, value::RawValue};

use super::{
    Kubernetes, absent, jittered,
    request::{Call, METADATA, collection, escape, path},
    stuck,
};
use crate::{
    adapters::refusal::{Attempt, Refusal, Verb},
    data::{Kind, MANAGER, ObjectRef},
    ports::{Failure, FailureKind, Objects},
};

impl Kubernetes {
    async fn write(&self, verb: Verb, cluster: &str, manifest: &Json, deadline: &Deadline) -> Result<Json, Failure> {
        let object = reference(manifest)?;
        let dry = if verb == Verb::TryOut { "&dryRun=All" } else { "" };
        let call = Call {
            method: Method::PATCH,
            content_type: "application/apply-patch+yaml",
            body: manifest.to_string(),
            ..Call::get(format!("{}?fieldManager={MANAGER}&force=true{dry}", path(&object)))
        };
        self.send(&Attempt::new(cluster, verb, object), &call, deadline).await
    }

    /// Asks for the deletion of the object if it has the UID, and the resource version, that are given.
    async fn begin_deletion(
        &self,
        cluster: &str,
        object: &ObjectRef,
        preconditions: &Json,
        deadline: &Deadline,
    ) -> Result<Deletion, Failure> {
        let options = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background", "preconditions": preconditions,
        });
        let call = Call { method: Method::DELETE, body: options.to_string(), ..Call::get(path(object)) };
        match absent(self.send(&Attempt::new(cluster, Verb::Delete, object), &call, deadline).await) {
            // Of an object that is gone the API server returns a status, and else the object with the time of its deletion.
            Ok(Some(answer)) if answer["kind"] == "Status" && answer["status"] == "Success" => Ok(Deletion::Done),
            Ok(Some(_)) => Ok(Deletion::Begun),
            Ok(None) => Ok(Deletion::Done),
            Err(failure) if failure.kind == FailureKind::Conflict => Ok(Deletion::Refused),
            Err(failure) => Err(failure),
        }
    }

    /// Waits until the object with this UID is gone.
    async fn wait_for_end(&self, cluster: &str, object: &ObjectRef, uid: &str, deadline: &Deadline) -> Result<(), Failure> {
        let is_gone = |live: Option<&Json>| live.is_none_or(|live| live["metadata"]["uid"] != uid);
        let Err((failure, live)) = self.wait_with_last_seen(cluster, object, "it to be gone", &is_gone, deadline).await else {
            return Ok(());
        };
        let failure = Failure { summary: Attempt::new(cluster, Verb::Delete, object).title(), ..failure };
        let is_late = failure.kind == FailureKind::TimedOut;
        Err(failure.seen(live.filter(|_| is_late).map(|live| stuck::reasons(object, &live)).unwrap_or_default()))
    }

    /// Waits until the object is as wanted, and returns it. A failure comes with the object as it was last seen.
    async fn wait_with_last_seen(
        &self,
        cluster: &str,
        object: &ObjectRef,
        what: &str,
        wanted: &(dyn for<'a> Fn(Option<&'a Json>) -> bool + Sync),
        deadline: &Deadline,
    ) -> Result<Option<Json>, (Failure, Option<Json>)> {
        let attempt = Attempt { awaited: Some(what), ..Attempt::new(cluster, Verb::Read, object) };
        let (mut pause, mut seen) = (Duration::from_millis(100), None);
        loop {
            match absent(self.send(&attempt, &Call::get(path(object)), deadline).await) {
                Ok(live) if wanted(live.as_ref()) => return Ok(live),
                Ok(live) => seen = live,
                Err(failure) => return Err((failure, seen)),
            }
            if let Err(cut) = deadline.pause(jittered(pause)).await {
                return Err((Failure::cut(cut, attempt.waiting(), &attempt.doing()), seen));
            }
            pause = (pause * 3 / 2).min(Duration::from_secs(1));
        }
    }

    /// Passes the objects of a list to a function, each of them parsed by itself.
    async fn visit_items(
        &self,
        kind: Kind,
        attempt: &Attempt<'_>,
        call: &Call,
        take: &mut (dyn FnMut(Json) + Send),
        deadline: &Deadline,
    ) -> Result<(), Failure> {
        let Some(list) = absent(self.send_for::<List>(attempt, call, deadline).await)? else { return Ok(()) };
        if list.visit(kind, take).is_some() {
            return Ok(());
        }
        // Another server's answer doesn't mean that there are none.
        let server = self.connection(attempt.cluster)?.server(attempt.cluster, deadline).await?;
        Err(Refusal::unreachable(attempt, &server, "the answer is not a list of objects").failure)
    }
}

/// A list as an API server answers, with its objects as text.
#[derive(Default, Deserialize)]
#[serde(default)]
struct List {
    kind: String,
    items: Option<Vec<Box<RawValue>>>,
}

impl List {
    /// Parses one object after the other, and passes it to a function. `None` if this isn't a list of objects.
    fn visit(self, kind: Kind, take: &mut (dyn FnMut(Json) + Send)) -> Option<()> {
        if !self.kind.ends_with("List") {
            return None;
        }
        for item in self.items.into_iter().flatten() {
            let mut item: serde_json::Map<_, _> = serde_json::from_str(item.get()).ok()?;
            // Items of a list don't say what they are.
            item.insert("apiVersion".to_owned(), kind.api_version().into());
            item.insert("kind".to_owned(), kind.kind.into());
            take(Json::Object(item));
        }
        Some(())
    }
}

/// How far a request to delete an object has come.
enum Deletion {
    /// The object is gone.
    Done,
    /// The object is going: finalizers, or processes that end.
    Begun,
    /// The object isn't the one that was meant, or can't be deleted now.
    Refused,
}

/// Returns the reference of the object that a manifest describes.
fn reference(manifest: &Json) -> Result<ObjectRef, Failure> {
    ObjectRef::of(manifest, "default").ok_or_else(|| {
        Failure::new(
            FailureKind::Other,
            "Unknown kind of object",
            format!("The provider has no kind {} of {}.", manifest["kind"], manifest["apiVersion"]),
        )
    })
}

fn listing<'a>(cluster: &'a str, kind: Kind, namespace: Option<&str>, labels: &str) -> (Attempt<'a>, Call) {
    let query = if labels.is_empty() { String::new() } else { format!("?labelSelector={}", escape(labels)) };
    let within = namespace.map(|namespace| format!(" of namespace {namespace}")).unwrap_or_default();
    (Attempt::new(cluster, Verb::List, format!("{}{within}", kind.plural)), Call::get(format!("{}{query}", collection(kind, namespace))))
}

#[async_trait]
impl Objects for Kubernetes {
    /// Asked for once: what a run is connected to doesn't change.
    async fn cluster_uid(&self, cluster: &str, deadline: &Deadline) -> Result<Option<String>, Failure> {
        let namespace = ObjectRef::cluster_wide(Kind::NAMESPACE, "kube-system");
        let attempt = Attempt::new(cluster, Verb::Read, &namespace);
        let ask = async {
            match self.get(cluster, &namespace, deadline).await {
                Ok(found) => Ok(found.and_then(|found| Some(found["metadata"]["uid"].as_str()?.to_owned()))),
                Err(failure) if failure.kind == FailureKind::Denied => Ok(None),
                Err(failure) => Err(failure),
            }
        };
        self.connection(cluster)?.uid.get(deadline, |cut| Failure::cut(cut, attempt.waiting(), &attempt.doing()), ask).await
    }

    async fn apply(&self, cluster: &str, manifest: &Json, deadline: &Deadline) -> Result<Json, Failure> {
        self.write(Verb::Write, cluster, manifest, deadline).await
    }

    async fn create(&self, cluster: &str, manifest: &Json, deadline: &Deadline) -> Result<Option<Json>, Failure> {
        let reference = reference(manifest)?;
        let within = collection(reference.kind, reference.namespace.as_deref());
        let call = Call { method: Method::POST, body: manifest.to_string(), ..Call::get(format!("{within}?fieldManager={MANAGER}")) };
        match self.send(&Attempt::new(cluster, Verb::Write, reference), &call, deadline).await {
            Ok(created) => Ok(Some(created)),
            Err(failure) if failure.kind == FailureKind::Exists => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn merge(&self, cluster: &str, object: &ObjectRef, patch: &Json, deadline: &Deadline) -> Result<Option<Json>, Failure> {
        let call = Call {
            method: Method::PATCH,
            content_type: "application/merge-patch+json",
            body: patch.to_string(),
            ..Call::get(format!("{}?fieldManager={MANAGER}", path(object)))
        };
        absent(self.send(&Attempt::new(cluster, Verb::Change, object), &call, deadline).await)
    }

    async fn replace(&self, cluster: &str, object: &Json, deadline: &Deadline) -> Result<Json, Failure> {
        let reference = reference(object)?;
        let call =
            Call { method: Method::PUT, body: object.to_string(), ..Call::get(format!("{}?fieldManager={MANAGER}", path(&reference))) };
        self.send(&Attempt::new(cluster, Verb::Write, reference), &call, deadline).await
    }

    async fn dry_run(&self, cluster: &str, manifest: &Json, deadline: &Deadline) -> Result<(), Failure> {
        self.write(Verb::TryOut, cluster, manifest, deadline).await.map(|_| ())
    }

    async fn get(&self, cluster: &str, object: &ObjectRef, deadline: &Deadline) -> Result<Option<Json>, Failure> {
        let attempt = Attempt::new(cluster, Verb::Read, object);
        absent(self.send(&attempt, &Call::get(path(object)), deadline).await)
    }

    async fn list(
        &self,
        cluster: &str,
        kind: Kind,
        namespace: Option<&str>,
        labels: &str,
        deadline: &Deadline,
    ) -> Result<Vec<Json>, Failure> {
        let mut found = Vec::new();
        self.visit(cluster, kind, namespace, labels, &mut |live| found.push(live), deadline).await?;
        Ok(found)
    }

    async fn visit(
        &self,
        cluster: &str,
        kind: Kind,
        namespace: Option<&str>,
        labels: &str,
        take: &mut (dyn FnMut(Json) + Send),
        deadline: &Deadline,
    ) -> Result<(), Failure> {
        let (attempt, call) = listing(cluster, kind, namespace, labels);
        self.visit_items(kind, &attempt, &call, take, deadline).await
    }

    async fn list_metadata(
        &self,
        cluster: &str,
        kind: Kind,
        namespace: Option<&str>,
        labels: &str,
        deadline: &Deadline,
    ) -> Result<Vec<Json>, Failure> {
        let (attempt, call) = listing(cluster, kind, namespace, labels);
        let (call, mut found) = (Call { accept: METADATA, ..call }, Vec::new());
        self.visit_items(kind, &attempt, &call, &mut |live| found.push(live), deadline).await?;
        Ok(found)
    }

    async fn delete(&self, cluster: &str, object: &ObjectRef, deadline: &Deadline) -> Result<(), Failure> {
        let attempt = Attempt::new(cluster, Verb::Delete, object);
        // Tried again after a lost answer, a deletion by name would hit what somebody has made anew meanwhile.
        let Some(live) = absent(self.send(&attempt, &Call::get(path(object)), deadline).await)? else { return Ok(()) };
        self.delete_exactly(cluster, object, live["metadata"]["uid"].as_str().unwrap_or_default(), deadline).await
    }

    async fn delete_exactly(&self, cluster: &str, object: &ObjectRef, uid: &str, deadline: &Deadline) -> Result<(), Failure> {
        match self.begin_deletion(cluster, object, &json!({"uid": uid}), deadline).await? {
            Deletion::Done => Ok(()),
            // It is another one by now, or a namespace that is being deleted already: waiting shows which.
            Deletion::Begun | Deletion::Refused => self.wait_for_end(cluster, object, uid, deadline).await,
        }
    }

    async fn delete_unchanged(&self, cluster: &str, read: &Json, deadline: &Deadline) -> Result<bool, Failure> {
        let (object, metadata) = (reference(read)?, &read["metadata"]);
        let uid = metadata["uid"].as_str().unwrap_or_default();
        let as_read = json!({"uid": uid, "resourceVersion": metadata["resourceVersion"]});
        match self.begin_deletion(cluster, &object, &as_read, deadline).await? {
            Deletion::Done => Ok(true),
            Deletion::Begun => self.wait_for_end(cluster, &object, uid, deadline).await.map(|()| true),
            Deletion::Refused => Ok(false),
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
        self.wait_with_last_seen(cluster, object, what, wanted, deadline).await.map_err(|(failure, live)| {
            let ending = live.filter(|live| !live["metadata"]["deletionTimestamp"].is_null());
            failure.seen(ending.map(|live| stuck::reasons(object, &live)).unwrap_or_default())
        })
    }
}
