//! What an API server's refusal, or its silence, means to the user.

use std::{error::Error as _, fmt, time::Duration};

use kube::{client::AuthError, config::ExecConfig};

use crate::ports::{Failure, FailureKind};

/// How long an API server that can't be reached, or is overloaded, is tried again: long enough for one that restarts, not so long that a
/// plan seems to hang.
const RESTART: Duration = Duration::from_secs(5);

/// How long a kind may take from its definition until it is served.
const DEFINITION: Duration = Duration::from_secs(30);

/// As long as the operation's deadline lets one.
const ENDLESS: Duration = Duration::MAX;

/// What is tried on an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Read,
    List,
    Write,
    /// A write that keeps nothing. It asks how things are now, so it waits for nothing.
    TryOut,
    Delete,
    /// Of a service account: a token.
    Issue,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::List => "list",
            Self::Write => "write",
            Self::TryOut => "try out",
            Self::Delete => "delete",
            Self::Issue => "issue a token of",
        })
    }
}

/// What was tried.
pub(super) struct Attempt<'a> {
    pub(super) cluster: &'a str,
    pub(super) verb: Verb,
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

    /// How long to wait for what only isn't ready: what changes something may wait for it, what only looks tells the user.
    fn patience(&self) -> Duration {
        match self.verb {
            Verb::Read | Verb::List | Verb::Issue => RESTART,
            Verb::Write | Verb::Delete => ENDLESS,
            Verb::TryOut => Duration::ZERO,
        }
    }
}

/// An API server's refusal, or silence.
pub(super) struct Refusal {
    pub(super) failure: Failure,
    /// For how long it makes sense to try again.
    pub(super) patience: Duration,
    /// A "not found" that need not be an API server's.
    pub(super) is_doubtful: bool,
}

impl Refusal {
    fn new(failure: Failure, patience: Duration) -> Self {
        Self { failure, patience, is_doubtful: false }
    }

    pub(super) fn unreachable(attempt: &Attempt<'_>, address: &str, raw: &str) -> Self {
        let why = format!(
            "The API server at {address} of cluster \"{}\" doesn't answer as it should, when {}.",
            attempt.cluster,
            attempt.doing()
        );
        let failure = Failure::new(FailureKind::Unreachable, format!("Can't reach cluster \"{}\"", attempt.cluster), why)
            .advice(
                "Check the address in the provider's `clusters`, the network on the way, and that the API server runs. The state stays as it is.",
            )
            .raw(raw);
        Self::new(failure, RESTART)
    }
}

/// What an error of the client means.
pub(super) fn of(attempt: &Attempt<'_>, address: &str, error: kube::Error) -> Refusal {
    if let Some(auth) = auth_error(&error) {
        return Refusal::new(no_credentials(attempt.cluster, None, auth), Duration::ZERO);
    }
    match error {
        kube::Error::Api(status) => refused(attempt, &status),
        // The body is not of the protocol: a load balancer or proxy has answered.
        kube::Error::SerdeError(error) => Refusal::unreachable(attempt, address, &error.to_string()),
        error => Refusal::unreachable(attempt, address, &chain(&error)),
    }
}

/// The error of a credential plugin or a token file: kube reports it as its own while it connects, and as the transport's later on.
pub(super) fn auth_error(error: &kube::Error) -> Option<&AuthError> {
    match error {
        kube::Error::Auth(auth) => Some(auth),
        kube::Error::Service(error) => error.downcast_ref(),
        _ => None,
    }
}

