//! Named steps of an operation, as the clusters show them.

use std::fmt;

use mesh_lab::Cluster;

/// A step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) cluster: &'static str,
    sign: Sign,
}

#[derive(Clone, Copy, Debug)]
enum Sign {
    /// An object exists, or no longer: kind, namespace, name.
    Object { kind: &'static str, namespace: &'static str, name: &'static str, exists: bool },
    /// A release has a revision with a status that begins so.
    Release { name: &'static str, status: &'static str },
    /// The gateway's Service exists.
    Service,
}

pub(super) const fn present(cluster: &'static str, kind: &'static str, namespace: &'static str, name: &'static str) -> Step {
    Step { cluster, sign: Sign::Object { kind, namespace, name, exists: true } }
}

pub(super) const fn gone(cluster: &'static str, kind: &'static str, namespace: &'static str, name: &'static str) -> Step {
    Step { cluster, sign: Sign::Object { kind, namespace, name, exists: false } }
}

/// Helm is at work on a release.
pub(super) const fn pending(cluster: &'static str, name: &'static str) -> Step {
    Step { cluster, sign: Sign::Release { name, status: "pending-" } }
}

/// Helm uninstalls a release, or has.
pub(super) const fn uninstalling(cluster: &'static str, name: &'static str) -> Step {
    Step { cluster, sign: Sign::Release { name, status: "uninstalling" } }
}

/// The gateway's Service is there, and may have no address yet.
pub(super) const fn unaddressed(cluster: &'static str) -> Step {
    Step { cluster, sign: Sign::Service }
}

impl Step {
    pub(super) fn is_reached(self, cluster: &Cluster) -> bool {
        // A look that fails says nothing, not even that an object is gone.
        let get = |arguments: &[&str]| cluster.kubectl(&[&["get"], arguments].concat()).ok();
        match self.sign {
            Sign::Object { kind, namespace, name, exists } => {
                let found = get(&[kind, name, "-n", namespace, "--ignore-not-found", "-o", "name"]);
                found.is_some_and(|found| found.trim().is_empty() != exists)
            }
            Sign::Release { name, status } => {
                let selector = format!("owner=helm,name={name}");
                get(&["secrets", "-n", super::SYSTEM, "-l", &selector, "-o", "jsonpath={.items[*].metadata.labels.status}"])
                    .is_some_and(|found| found.split_whitespace().any(|found| found.starts_with(status)))
            }
            Sign::Service => {
                let found = get(&["service", "istio-eastwestgateway", "-n", super::SYSTEM, "--ignore-not-found", "-o", "name"]);
                found.is_some_and(|found| !found.trim().is_empty())
            }
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sign {
            Sign::Object { kind, name, exists, .. } => {
                write!(f, "{kind} {name} of {} {}", self.cluster, if exists { "exists" } else { "is gone" })
            }
            Sign::Release { name, status } => write!(f, "release {name} of {} is {status}", self.cluster),
            Sign::Service => write!(f, "the gateway's Service of {} exists", self.cluster),
        }
    }
}
