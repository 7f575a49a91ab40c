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
        let mut found = match self {
            Self::Object(object) => {
                let live = objects.get(cluster, object, deadline).await?;
                return Ok(live.map(|live| (place(object), live)).into_iter().collect());
            }
            Self::Objects { kind, namespace, labels } => objects.list(cluster, *kind, namespace.as_deref(), labels, deadline).await?,
            Self::Metadata { kind, namespace, labels } => {
                objects.list_metadata(cluster, *kind, namespace.as_deref(), labels, deadline).await?
            }
        };
        if let Self::Objects { kind, .. } = self
            && (OWN.contains(kind) || OTHERS.contains(kind))
        {
            // Half of a small object, and nobody reads it.
            found
                .iter_mut()
                .filter_map(|live| live["metadata"].as_object_mut())
                .for_each(|metadata| drop(metadata.remove("managedFields")));
        }
        let text = |live: &Json, field: &str| live["metadata"][field].as_str().unwrap_or_default().to_owned();
        Ok(found.into_iter().map(|live| ((text(&live, "namespace"), text(&live, "name")), live)).collect())
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
