//! Explains an API server's refusal, or its silence.

use std::{error::Error as _, fmt, time::Duration};

use kube::core::Status;

use super::{connection::Server, missing};
use crate::ports::{Failure, FailureKind};

/// How long an API server that can't be reached, or is overloaded, is tried again: long enough for one that restarts, not so long that a
/// plan seems to hang.
const RESTART: Duration = Duration::from_secs(5);

/// How long a server is tried again that is overloaded and says itself when it wants to be asked again. It refuses whom it likes, so that one of
/// many reads is refused several times in succession.
const OVERLOAD: Duration = Duration::from_secs(30);

/// How long a kind may take from its definition until it is served.
const DEFINITION: Duration = Duration::from_secs(30);

/// As long as the operation's deadline allows.
const ENDLESS: Duration = Duration::MAX;

/// What is tried on an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Read,
    List,
    Write,
    /// A write to what exists already.
    Change,
    /// A write that keeps nothing. It asks how things are now, so it waits for nothing.
    TryOut,
    Delete,
    /// Of a service account: a token.
    Issue,
    /// Of a pod: a port.
    Connect,
    /// Of a pod: an answer on one of its ports.
    Ask,
    /// In a container of a pod: a command.
    Run,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::List => "list",
            Self::Write => "write",
            Self::Change => "change",
            Self::TryOut => "check",
            Self::Delete => "delete",
            Self::Issue => "issue a token of",
            Self::Connect => "connect to",
            Self::Ask => "ask",
            Self::Run => "run a command in",
        })
    }
}

/// What was tried.
pub(super) struct Attempt<'a> {
    pub(super) cluster: &'a str,
    pub(super) verb: Verb,
    /// The object, with its kind and namespace.
    pub(super) object: String,
    /// What is waited for, if this is one of many looks; completes "waiting for".
    pub(super) awaited: Option<&'a str>,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(cluster: &'a str, verb: Verb, object: impl fmt::Display) -> Self {
        Self { cluster, verb, object: object.to_string(), awaited: None }
    }

    pub(super) fn title(&self) -> String {
        format!("Can't {} {} of cluster \"{}\"", self.verb, self.object, self.cluster)
    }

    /// The title when it was cut short.
    pub(super) fn waiting(&self) -> String {
        match self.awaited {
            Some(_) => format!("{} of cluster \"{}\" is not ready", self.object, self.cluster),
            None => self.title(),
        }
    }

    pub(super) fn doing(&self) -> String {
        match self.awaited {
            Some(what) => format!("waiting for {what}"),
            None => format!("trying to {} {} of cluster \"{}\"", self.verb, self.object, self.cluster),
        }
    }

    /// How long to wait for an object or a server that only isn't ready: an operation that changes something may wait for it, one that only
    /// looks reports it.
    fn patience(&self) -> Duration {
        match self.verb {
            _ if self.awaited.is_some() => ENDLESS,
            Verb::Read | Verb::List | Verb::Issue | Verb::Connect | Verb::Ask | Verb::Run => RESTART,
            Verb::Write | Verb::Change | Verb::Delete => ENDLESS,
            Verb::TryOut => Duration::ZERO,
        }
    }
}

/// Why there is no answer to a request.
pub(super) enum Refused {
    /// The server refuses, and may say after what time to try again.
    Status(Box<Status>, Option<Duration>),
    /// The answer is not an API server's.
    Garbled(&'static str),
    /// There is no answer, or only part of one.
    NoAnswer(kube::Error),
}

impl Refused {
    /// The refusal of a call that kube makes itself, such as one that opens a connection of its own.
    pub(super) fn of(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Status(status, None),
            error => Self::NoAnswer(error),
        }
    }

    /// Returns whether the server doesn't accept the credentials.
    pub(super) fn is_of_credentials(&self) -> bool {
        matches!(self, Self::Status(status, _) if status.code == 401)
    }
}

