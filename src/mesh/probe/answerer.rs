//! Who answered a call: the cluster and the identity by which the caller's sidecar counts it.

use std::collections::{BTreeMap, BTreeSet};

use super::target::Target;
use crate::istio::well_known::PROXY_CONTAINER;

/// Counts requests in HTTP, by status.
const REQUESTS: &str = "istio_requests_total";

/// Counts connections in all that isn't HTTP to the sidecar.
const CONNECTIONS: &str = "istio_tcp_connections_opened_total";

/// What Istio writes where it doesn't know.
const UNKNOWN: &str = "unknown";

/// The container that prints a sidecar's counters.
pub const COUNTING: &str = PROXY_CONTAINER;

/// The command that prints them, to be run in that container: it has no curl, and what the application's container has isn't known.
pub fn counters_command() -> Vec<String> {
    let page = format!("stats/prometheus?usedonly&filter={REQUESTS}%7C{CONNECTIONS}");
    ["pilot-agent", "request", "GET", &page].map(str::to_owned).to_vec()
}

/// The cluster and the identity that answered, as far as the sidecar knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answerer {
    /// Istio's name for the cluster, which the sidecar of the pod that answered tells.
    pub cluster: Option<String>,
    /// The SPIFFE ID in the certificate of the pod that answered.
    pub identity: Option<String>,
}

/// The counters of a sidecar at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counters(BTreeMap<Series, f64>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Series {
    host: String,
    /// The status of the requests that are counted; `None` of connections.
    status: Option<String>,
    answerer: Answerer,
}

impl Counters {
    /// Reads what a sidecar prints. Lines that say nothing of calls are left out.
    pub fn read(printed: &str) -> Self {
        let mut counters = BTreeMap::new();
        for (series, value) in printed.lines().filter_map(series_of) {
            *counters.entry(series).or_default() += value;
        }
        Self(counters)
    }

    /// Whether a call of this target with this status was counted since.
    pub fn has_counted(&self, before: &Self, target: &Target, status: Option<u16>) -> bool {
        self.grown(before, target, status).next().is_some()
    }

    /// Returns who answered a call since. If the pod has called the host for its own ends as well, and others have answered that, it isn't known.
    pub fn answerer(&self, before: &Self, target: &Target, status: Option<u16>) -> Answerer {
        let answerers: BTreeSet<_> = self.grown(before, target, status).collect();
        match answerers.first() {
            Some(only) if answerers.len() == 1 => (*only).clone(),
            _ => Answerer::default(),
        }
    }

    /// The answerers of the calls that were counted since.
    fn grown<'a>(&'a self, before: &'a Self, target: &'a Target, status: Option<u16>) -> impl Iterator<Item = &'a Answerer> {
        let status = status.map(|status| status.to_string());
        let is_of_call = move |series: &Series| {
            // A Service may be called by the first part of its name.
            let rest = series.host.strip_prefix(target.host.as_str());
            let is_host = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
            is_host && (series.status.is_none() || series.status == status)
        };
        let has_grown = |series: &Series, value: f64| value > before.0.get(series).copied().unwrap_or_default();
        let grown = self.0.iter().filter(move |(series, value)| is_of_call(series) && has_grown(series, **value));
        grown.map(|(series, _)| &series.answerer)
    }
}

/// Reads a line of Prometheus' format: `NAME{LABEL="VALUE",…} NUMBER`.
fn series_of(line: &str) -> Option<(Series, f64)> {
    let (name, rest) = line.split_once('{')?;
    let (mut labels, value) = labels_of(rest)?;
    let value = value.trim().parse().ok()?;
    let mut label = |name: &str| labels.remove(name).filter(|value| !value.is_empty() && value != UNKNOWN);
    let status = match name {
        REQUESTS => Some(label("response_code")?),
        CONNECTIONS => None,
        _ => return None,
    };
    if label("reporter")? != "source" {
        return None;
    }
    let host = label("destination_service")?.to_ascii_lowercase();
    let answerer = Answerer { cluster: label("destination_cluster"), identity: label("destination_principal") };
    Some((Series { host, status, answerer }, value))
}

