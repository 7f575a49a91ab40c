//! What became of all calls.

use std::{collections::BTreeMap, fmt, time::Duration};

use super::Outcome;
use crate::cluster::ClusterName;

/// One call that was made.
#[derive(Debug, Clone)]
pub struct Call {
    /// When it began, from the beginning of the traffic.
    pub at: Duration,
    /// How long it took.
    pub took: Duration,
    /// The cluster of its client.
    pub from: ClusterName,
    /// The name of its target.
    pub target: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// All calls, and what happened meanwhile. Printed, it is a report.
#[derive(Debug, Default)]
pub struct Tally {
    /// In the order of their beginnings.
    pub calls: Vec<Call>,
    /// What the test has noted.
    pub marks: Vec<(Duration, String)>,
}

impl Tally {
    /// How many calls were made.
    pub fn made(&self) -> usize {
        self.calls.len()
    }

    /// The calls that were not answered, or by a proxy's error.
    pub fn failed(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(|call| matches!(call.outcome, Outcome::Failed(_)))
    }

    /// The calls that another server answered.
    pub fn misdirected(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(|call| matches!(call.outcome, Outcome::Misdirected(_)))
    }

    /// The calls that were not answered by the right server.
    pub fn not_answered(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(|call| call.outcome != Outcome::Answered)
    }

    /// The last thing noted before a time.
    pub fn during(&self, at: Duration) -> &str {
        self.marks.iter().rev().find(|(begin, _)| *begin <= at).map_or("", |(_, what)| what)
    }

    /// For each thing that was noted: the calls made until the next, those failed and those misdirected. Calls before the first are left out.
    pub fn by_mark(&self) -> Vec<(&str, [usize; 3])> {
        let mut counts: Vec<_> = self.marks.iter().map(|(_, what)| (what.as_str(), [0; 3])).collect();
        for call in &self.calls {
            let Some(index) = self.marks.iter().rposition(|(begin, _)| *begin <= call.at) else { continue };
            let count = &mut counts[index].1;
            count[0] += 1;
            match call.outcome {
                Outcome::Answered => {}
                Outcome::Failed(_) => count[1] += 1,
                Outcome::Misdirected(_) => count[2] += 1,
            }
        }
        counts
    }
}

impl Tally {
    /// The report without the reasons.
    pub fn table(&self) -> String {
        let (failed, misdirected) = (self.failed().count(), self.misdirected().count());
        let slowest = self.calls.iter().map(|call| call.took).max().unwrap_or_default();
        let made = self.made();
        let line = |(what, [made, failed, misdirected]): (&str, [usize; 3])| format!("| {what} | {made} | {failed} | {misdirected} |\n");
        let lines: String = self.by_mark().into_iter().map(line).collect();
        format!("{made} calls, {failed} failed, {misdirected} misdirected, the slowest {:.1} s\n{lines}", slowest.as_secs_f64())
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table())?;
        // Equal reasons together, with the time of the first and of the last.
        let mut reasons: BTreeMap<_, (Duration, Duration, usize)> = BTreeMap::new();
        for call in self.not_answered() {
            let key = (self.during(call.at), call.from, &call.target, format!("{:?}", call.outcome));
            let (_, last, count) = reasons.entry(key).or_insert((call.at, call.at, 0));
            (*last, *count) = (call.at, *count + 1);
        }
        for ((what, from, target, reason), (first, last, count)) in reasons {
            let (first, last) = (first.as_secs_f64(), last.as_secs_f64());
            writeln!(f, "{count} × {reason}, {from} → {target}, {first:.2} s to {last:.2} s, during: {what}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_what_happened_meanwhile() {
        let call = |at, outcome| Call {
            at: Duration::from_secs(at),
            took: Duration::from_secs(1),
            from: ClusterName::Us,
            target: "http://a:80".to_owned(),
            outcome,
        };
        let failed = || Outcome::Failed("connecting: connection refused".to_owned());
        let tally = Tally {
            calls: vec![
                call(0, Outcome::Answered),
                call(1, Outcome::Answered),
                call(3, failed()),
                call(4, failed()),
                call(5, Outcome::Misdirected("Cluster=us".to_owned())),
            ],
            marks: vec![(Duration::from_secs(1), "first".to_owned()), (Duration::from_secs(3), "second".to_owned())],
        };
        assert_eq!(tally.by_mark(), [("first", [1, 0, 0]), ("second", [3, 2, 1])]);
        let report = tally.to_string();
        assert!(report.starts_with("5 calls, 2 failed, 1 misdirected, the slowest 1.0 s\n"), "{report}");
        assert!(report.contains("2 × Failed(\"connecting: connection refused\"), us → http://a:80, 3.00 s to 4.00 s, during: second"));
    }
}
