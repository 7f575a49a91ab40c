//! The command that makes a call, and what it prints.

use std::time::Duration;

use super::target::{Scheme, Target};
use crate::data::{CommandEnd, Printed};

/// Begins the line with curl's figures.
const MARK: &str = "mesh-probe ";

/// For how long a connection in TCP must stay open.
const OPEN: Duration = Duration::from_secs(2);

/// The programs that make calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// curl, which says the most.
    Curl,
    /// wget, of GNU or BusyBox, which makes requests in HTTP only.
    Wget,
}

impl Client {
    /// In the order of preference.
    pub const ALL: [Self; 2] = [Self::Curl, Self::Wget];

    /// Its name.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::Wget => "wget",
        }
    }

    /// Whether it can make this sort of call.
    pub fn can_call(self, target: &Target) -> bool {
        self == Self::Curl || target.scheme != Scheme::Tcp
    }

    /// The arguments of a call that ends by itself.
    pub fn arguments(self, target: &Target, time: Duration) -> Vec<String> {
        let seconds = |time: Duration| time.as_secs().max(1).to_string();
        let arguments: Vec<&str> = match self {
            // `-q` comes first, or it doesn't keep a .curlrc from counting. Without `--globoff` brackets would make many calls of one.
            Self::Curl => vec!["curl", "-q", "--silent", "--show-error", "--globoff", "--write-out"],
            // It tries again and again by itself, for which `-T` is no limit.
            Self::Wget => vec!["timeout"],
        };
        let mut arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        match self {
            Self::Curl => {
                arguments.push(format!("%{{stderr}}\n{MARK}%{{time_total}}\n"));
                let time = if target.scheme == Scheme::Tcp { time.min(OPEN) } else { time };
                arguments.extend(["--max-time".to_owned(), seconds(time)]);
                if target.scheme != Scheme::Tcp {
                    arguments.push("--include".to_owned());
                }
                arguments.push(target.of_curl());
            }
            Self::Wget => {
                let rest = ["wget", "-S", "-O", "-", "-T"].map(str::to_owned);
                arguments.push(seconds(time));
                arguments.extend(rest);
                arguments.extend([seconds(time), target.of_curl()]);
            }
        }
        arguments
    }
}

/// Whether a container lacks the program.
pub fn is_missing(printed: &Printed) -> bool {
    // 126 and 127 are `timeout`'s, and a shell's, of a program that can't be run.
    matches!(printed.end, CommandEnd::Missing | CommandEnd::Exited(126 | 127))
}

/// What a call printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reply {
    /// The status code, if there was an answer in HTTP.
    pub(super) status: Option<u16>,
    /// The headers of the answer, in lower case.
    pub(super) headers: Vec<(String, String)>,
    /// What came after the headers; of TCP, all that came.
    pub(super) body: String,
    /// What curl or wget said of a failure.
    pub(super) complaint: String,
    /// The code with which curl ended; `None` if it didn't.
    pub(super) code: Option<i32>,
    /// How long it took, by curl's own clock.
    pub(super) time: Option<Duration>,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Reads what a client printed.
    pub(super) fn of(client: Client, target: &Target, printed: &Printed) -> Self {
        let output = String::from_utf8_lossy(&printed.output);
        let errors = String::from_utf8_lossy(&printed.errors);
        let code = match printed.end {
            CommandEnd::Exited(code) => Some(code),
            CommandEnd::Cut => Some(0),
            CommandEnd::Missing | CommandEnd::Failed(_) => None,
        };
        let (marks, said): (Vec<&str>, Vec<&str>) = errors.lines().partition(|line| line.starts_with(MARK));
        let seconds = marks.first().and_then(|line| line.strip_prefix(MARK)?.trim().parse::<f64>().ok());
        let mut reply = Self { code, time: seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()), ..Self::default() };
        match client {
            _ if target.scheme == Scheme::Tcp => {
                reply.body = output.into_owned();
                reply.complaint = joined(&said);
            }
            Client::Curl => {
                let (head, body) = last_answer(&output);
                (reply.status, reply.headers) = head_of(head.lines());
                reply.body = if reply.status.is_some() { body.to_owned() } else { String::new() };
                reply.complaint = joined(&said);
            }
            // wget prints the head, indented, among its messages.
            Client::Wget => {
                let (head, said): (Vec<&str>, Vec<&str>) = said.into_iter().partition(|line| line.starts_with("  "));
                let last = head.iter().rposition(|line| line.trim().starts_with("HTTP/")).unwrap_or_default();
                (reply.status, reply.headers) = head_of(head[last..].iter().map(|line| line.trim()));
                reply.body = output.into_owned();
                reply.complaint = joined(&said);
            }
        }
        reply
    }
}

