//! The requests whose answers are shared.

use framework::Deadline;
use serde_json::Value as Json;

use super::{OTHERS, OWN, Place, found::Found};
use crate::{
    data::{Kind, ObjectRef},
    ports::{Failure, Objects},
};

/// A request.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Query {
    /// A GET.
    Object(ObjectRef),
    /// A LIST.
    Objects { kind: Kind, namespace: Option<String>, labels: String },
    /// A LIST of metadata.
    Metadata { kind: Kind, namespace: Option<String>, labels: String },
}

impl Query {
    pub(super) fn list(kind: Kind, namespace: Option<&str>, labels: &str) -> Self {
        Self::Objects { kind, namespace: namespace.map(str::to_owned), labels: labels.to_owned() }
    }

    /// Whether it leaves out objects because of their labels.
    pub(super) fn is_filtered(&self) -> bool {
        matches!(self, Self::Objects { labels, .. } | Self::Metadata { labels, .. } if !labels.is_empty())
    }

    /// Returns the verb of a title: "Can't list …".
    pub(super) fn verb(&self) -> &'static str {
        if matches!(self, Self::Object(_)) { "read" } else { "list" }
    }

    /// Sends the request, and returns what it has found.
    pub(super) async fn send(&self, objects: &dyn Objects, cluster: &str, deadline: &Deadline) -> Result<Found, Failure> {
        let mut found = Found::default();
        match self {
            Self::Object(object) => {
                if let Some(live) = objects.get(cluster, object, deadline).await? {
                    found.insert(&live);
                }
            }
            Self::Objects { kind, namespace, labels } => {
                let is_read_whole = !OWN.contains(kind) && !OTHERS.contains(kind);
                let mut take = |mut live: Json| {
                    // Half of a small object, and nobody reads it.
                    if let Some(metadata) = live["metadata"].as_object_mut().filter(|_| !is_read_whole) {
                        metadata.remove("managedFields");
                    }
                    found.insert(&live);
                };
                objects.visit(cluster, *kind, namespace.as_deref(), labels, &mut take, deadline).await?;
            }
            Self::Metadata { kind, namespace, labels } => {
                let listed = objects.list_metadata(cluster, *kind, namespace.as_deref(), labels, deadline).await?;
                for live in &listed {
                    found.insert(live);
                }
            }
        }
        Ok(found)
    }
}

/// Names what is asked for, as in "Can't list …".
impl std::fmt::Display for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Object(object) => write!(f, "{object}"),
            Self::Objects { kind, namespace, .. } | Self::Metadata { kind, namespace, .. } => match namespace {
                Some(namespace) => write!(f, "{} of namespace {namespace}", kind.plural),
                None => write!(f, "{}", kind.plural),
            },
        }
    }
}

pub(super) fn place(object: &ObjectRef) -> Place {
    (object.namespace.clone().unwrap_or_default(), object.name.clone())
}