/// Explains why there are no credentials. Of a plugin it shows the name and what it wrote to standard error, and nothing else: its output
/// may hold a token, its arguments and environment secrets.
pub(super) fn no_credentials(cluster: &str, plugin: Option<&ExecConfig>, error: &AuthError) -> Failure {
    let raw = match error {
        AuthError::AuthExecRun { out, .. } => format!("{}: {}", out.status, String::from_utf8_lossy(&out.stderr).trim()),
        AuthError::AuthExecParse(_) | AuthError::ParseTokenKey(_) => "what the program prints are no credentials".to_owned(),
        error => error.to_string(),
    };
    Failure::new(
        FailureKind::Denied,
        format!("No credentials for cluster \"{cluster}\""),
        match plugin.and_then(|plugin| plugin.command.as_deref()) {
            Some(command) => format!("The credential plugin `{command}` failed."),
            None => "Failed to obtain the credentials that the provider's configuration names.".to_owned(),
        },
    )
    .advice(match plugin.and_then(|plugin| plugin.install_hint.as_deref()) {
        Some(hint) => hint.trim(),
        None => "If a program prints them (`exec`), run it manually to see its output.",
    })
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

fn refused(attempt: &Attempt<'_>, status: &kube::core::Status) -> Refusal {
    let message = status.message.as_str();
    let is_write = matches!(attempt.verb, Verb::Write | Verb::TryOut);
    let new = |kind, why: String, advice: &str| Failure::new(kind, attempt.title(), why).advice(advice).raw(message);
    let at_once = |failure| Refusal::new(failure, Duration::ZERO);
    // The webhook's own words come as any other refusal; that it couldn't be called at all is a matter of time.
    if message.contains("failed calling webhook") {
        let failure = new(
            FailureKind::NotReady,
            "A webhook that has to judge the object doesn't answer.".to_owned(),
            "If it is istiod's: look at its pods; the webhook serves once they are ready.",
        );
        return Refusal::new(failure, attempt.patience());
    }
    match status.code {
        401 => at_once(new(
            FailureKind::Denied,
            format!("Cluster \"{}\" doesn't know who asks: the credentials are wrong or have expired.", attempt.cluster),
            "Renew the credentials in the provider's configuration. Tokens that live for minutes are best had by `exec`.",
        )),
        403 => at_once(new(
            FailureKind::Denied,
            format!("The credentials for cluster \"{}\" don't allow it.", attempt.cluster),
            "Grant it by a Role or ClusterRole; the message below names verb and kind.",
        )),
        404 if is_write && message.contains("namespaces") => {
            at_once(new(FailureKind::Rejected, "Its namespace doesn't exist.".to_owned(), "Make the namespace first, or name another."))
        }
        // A definition that was made just now is served a moment later; one that nobody makes never is.
        404 if is_write => {
            let failure = new(
                FailureKind::NotReady,
                "The cluster doesn't know this kind of object (yet).".to_owned(),
                "Kinds of Istio come with its base chart: is the mesh_cluster of this cluster applied, and named by a reference?",
            );
            Refusal::new(failure, attempt.patience().min(DEFINITION))
        }
        404 => {
            let failure = new(FailureKind::NotFound, "There is no such object.".to_owned(), "");
            Refusal { is_doubtful: status.reason != "NotFound", ..at_once(failure) }
        }
        409 => at_once(new(FailureKind::Conflict, "Someone else changed it meanwhile, or owns it.".to_owned(), "")),
        429 | 500 | 502 | 503 | 504 => {
            let failure = new(FailureKind::NotReady, "The API server can't serve the request now.".to_owned(), "");
            Refusal::new(failure, attempt.patience())
        }
        _ => at_once(new(FailureKind::Rejected, format!("The cluster refused the object: {message}"), "")),
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::ExitStatusExt as _, process::Output};

    use super::*;

    #[test]
    fn a_credential_plugin_that_fails_gives_nothing_away() {
        let out = Output {
            status: std::process::ExitStatus::from_raw(256),
            stdout: b"t0ken".to_vec(),
            stderr: b"session expired: log in\n".to_vec(),
        };
        let failed = || AuthError::AuthExecRun { cmd: "SECRET=\"s3cret\" \"aws\"".to_owned(), out: Box::new(out.clone()) };
        let attempt = Attempt { cluster: "eu", verb: Verb::Read, object: "Secret a/b".to_owned() };
        for error in [kube::Error::Auth(failed()), kube::Error::Service(Box::new(failed()))] {
            let failure = of(&attempt, "https://eu", error).failure;
            assert_eq!(failure.kind, FailureKind::Denied);
            let text = failure.to_string();
            assert!(text.contains("session expired") && !text.contains("t0ken") && !text.contains("s3cret"), "{text}");
        }
    }
}