fn joined(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Splits off the head of an answer; those of `100 Continue` before it don't count.
fn last_answer(output: &str) -> (&str, &str) {
    let (head, body) = output.split_once("\r\n\r\n").unwrap_or((output, ""));
    if head.split(' ').nth(1).is_some_and(|code| code.starts_with('1')) && body.starts_with("HTTP/") {
        last_answer(body)
    } else {
        (head, body)
    }
}

fn head_of<'a>(mut lines: impl Iterator<Item = &'a str>) -> (Option<u16>, Vec<(String, String)>) {
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/")?.split(' ').nth(1)?.trim().parse().ok());
    let headers =
        lines.filter_map(|line| line.split_once(':')).map(|(key, value)| (key.trim().to_ascii_lowercase(), value.trim().to_owned()));
    (status, headers.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        Target::parse(url).unwrap()
    }

    fn printed(output: &str, errors: &str, code: i32) -> Printed {
        Printed { output: output.into(), errors: errors.into(), end: CommandEnd::Exited(code) }
    }

    #[test]
    fn a_call_ends_by_itself_and_its_url_is_one_argument() {
        let (http, five) = (target("http://a/?x[1]=$(id)"), Duration::from_secs(5));
        let curl = Client::Curl.arguments(&http, five);
        assert_eq!((curl[1].as_str(), curl.last().map(String::as_str)), ("-q", Some("http://a/?x[1]=$(id)")));
        assert!(curl.windows(2).any(|pair| pair == ["--max-time", "5"]), "{curl:?}");
        assert_eq!(Client::Wget.arguments(&http, five)[..3], ["timeout", "5", "wget"]);
        let tcp = Client::Curl.arguments(&target("tcp://a:1"), five);
        assert!(tcp.windows(2).any(|pair| pair == ["--max-time", "2"]) && !tcp.contains(&"--include".to_owned()), "{tcp:?}");
        assert!(!Client::Wget.can_call(&target("tcp://a:1")));
    }

    #[test]
    fn an_answer_is_read_from_what_curl_prints() {
        let head = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nServer: envoy\r\nx-envoy-upstream-service-time: 2\r\n\r\n";
        let reply =
            Reply::of(Client::Curl, &target("http://a/"), &printed(&format!("{head}Cluster=eu\r\n\r\nmore"), "\nmesh-probe 0.004192\n", 0));
        assert_eq!((reply.status, reply.header("server"), reply.code), (Some(200), Some("envoy"), Some(0)));
        assert_eq!((reply.body.as_str(), reply.time), ("Cluster=eu\r\n\r\nmore", Some(Duration::from_micros(4192))));
        assert_eq!(reply.complaint, "");
    }

    #[test]
    fn a_failure_is_read_from_what_curl_prints() {
        let errors = "curl: (6) Could not resolve host: nothing.mesh.local\n\nmesh-probe 0.003638\n";
        let reply = Reply::of(Client::Curl, &target("http://a/"), &printed("", errors, 6));
        assert_eq!((reply.status, reply.code), (None, Some(6)));
        assert_eq!(reply.complaint, "curl: (6) Could not resolve host: nothing.mesh.local");
    }

    #[test]
    fn an_answer_is_read_from_what_wget_prints() {
        let errors = "Connecting to a (240.0.0.2:80)\n  HTTP/1.1 503 Service Unavailable\n  server: envoy\n  \nwget: server returned error: HTTP/1.1 503 \
                      Service Unavailable\n";
        let reply = Reply::of(Client::Wget, &target("http://a/"), &printed("", errors, 1));
        assert_eq!((reply.status, reply.header("server")), (Some(503), Some("envoy")));
        assert!(reply.complaint.contains("server returned error"), "{}", reply.complaint);
    }
}
