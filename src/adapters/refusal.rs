//! What an API server's refusal, or its silence, means to the user.

use std::error::Error as _;

use crate::ports::{Failure, FailureKind};

/// What was tried.
pub(super) struct Attempt<'a> {
    pub(super) cluster: &'a str,
    /// `read`, `write`, …
    pub(super) verb: &'static str,
    /// The object, with its kind and namespace.
    pub(super) object: String,
}

impl Attempt<'_> {
    pub(super) fn title(&self) -> String {
        format!("Can't {} {} of cluster \"{}\"", self.verb, self.object, self.cluster)
    }

    pub(super) fn doing(&self) -> String {
        format!("trying to {} {} of cluster \"{}\"", self.verb, self.object, self.cluster)
    }
}

/// An error of the client as a failure.
pub(super) fn failure(attempt: &Attempt<'_>, address: &str, error: kube::Error) -> Failure {
    match error {
        kube::Error::Api(status) => refused(attempt, &status),
        // The body is not of the protocol: a load balancer or proxy has answered.
        kube::Error::SerdeError(error) => unreachable(attempt, address, &error.to_string()),
        kube::Error::Auth(error) => Failure::new(
            FailureKind::Denied,
            format!("No credentials for cluster \"{}\"", attempt.cluster),
            format!("The credentials that the provider's configuration names couldn't be had, when {}.", attempt.doing()),
        )
        .advice("If a program prints them (`exec`), run it by hand to see what it says.")
        .raw(error),
        error => unreachable(attempt, address, &chain(&error)),
    }
}

fn unreachable(attempt: &Attempt<'_>, address: &str, raw: &str) -> Failure {
    Failure::new(
        FailureKind::Unreachable,
        format!("Can't reach cluster \"{}\"", attempt.cluster),
        format!("The API server at {address} of cluster \"{}\" doesn't answer as it should, when {}.", attempt.cluster, attempt.doing()),
    )
    .advice(
        "Check the address in the provider's `clusters`, the network on the way, and that the API server runs. The state stays as it is.",
    )
    .raw(raw)
}

/// An error with its causes, which say what really happened.
fn chain(error: &kube::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn refused(attempt: &Attempt<'_>, status: &kube::core::Status) -> Failure {
    let message = status.message.as_str();
    let new = |kind, why: String| Failure::new(kind, attempt.title(), why).raw(message);
    // The webhook's own words come as any other refusal; that it couldn't be called at all is a matter of time.
    if message.contains("failed calling webhook") {
        return new(FailureKind::NotReady, "A webhook that has to judge the object doesn't answer.".to_owned())
            .advice("If it is istiod's: look at its pods; the webhook serves once they are ready.");
    }
    match status.code {
        401 => new(
            FailureKind::Denied,
            format!("Cluster \"{}\" doesn't know who asks: the credentials are wrong or have expired.", attempt.cluster),
        )
        .advice("Renew the credentials in the provider's configuration. Tokens that live for minutes are best had by `exec`."),
        403 => new(FailureKind::Denied, format!("The credentials for cluster \"{}\" don't allow it.", attempt.cluster))
            .advice("Grant it by a Role or ClusterRole; the message below names verb and kind."),
        404 if attempt.verb == "write" && message.contains("namespaces") => {
            new(FailureKind::Rejected, "Its namespace doesn't exist.".to_owned()).advice("Make the namespace first, or name another.")
        }
        // A definition that was made just now is served a moment later.
        404 if attempt.verb == "write" || attempt.verb == "try out" => {
            new(FailureKind::NotReady, "The cluster doesn't know this kind of object (yet).".to_owned())
                .advice("Kinds of Istio come with its base chart: is the mesh_cluster of this cluster applied, and named by a reference?")
        }
        404 => new(FailureKind::NotFound, "There is no such object.".to_owned()),
        409 => new(FailureKind::Conflict, "Someone else changed it meanwhile, or owns it.".to_owned()),
        429 | 500 | 502 | 503 | 504 => new(FailureKind::NotReady, "The API server can't serve the request now.".to_owned()),
        _ => new(FailureKind::Rejected, format!("The cluster refused the object: {message}")),
    }
}
