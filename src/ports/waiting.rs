//! Waits of several calls a turn, which outlast an API server's passing trouble.

use std::time::Duration;

use framework::Deadline;

use super::{Failure, FailureKind};

/// A wait that looks again and again. An API server that can't be reached, or can't serve, for a time doesn't end it: only the operation's
/// deadline does, and then the failure says what the trouble was.
pub struct Waiting<'a> {
    deadline: &'a Deadline,
    /// What the last look met instead of an answer.
    trouble: Option<String>,
}

impl<'a> Waiting<'a> {
    /// A wait until the deadline.
    pub fn until(deadline: &'a Deadline) -> Self {
        Self { deadline, trouble: None }
    }

    /// Returns what a look has found; `None` if it met trouble that may pass, or the time was over meanwhile, which the next
    /// [`pause`](Self::pause) reports. Any other failure ends the wait.
    pub fn outlast<T>(&mut self, look: Result<T, Failure>) -> Result<Option<T>, Failure> {
        match look {
            Ok(found) => {
                self.trouble = None;
                Ok(Some(found))
            }
            Err(failure) => match failure.kind {
                FailureKind::Unreachable | FailureKind::NotReady => {
                    self.trouble = Some(words(&[failure.why], failure.raw));
                    Ok(None)
                }
                FailureKind::TimedOut | FailureKind::Interrupted => {
                    // A call that was cut short at its first try has met nothing.
                    if !failure.seen.is_empty() {
                        self.trouble = Some(words(&failure.seen, failure.raw));
                    }
                    Ok(None)
                }
                _ => Err(failure),
            },
        }
    }

    /// Waits for the next look. Once the time is over, this is a failure with what the last look met; `what` completes "while …".
    pub async fn pause(&self, pause: Duration, summary: &str, what: &str) -> Result<(), Failure> {
        let cut = self.deadline.pause(pause).await;
        cut.map_err(|cut| {
            Failure::cut(cut, summary, what).seen(self.trouble.as_ref().map(|trouble| format!("The last look failed: {trouble}")))
        })
    }
}

fn words(sentences: &[String], raw: Option<String>) -> String {
    sentences.iter().cloned().chain(raw).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;

    fn failure(kind: FailureKind) -> Failure {
        Failure::new(kind, "Can't", "It doesn't answer.").raw("connection refused")
    }

    #[tokio::test(start_paused = true)]
    async fn trouble_that_may_pass_ends_no_wait_before_its_time() {
        let deadline = Deadline::after(Duration::from_secs(60), CancellationToken::new());
        let mut waiting = Waiting::until(&deadline);
        for kind in [FailureKind::Unreachable, FailureKind::NotReady].into_iter().cycle().take(40) {
            assert!(waiting.outlast::<()>(Err(failure(kind))).unwrap().is_none());
            waiting.pause(Duration::from_secs(1), "Not ready", "waiting for it").await.unwrap();
        }
        // The time ends in the middle of a call, which has met nothing new.
        assert!(waiting.outlast::<()>(Err(Failure::new(FailureKind::TimedOut, "Can't", "Gave up."))).unwrap().is_none());
        let late = waiting.pause(Duration::from_secs(60), "Not ready", "waiting for it").await.unwrap_err();
        assert_eq!((late.kind, late.why.as_str()), (FailureKind::TimedOut, "Gave up after 60s while waiting for it."));
        assert_eq!(late.seen, ["The last look failed: It doesn't answer. connection refused"]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_ends_the_trouble_and_a_refusal_ends_the_wait() {
        let deadline = Deadline::after(Duration::from_secs(1), CancellationToken::new());
        let mut waiting = Waiting::until(&deadline);
        assert!(waiting.outlast::<()>(Err(failure(FailureKind::NotReady))).unwrap().is_none());
        assert_eq!(waiting.outlast(Ok(5)).unwrap(), Some(5));
        assert_eq!(waiting.outlast::<()>(Err(failure(FailureKind::Denied))).unwrap_err().kind, FailureKind::Denied);
        let late = waiting.pause(Duration::from_secs(2), "Not ready", "waiting for it").await.unwrap_err();
        assert_eq!(late.seen, [""; 0]);
    }
}
