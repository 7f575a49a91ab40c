//! Calls of a host from a pod: how they are made, what came of them, and why they failed.

mod answerer;
mod call;
pub mod caller;
mod explanation;
mod reason;
mod target;

use std::time::Duration;

pub use answerer::{Answerer, COUNTING, Counters, counters_command};
pub use call::{Client, is_missing};
pub use explanation::{Explanation, explain, identities};
pub use reason::Reason;
pub use target::{Scheme, Target};

use call::Reply;

use crate::data::{CommandEnd, Printed};

/// How much of a body is kept, in characters.
const MOST: usize = 1024;

/// How much of a body is in a sentence.
const SHOWN: usize = 300;

/// What came of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The result.
    pub reason: Reason,
    /// The status code, if there was an answer in HTTP.
    pub status: Option<u16>,
    /// The beginning of the body; of TCP, of what came.
    pub body: String,
    /// How long the call took, if the client says so.
    pub time: Option<Duration>,
    /// What was seen; a sentence.
    pub seen: String,
    /// Who answered.
    pub answerer: Answerer,
}

impl Attempt {
    /// Reads what a client printed.
    pub fn of(client: Client, target: &Target, printed: &Printed) -> Self {
        if let CommandEnd::Failed(why) = &printed.end {
            let seen = format!("{} couldn't be run, or was cut off: {}.", client.program(), why.trim_end_matches('.'));
            return Self::none(Reason::NotTried, seen);
        }
        let reply = Reply::of(client, target, printed);
        let reason = reason::of(target, &reply);
        let body = head(&reply.body, MOST);
        Self { seen: seen(reason, target, &reply), reason, status: reply.status, body, time: reply.time, answerer: Answerer::default() }
    }

    /// A call that wasn't made.
    pub fn none(reason: Reason, seen: String) -> Self {
        Self { reason, status: None, body: String::new(), time: None, seen, answerer: Answerer::default() }
    }

    /// Whether the call succeeded.
    pub fn is_ok(&self) -> bool {
        self.reason == Reason::Ok
    }
}

fn head(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

fn seen(reason: Reason, target: &Target, reply: &Reply) -> String {
    let time = reply.time.map(|time| format!(" after {} ms", time.as_millis())).unwrap_or_default();
    match (reply.status, target.scheme) {
        (Some(status), _) if reason == Reason::Ok => format!("The answer was {status}{time}."),
        (Some(status), _) if reply.body.trim().is_empty() => format!("The answer was {status}{time}, without a body."),
        (Some(status), _) => format!("The answer was {status}{time}: {}", head(reply.body.trim(), SHOWN)),
        (None, Scheme::Tcp) if reason == Reason::Ok => "The connection was made and stayed open.".to_owned(),
        (None, Scheme::Tcp) if reply.complaint.is_empty() => format!("The connection was closed{time}, and nothing came."),
        (None, _) if reply.complaint.is_empty() => format!("There was no answer; the client ended with {:?}.", reply.code),
        (None, _) => head(&reply.complaint, SHOWN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_kept_in_part() {
        let output = format!("HTTP/1.1 503 No\r\nserver: envoy\r\n\r\nno healthy upstream{}", "é".repeat(5000));
        let printed = Printed { output: output.into_bytes(), errors: b"\nmesh-probe 0.0123\n".to_vec(), end: CommandEnd::Cut };
        let attempt = Attempt::of(Client::Curl, &Target::parse("http://a/").unwrap(), &printed);
        assert_eq!((attempt.reason, attempt.status, attempt.body.chars().count()), (Reason::NoEndpoint, Some(503), MOST));
        assert!(attempt.seen.starts_with("The answer was 503 after 12 ms: no healthy upstream") && attempt.seen.len() < 1000);
    }

    #[test]
    fn a_command_that_was_not_run_says_nothing_of_the_host() {
        let printed =
            Printed { output: Vec::new(), errors: Vec::new(), end: CommandEnd::Failed("the container is not running".to_owned()) };
        let attempt = Attempt::of(Client::Curl, &Target::parse("http://a/").unwrap(), &printed);
        assert_eq!(attempt.reason, Reason::NotTried);
        assert!(attempt.seen.contains("the container is not running"), "{}", attempt.seen);
    }
}
