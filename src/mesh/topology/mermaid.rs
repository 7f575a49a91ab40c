//! The mesh as a Mermaid flowchart, for pull requests and READMEs.

use std::fmt::Write as _;

use super::{Cluster, Topology};
use crate::mesh::status::Severity;

/// More clusters than this are not drawn: the chart would not be readable.
const MOST_CLUSTERS: usize = 30;

/// More arrows than this are not drawn: GitHub refuses charts that are too large.
const MOST_ARROWS: usize = 120;

impl Topology {
    /// Returns a flowchart with an arrow from each cluster that calls to each that is called. What is left out is said in a node of its own.
    pub fn mermaid(&self) -> String {
        let mut chart = "flowchart LR\n".to_owned();
        let drawn = &self.clusters[..self.clusters.len().min(MOST_CLUSTERS)];
        for (index, cluster) in drawn.iter().enumerate() {
            _ = writeln!(chart, "  c{index}[\"{}\"]:::{}", label(cluster), cluster.severity.as_str());
        }
        let index_of = |key: &str| drawn.iter().position(|cluster| cluster.key == key);
        let calls = self.calls();
        let arrows: Vec<_> =
            calls.iter().filter_map(|((from, to), calls)| Some((index_of(from)?, index_of(to)?, calls))).take(MOST_ARROWS).collect();
        for (from, to, calls) in &arrows {
            _ = writeln!(chart, "  c{from} {}|\"{}\"| c{to}", line(calls.severity), hosts(calls.hosts));
        }
        self.write_elsewhere(&mut chart, drawn);
        let left = [(self.clusters.len() - drawn.len(), "clusters"), (calls.len() - arrows.len(), "arrows")];
        let left: Vec<_> = left.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        if !left.is_empty() {
            _ = writeln!(chart, "  left[\"not drawn: {}\"]:::note", left.join(", "));
        }
        chart.push_str(STYLES);
        chart
    }

    /// Adds an arrow from each cluster that imports hosts from where the picture doesn't reach.
    fn write_elsewhere(&self, chart: &mut String, drawn: &[Cluster]) {
        let calls = self.calls_elsewhere();
        let calls: Vec<_> =
            drawn.iter().enumerate().filter_map(|(index, cluster)| Some((index, calls.get(cluster.key.as_str())?))).collect();
        if !calls.is_empty() {
            chart.push_str("  elsewhere[\"elsewhere\"]:::note\n");
        }
        for (index, calls) in calls {
            _ = writeln!(chart, "  c{index} {}|\"{}\"| elsewhere", line(calls.severity), hosts(calls.hosts));
        }
    }
}

const STYLES: &str = "  classDef ok stroke:#2a7d4f\n  classDef warning stroke:#b26a00,stroke-width:2px\n  \
                      classDef unknown stroke:#6b7280,stroke-dasharray:4\n  classDef error stroke:#c0262d,stroke-width:3px\n  \
                      classDef note stroke-dasharray:2\n";

fn line(severity: Severity) -> &'static str {
    if severity == Severity::Ok { "-->" } else { "-.->" }
}

fn hosts(count: usize) -> String {
    if count == 1 { "1 host".to_owned() } else { format!("{count} hosts") }
}

fn label(cluster: &Cluster) -> String {
    let network = cluster.network.as_deref().map(|network| format!("<br/>{}", escaped(network))).unwrap_or_default();
    let unreachable = if cluster.unreachable.is_some() { "<br/>can't be read" } else { "" };
    format!("{}{network}{unreachable}", escaped(&cluster.key))
}

/// Replaces what has a meaning in a label by Mermaid's own codes.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        if letter.is_alphanumeric() || "-._ ".contains(letter) {
            escaped.push(letter);
        } else {
            _ = write!(escaped, "#{};", u32::from(letter));
        }
    }
    escaped
}