/// An API server's refusal, or silence, for the user.
pub(super) struct Refusal {
    pub(super) failure: Failure,
    /// For how long it makes sense to try again.
    pub(super) patience: Duration,
    /// The time after which the server wants to be asked again.
    pub(super) after: Option<Duration>,
    /// A "not found" that need not be an API server's.
    pub(super) is_doubtful: bool,
}

impl Refusal {
    fn new(failure: Failure, patience: Duration) -> Self {
        Self { failure, patience, after: None, is_doubtful: false }
    }

    pub(super) fn unreachable(attempt: &Attempt<'_>, server: &Server, raw: &str) -> Self {
        let why = format!(
            "The API server at {} of cluster \"{}\" did not answer as expected while {}.",
            server.address,
            attempt.cluster,
            attempt.doing()
        );
        let failure = Failure::new(FailureKind::Unreachable, format!("Can't reach cluster \"{}\"", attempt.cluster), why)
            .advice(
                "Check the address in the provider's `clusters`, the network on the way, and that the API server runs. The state stays as it is.",
            )
            .raw(raw);
        // A server that has answered is in trouble for a time; where none ever has, the address may be wrong.
        let patience = if server.has_answered() { attempt.patience().max(RESTART) } else { RESTART };
        Self::new(failure, patience)
    }
}

/// Returns what a refusal means.
pub(super) fn of(attempt: &Attempt<'_>, server: &Server, refused: Refused) -> Refusal {
    match refused {
        Refused::Status(status, after) => {
            let seconds = status.details.as_ref().map(|details| details.retry_after_seconds).filter(|seconds| *seconds > 0);
            let after = after.or(seconds.map(|seconds| Duration::from_secs(seconds.into())));
            let refusal = by_status(attempt, &status);
            let is_told = after.is_some() && matches!(status.code, 429 | 503) && attempt.verb != Verb::TryOut;
            let patience = if is_told { refusal.patience.max(OVERLOAD) } else { refusal.patience };
            Refusal { patience, after, ..refusal }
        }
        Refused::Garbled(raw) => Refusal::unreachable(attempt, server, raw),
        Refused::NoAnswer(error) => Refusal::unreachable(attempt, server, &chain(&error)),
    }
}

/// An error with its causes, which tell what really happened.
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

fn by_status(attempt: &Attempt<'_>, status: &Status) -> Refusal {
    let message = status.message.as_str();
    let is_write = matches!(attempt.verb, Verb::Write | Verb::TryOut);
    let new = |kind, why: String, advice: &str| Failure::new(kind, attempt.title(), why).advice(advice).raw(message);
    let at_once = |failure| Refusal::new(failure, Duration::ZERO);
    // A webhook's own words come as any other refusal; that it couldn't be called at all is a matter of time.
    if message.contains("failed calling webhook") {
        let failure = new(
            FailureKind::NotReady,
            "An admission webhook that must check the object doesn't answer.".to_owned(),
            "If it is istiod's: look at its pods; the webhook serves once they are ready.",
        );
        return Refusal::new(failure, attempt.patience());
    }
    match status.code {
        401 => at_once(new(
            FailureKind::Denied,
            format!("Cluster \"{}\" rejected the credentials: they are wrong or have expired.", attempt.cluster),
            "Renew the credentials in the provider's configuration. For short-lived tokens, use `exec`.",
        )),
        403 => forbidden(attempt, message),
        404 if is_write && status.reason == "NotFound" && message.contains("namespaces \"") => {
            at_once(new(FailureKind::Rejected, "Its namespace doesn't exist.".to_owned(), "Create the namespace first, or set another."))
        }
        // A definition that was created just now is served a moment later; one that nobody creates never is.
        404 if is_write => {
            let failure = new(
                FailureKind::NotReady,
                "The cluster doesn't know this kind of object (yet).".to_owned(),
                "Kinds of Istio come with its base chart: is the mesh_cluster of this cluster applied, and named by a reference?",
            );
            Refusal::new(failure, attempt.patience().min(DEFINITION))
        }
        404 => {
            let failure = new(FailureKind::NotFound, "The object doesn't exist.".to_owned(), "");
            Refusal { is_doubtful: status.reason != "NotFound", ..at_once(failure) }
        }
        409 if status.reason == "AlreadyExists" => at_once(new(FailureKind::Exists, "It is there already.".to_owned(), "")),
        409 => at_once(new(FailureKind::Conflict, "Another client changed it meanwhile, or owns it.".to_owned(), "")),
        429 | 500 | 502 | 503 | 504 => {
            let failure = new(FailureKind::NotReady, "The API server can't serve the request now.".to_owned(), "");
            Refusal::new(failure, attempt.patience())
        }
        _ => at_once(new(FailureKind::Rejected, format!("The cluster refused the object: {message}"), "")),
    }
}

