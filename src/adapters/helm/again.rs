//! Running Helm again after an API server's passing trouble: Helm itself tries reads again, and gives up at the first write that fails.

use std::time::Duration;

use framework::Deadline;
use tokio::time::Instant;

use super::{At, RESERVE, complaint};
use crate::ports::Failure;

/// The pauses before Helm is run again. Each longer one is for trouble that the shorter ones haven't outlasted.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(10)];

/// Why a try has failed.
#[derive(Debug)]
pub(super) enum Stopped {
    /// By an API server's passing trouble: another try may succeed.
    Passing(Failure),
    /// By anything else, which another try would meet as well.
    Lasting(Failure),
}

impl From<Failure> for Stopped {
    /// What isn't in Helm's words has been tried again already, where that makes sense.
    fn from(failure: Failure) -> Self {
        Self::Lasting(failure)
    }
}

impl Stopped {
    /// Tells by Helm's own words whether the trouble passes.
    pub(super) fn by_helm(failure: Failure) -> Self {
        if complaint::is_passing(&failure) { Self::Passing(failure) } else { Self::Lasting(failure) }
    }
}

/// The tries of one operation on a release.
pub(super) struct Tries<'a> {
    at: &'a At<'a>,
    begin: Instant,
    /// What stopped each try so far.
    stopped_by: Vec<String>,
}

impl<'a> Tries<'a> {
    pub(super) fn of(at: &'a At<'a>) -> Self {
        Self { at, begin: Instant::now(), stopped_by: Vec::new() }
    }

    /// Waits until it is time for another try. A failure is the operation's: the last one, with the tries that there were.
    pub(super) async fn again(&mut self, stopped: Stopped, deadline: &Deadline) -> Result<(), Failure> {
        let (failure, may_pass) = match stopped {
            Stopped::Passing(failure) => (failure, true),
            Stopped::Lasting(failure) => (failure, false),
        };
        let pause = PAUSES.get(self.stopped_by.len()).copied().filter(|pause| may_pass && *pause + RESERVE < deadline.remaining());
        let At { cluster, namespace, name } = *self.at;
        let Some(pause) = pause else { return Err(self.told(failure)) };
        let words = failure.raw.clone().unwrap_or_else(|| failure.why.clone());
        tracing::warn!(
            cluster,
            release = %format_args!("{namespace}/{name}"),
            tried = self.stopped_by.len() + 1,
            ?pause,
            words,
            "helm met passing trouble of the API server: running it again"
        );
        if let Err(cut) = deadline.pause(pause).await {
            let interrupted = Failure::cut(cut, failure.summary.clone(), "waiting to run Helm again");
            return Err(self.told(interrupted.seen(failure.seen).raw(words)));
        }
        self.stopped_by.push(words);
        Ok(())
    }

    /// A failure with what stopped the tries before it, if there were any.
    pub(super) fn told(&self, failure: Failure) -> Failure {
        if self.stopped_by.is_empty() {
            return failure;
        }
        let (tries, seconds) = (self.stopped_by.len() + 1, self.begin.elapsed().as_secs());
        let why = format!("{} Helm was run {tries} times in {seconds} s.", failure.why);
        let former = self.stopped_by.iter().enumerate().map(|(number, words)| format!("run {}: {words}", number + 1));
        Failure { why, ..failure }.seen(former)
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::ports::FailureKind;

    const AT: At<'_> = At { cluster: "eu", namespace: "istio-system", name: "istiod" };

    fn passing(number: u32) -> Stopped {
        Stopped::by_helm(complaint::complaint("Can't", &format!("Error: Post \"https://eu/{number}\": EOF")))
    }

    #[tokio::test(start_paused = true)]
    async fn a_trouble_that_does_not_pass_is_reported_with_all_tries() {
        let deadline = Deadline::after(Duration::from_secs(60), CancellationToken::new());
        let (begin, mut tries) = (Instant::now(), Tries::of(&AT));
        for number in 1..4 {
            tries.again(passing(number), &deadline).await.unwrap();
        }
        let failure = tries.again(passing(4), &deadline).await.unwrap_err();
        assert_eq!(begin.elapsed().as_secs(), 14);
        assert!(failure.why.ends_with("Helm was run 4 times in 14 s."), "{failure}");
        assert_eq!(failure.raw.as_deref(), Some("Post \"https://eu/4\": EOF"));
        assert_eq!(failure.seen, [1, 2, 3].map(|number| format!("run {number}: Post \"https://eu/{number}\": EOF")));
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_pass_is_not_tried_again() {
        let deadline = Deadline::after(Duration::from_secs(60), CancellationToken::new());
        let begin = Instant::now();
        let lasting = Failure::new(FailureKind::Rejected, "Can't", "The chart refuses the values.");
        let failure = Tries::of(&AT).again(lasting.into(), &deadline).await.unwrap_err();
        assert_eq!((failure.why.as_str(), begin.elapsed().as_secs()), ("The chart refuses the values.", 0));
        let mut tries = Tries::of(&AT);
        tries.again(passing(1), &deadline).await.unwrap();
        let lasting = Failure::new(FailureKind::Rejected, "Can't", "The chart refuses the values.");
        let failure = tries.again(lasting.into(), &deadline).await.unwrap_err();
        assert_eq!(failure.why, "The chart refuses the values. Helm was run 2 times in 1 s.");
    }

    #[tokio::test(start_paused = true)]
    async fn the_pauses_end_with_the_time_of_the_operation_and_with_an_interrupt() {
        let deadline = Deadline::after(RESERVE + Duration::from_secs(3), CancellationToken::new());
        let mut tries = Tries::of(&AT);
        tries.again(passing(1), &deadline).await.unwrap();
        let failure = tries.again(passing(2), &deadline).await.unwrap_err();
        assert!(failure.kind == FailureKind::Unreachable && failure.why.contains("run 2 times"), "no time is left for a third: {failure}");

        let cancel = CancellationToken::new();
        cancel.cancel();
        let deadline = Deadline::after(Duration::from_secs(60), cancel);
        let failure = Tries::of(&AT).again(passing(1), &deadline).await.unwrap_err();
        assert!(failure.kind == FailureKind::Interrupted && failure.to_string().contains("https://eu/1"), "{failure}");
    }
}
