//! Failures outside of the provider, described so that a person can act on them.

use framework::{Cut, Error};

/// A failure of a call to a cluster, to Helm or to an authority.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", self.detail())]
pub struct Failure {
    /// What sort of failure, for code that goes on in spite of it.
    pub kind: FailureKind,
    /// A short title: `Can't reach the API server of cluster "eu"`.
    pub summary: String,
    /// What was tried, on which object, and why it failed; sentences.
    pub why: String,
    /// What was seen meanwhile: pods' states, events; one line each.
    pub seen: Vec<String>,
    /// What to do next; sentences. May be empty.
    pub advice: String,
    /// The error as it came, for a search.
    pub raw: Option<String>,
}

/// Sorts of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Nothing answers.
    Unreachable,
    /// Another cluster answers than the one that the object was created in.
    OtherCluster,
    /// Not allowed: authentication or authorization.
    Denied,
    /// It doesn't exist.
    NotFound,
    /// What is to be created is there already.
    Exists,
    /// Another client owns it, or changed it meanwhile.
    Conflict,
    /// The API server or a webhook refused the object.
    Rejected,
    /// The webhook or API that should judge it doesn't answer yet; to be tried again.
    NotReady,
    /// The operation's time is over.
    TimedOut,
    /// The user interrupted.
    Interrupted,
    /// A program or a setting is missing.
    Unconfigured,
    /// Anything else.
    Other,
}

impl Failure {
    /// A failure without evidence or advice.
    pub fn new(kind: FailureKind, summary: impl Into<String>, why: impl Into<String>) -> Self {
        Self { kind, summary: summary.into(), why: why.into(), seen: Vec::new(), advice: String::new(), raw: None }
    }

    /// The failure of an operation that was cut short while it did `what` ("waiting for …").
    pub fn cut(cut: Cut, summary: impl Into<String>, what: &str) -> Self {
        match cut {
            Cut::Interrupted => Self::new(FailureKind::Interrupted, summary, format!("Interrupted while {what}."))
                .advice("What was made so far is saved in the state; the next apply goes on from there."),
            Cut::TimedOut(given) => Self::new(FailureKind::TimedOut, summary, format!("Gave up after {given:?} while {what}."))
                .advice("If it only needs longer, raise the operation's time in `timeouts`."),
        }
    }

    /// With what to do next.
    #[must_use]
    pub fn advice(self, advice: impl Into<String>) -> Self {
        Self { advice: advice.into(), ..self }
    }

    /// With what was seen.
    #[must_use]
    pub fn seen(mut self, seen: impl IntoIterator<Item = String>) -> Self {
        self.seen.extend(seen);
        self
    }

    /// With the error as it came.
    #[must_use]
    pub fn raw(self, raw: impl ToString) -> Self {
        Self { raw: Some(raw.to_string()), ..self }
    }

    /// Returns everything but the title, for a diagnostic.
    pub fn detail(&self) -> String {
        let mut detail = self.why.clone();
        if !self.seen.is_empty() {
            detail.push_str("\n\nSeen:");
            for line in &self.seen {
                detail.push_str("\n  - ");
                detail.push_str(line);
            }
        }
        if !self.advice.is_empty() {
            detail.push_str("\n\n");
            detail.push_str(&self.advice);
        }
        if let Some(raw) = &self.raw {
            detail.push_str("\n\nThe error: ");
            detail.push_str(raw);
        }
        detail
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let detail = failure.detail();
        Self::new(failure.summary, detail)
    }
}