/// The words by which a refusal is known to be a policy's, and not one of access control.
const POLICIES: [&str; 5] = ["denied the request", "denied request:", "exceeded quota", "failed quota", "violates PodSecurity"];

/// A 403 is not always a matter of access control.
fn forbidden(attempt: &Attempt<'_>, message: &str) -> Refusal {
    let new = |kind, why: String| Failure::new(kind, attempt.title(), why).raw(message);
    if message.contains("because it is being terminated") {
        let why = "Its namespace is being deleted.".to_owned();
        let failure = new(FailureKind::NotReady, why).advice("Wait until the namespace is gone, and apply again.");
        return Refusal::new(failure, attempt.patience());
    }
    if POLICIES.iter().any(|words| message.contains(words)) {
        let failure = new(FailureKind::Rejected, format!("A policy of the cluster refused the object: {message}"));
        return Refusal::new(failure.advice("Change the object so that it complies, or the policy."), Duration::ZERO);
    }
    let why = format!("The credentials for cluster \"{}\" don't allow it.", attempt.cluster);
    Refusal::new(new(FailureKind::Denied, why).advice(missing::advice(message)), Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(verb: Verb, code: u16, message: &str) -> Refusal {
        by_status(&Attempt::new("eu", verb, "Secret a/b"), &Status::failure(message, "Forbidden").with_code(code))
    }

    #[test]
    fn a_403_is_not_always_a_matter_of_access_control() {
        for (message, kind) in [
            (
                "secrets \"b\" is forbidden: unable to create new content in namespace a because it is being terminated",
                FailureKind::NotReady,
            ),
            ("pods \"b\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=3, limited: pods=3", FailureKind::Rejected),
            ("admission webhook \"validation.gatekeeper.sh\" denied the request: [owner] a label is missing", FailureKind::Rejected),
            ("ValidatingAdmissionPolicy 'labels' with binding 'all' denied request: no owner", FailureKind::Rejected),
            ("pods \"b\" is forbidden: violates PodSecurity \"restricted:latest\": privileged", FailureKind::Rejected),
            (
                "secrets is forbidden: User \"ann\" cannot patch resource \"secrets\" in API group \"\" in the namespace \"a\"",
                FailureKind::Denied,
            ),
        ] {
            let Refusal { failure, patience, .. } = refusal(Verb::Write, 403, message);
            assert_eq!((failure.kind, patience > RESTART), (kind, kind == FailureKind::NotReady), "{message}");
            assert!(failure.to_string().contains(message), "{failure}");
        }
    }

    #[test]
    fn what_access_control_lacks_is_named() {
        let message = "clusterroles is forbidden: User \"ann\" cannot get resource \"clusterroles\" in API group \"rbac.authorization.k8s.io\" at \
                       the cluster scope";
        assert!(refusal(Verb::Read, 403, message).failure.advice.starts_with("Bind user `ann` to a ClusterRole with"));
    }
}