/// Reads labels up to the brace that closes them. Returns what is behind it as well.
fn labels_of(mut text: &str) -> Option<(BTreeMap<&str, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        text = text.trim_start_matches([',', ' ']);
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, rest) = text.split_once("=\"")?;
        let mut value = String::new();
        let mut letters = rest.char_indices();
        let end = loop {
            match letters.next()? {
                (at, '"') => break at,
                (_, '\\') => match letters.next()?.1 {
                    'n' => value.push('\n'),
                    letter => value.push(letter),
                },
                (_, letter) => value.push(letter),
            }
        };
        labels.insert(name, value);
        text = &rest[end + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        Target::parse(url).unwrap()
    }

    /// A line as a sidecar prints it, without the labels that don't count here.
    fn line(host: &str, status: &str, cluster: &str, identity: &str, value: u32) -> String {
        format!(
            "istio_requests_total{{reporter=\"source\",source_workload=\"client\",destination_principal=\"{identity}\",destination_service=\"{host}\",\
             destination_cluster=\"{cluster}\",response_code=\"{status}\",response_flags=\"-\"}} {value}\n"
        )
    }

    const HOST: &str = "echo.eu.mesh.local";
    const ECHO: &str = "spiffe://corp.local/ns/echo/sa/echo";

    #[test]
    fn the_cluster_whose_counter_has_grown_answered() {
        let before = Counters::read(&format!(
            "# TYPE istio_requests_total counter\n{}{}",
            line(HOST, "200", "eu", ECHO, 3),
            line(HOST, "200", "us", ECHO, 1)
        ));
        let after = Counters::read(&format!("{}{}", line(HOST, "200", "eu", ECHO, 4), line(HOST, "200", "us", ECHO, 1)));
        let call = target("http://echo.eu.mesh.local/");
        assert!(after.has_counted(&before, &call, Some(200)) && !before.has_counted(&before, &call, Some(200)));
        let eu = Answerer { cluster: Some("eu".to_owned()), identity: Some(ECHO.to_owned()) };
        assert_eq!(after.answerer(&before, &call, Some(200)), eu);
        assert_eq!(after.answerer(&Counters::default(), &call, Some(200)), Answerer::default(), "two clusters have answered");
        for (url, status) in
            [("http://echo.eu.mesh.local/", Some(403)), ("http://cart.eu.mesh.local/", Some(200)), ("tcp://echo.e:9", None)]
        {
            assert!(!after.has_counted(&before, &target(url), status), "{url} {status:?}");
        }
    }

    #[test]
    fn what_the_sidecar_does_not_know_is_left_open() {
        let counters = Counters::read(&line("echo.echo.svc.cluster.local", "503", "unknown", "unknown", 1));
        let call = target("http://echo.echo/");
        assert!(counters.has_counted(&Counters::default(), &call, Some(503)));
        assert_eq!(counters.answerer(&Counters::default(), &call, Some(503)), Answerer::default());
    }

    #[test]
    fn connections_are_counted_apart_and_labels_may_hold_anything() {
        let line = "istio_tcp_connections_opened_total{reporter=\"source\",source_app=\"a \\\"b}\\\\\",destination_service=\"echo.eu.mesh.local\",\
                    destination_principal=\"spiffe://corp.local/ns/echo/sa/echo\",destination_cluster=\"eu\"} 2";
        let counters = Counters::read(&format!("{line}\n{}\nno{{sense=", line.replace("\"source\"", "\"destination\"")));
        let answerer = counters.answerer(&Counters::default(), &target("tcp://echo.eu.mesh.local:9090"), None);
        assert_eq!((answerer.cluster.as_deref(), answerer.identity.as_deref()), (Some("eu"), Some(ECHO)));
        assert_eq!(counters.0.len(), 1, "what others have counted as callees is no call of this pod");
    }
}
