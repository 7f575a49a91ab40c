//! The mesh as one HTML page that needs nothing else: no network, no script. The same mesh gives the same bytes.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Calls, Cluster, ExportedService, Problem, Topology, map::MOST_CLUSTERS, shortened};
use crate::mesh::status::Severity;

const STYLE: &str = include_str!("page.css");

/// Adds a search to the tables; without it they are complete.
const SCRIPT: &str = include_str!("page.js");

/// More problems than this are counted only.
const MOST_PROBLEMS: usize = 100;

/// More importers of a host than this are counted, and only those with a problem are named.
const MOST_IMPORTERS: usize = 4;

impl Topology {
    /// Returns the page.
    pub fn html(&self) -> String {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width,initial-scale=1";
                    title { "Mesh " (self.name()) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    (self.header())
                    main {
                        (self.problem_list())
                        section {
                            h2 { "Calls between clusters" }
                            @match self.map() {
                                Some(map) => { (map) }
                                None => p.note { "A map is drawn for up to " (MOST_CLUSTERS) " clusters. The table shows all of them." }
                            }
                            (self.matrix())
                        }
                        section {
                            h2 { "Clusters" }
                            div.cards { @for cluster in &self.clusters { (card(cluster)) } }
                        }
                        (self.export_table())
                        (self.import_table())
                    }
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        }
        .into_string()
    }

    /// The mesh's ID, or IDs.
    fn name(&self) -> String {
        let mut ids: Vec<_> = self.clusters.iter().filter_map(|cluster| cluster.mesh_id.as_deref()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.join(", ")
    }

    fn header(&self) -> Markup {
        let verdict = match self.verdict {
            Severity::Ok => "All checks are ok",
            Severity::Warning => "Something should be mended",
            Severity::Unknown => "Not everything could be looked at",
            Severity::Error => "Something does not work",
        };
        html! {
            header {
                h1 { "Mesh " (self.name()) }
                p.verdict { (badge(self.verdict)) " " (verdict) }
                p.note { (counted(self.clusters.len(), "cluster")) ", " (counted(self.exports.len(), "exported host")) ", " (counted(self.problems.len(), "problem")) }
            }
        }
    }

    fn problem_list(&self) -> Markup {
        html! {
            @if !self.problems.is_empty() {
                section {
                    h2 { "Problems" }
                    ul.problems { @for problem in self.problems.iter().take(MOST_PROBLEMS) { (problem_item(problem)) } }
                    @if self.problems.len() > MOST_PROBLEMS { p.note { "And " (self.problems.len() - MOST_PROBLEMS) " more, which the data source mesh_status lists." } }
                }
            }
        }
    }

    /// A row for each cluster that calls, and a column for each that is called.
    fn matrix(&self) -> Markup {
        let calls = self.calls();
        // Where there is no map, there is no room for numbers of several digits and a sign either.
        let is_small = self.clusters.len() > MOST_CLUSTERS;
        html! {
            p.note { "Exported hosts that a cluster (row) can call in another one (column). × is an error, ! a warning, ? what isn't known." }
            div.scroll { table class=(if is_small { "matrix small" } else { "matrix" }) {
                thead { tr {
                    th {}
                    @for to in &self.clusters { th scope="col" title=(to.key) { span { (shortened(&to.key, 16)) } } }
                } }
                tbody { @for from in &self.clusters { tr {
                    th scope="row" title=(from.key) { (shortened(&from.key, 24)) }
                    @for to in &self.clusters { (cell(from, to, calls.get(&(from.key.as_str(), to.key.as_str())), is_small)) }
                } } }
            } }
        }
    }

    fn import_table(&self) -> Markup {
        html! {
            @if !self.imports.is_empty() {
                section {
                    h2 { "Hosts imported from elsewhere" }
                    p.note { "Their exports are in clusters that are not shown here, or can't be read." }
                    div.scroll { table.imports {
                        thead { tr { @for title in ["Host", "Imported by", "Comes from"] { th scope="col" { (title) } } } }
                        tbody { @for import in &self.imports { tr {
                            td { code { (import.host) } }
                            td class=(import.severity.as_str()) { (import.cluster) @if import.severity != Severity::Ok { " " (badge(import.severity)) } }
                            td { (import.origin()) }
                        } } }
                    } }
                }
            }
        }
    }

    fn export_table(&self) -> Markup {
        html! {
            section {
                h2 { "Exported hosts" }
                @if self.exports.is_empty() { p.note { "No host is exported." } } @else {
                    div.scroll { table.searched {
                        thead { tr { @for title in ["Host", "Exported by", "Service", "Ports", "Ready pods", "Imported by"] { th scope="col" { (title) } } } }
                        tbody { @for export in &self.exports { (row(export)) } }
                    } }
                }
            }
        }
    }
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// The severity as a word, so that no one has to tell colors apart.
fn badge(severity: Severity) -> Markup {
    html! { b class=(severity.as_str()) { (severity.as_str()) } }
}

fn problem_item(problem: &Problem) -> Markup {
    html! {
        li {
            (badge(problem.severity)) " "
            @if let Some(cluster) = &problem.cluster { strong { (cluster) } " " }
            @if let Some(object) = &problem.object { code { (object) } " " }
            (problem.seen)
            @if !problem.cause.is_empty() || !problem.fix.is_empty() {
                details { summary { code { (problem.id) } } p { (problem.cause) } p { (problem.fix) } }
            }
        }
    }
}

/// In a small cell, the sign of a problem takes the place of the number.
fn cell(from: &Cluster, to: &Cluster, calls: Option<&Calls>, is_small: bool) -> Markup {
    html! {
        @if from.key == to.key { td.self {} } @else if let Some(calls) = calls {
            td class=(calls.severity.as_str()) title={ (from.key) " → " (to.key) ": " (counted(calls.hosts, "host")) ", " (calls.severity.as_str()) } {
                @if !is_small || calls.severity == Severity::Ok { (calls.hosts) }
                @match calls.severity { Severity::Ok => "", Severity::Warning => "!", Severity::Unknown => "?", Severity::Error => "×" }
            }
        } @else { td {} }
    }
}

fn card(cluster: &Cluster) -> Markup {
    let fact = |name: &str, value: Option<&str>| {
        html! { @if let Some(value) = value { dt { (name) } dd { (value) } } }
    };
    let istiod = match (cluster.istiod_ready, cluster.istiod_replicas) {
        (Some(ready), Some(replicas)) => format!("{ready} of {replicas} pods ready"),
        _ => "unknown".to_owned(),
    };
    let sidecars = cluster.sidecars.map_or_else(|| "unknown".to_owned(), |sidecars| sidecars.to_string());
    html! {
        article class=(cluster.severity.as_str()) {
            h3 { (cluster.key) " " (badge(cluster.severity)) }
            @if let Some(why) = &cluster.unreachable { p { (why) } } @else {
                dl {
                    (fact("Network", cluster.network.as_deref()))
                    (fact("Mesh ID", cluster.mesh_id.as_deref()))
                    (fact("Trust domain", cluster.trust_domain.as_deref()))
                    (fact("Istio", cluster.istio_version.as_deref()))
                    (fact("istiod", Some(&istiod)))
                    @for gateway in &cluster.gateways {
                        dt { "Gateway" }
                        dd title={ (gateway.namespace) "/" (gateway.name) } {
                            @if gateway.addresses.is_empty() { "no address" } @else { (gateway.addresses.join(", ")) " port " (gateway.port) }
                            @if gateway.severity != Severity::Ok {
                                @if let (Some(ready), Some(replicas)) = (gateway.ready, gateway.replicas) { ", " (ready) " of " (replicas) " pods ready" }
                                " " (badge(gateway.severity))
                            }
                        }
                    }
                    @for link in &cluster.links {
                        dt { "Link" }
                        dd { (link.network) " by " (link.addresses.join(", ")) " port " (link.port) @if link.severity != Severity::Ok { " " (badge(link.severity)) } }
                    }
                    @for found in &cluster.discovers {
                        dt { "Discovers" }
                        dd { (found.name) @if found.severity != Severity::Ok { " " (badge(found.severity)) } }
                    }
                    @for root in &cluster.roots { dt { "Root" } dd { code title=(root) { (root.chars().take(12).collect::<String>()) } } }
                    (fact("Sidecars", Some(&sidecars)))
                }
            }
        }
    }
}

fn row(export: &ExportedService) -> Markup {
    let bad = || export.importers.iter().filter(|importer| importer.severity != Severity::Ok);
    let few = export.importers.len() <= MOST_IMPORTERS;
    html! {
        tr {
            td { code { (export.host) } }
            td { (export.exporter) }
            td { (export.namespace) "/" (export.service.as_deref().unwrap_or("?")) }
            td { (export.ports.join(", ")) }
            td class=(export.severity.as_str()) {
                @match (export.ready_pods, export.pods) { (Some(ready), Some(pods)) => { (ready) " of " (pods) } _ => "?" }
            }
            td {
                @if !few { (counted(export.importers.len(), "cluster")) @if bad().next().is_some() { ", of these " } }
                @for (index, importer) in export.importers.iter().filter(|importer| few || importer.severity != Severity::Ok).take(MOST_IMPORTERS).enumerate() {
                    @if index > 0 { ", " } (importer.cluster) @if importer.severity != Severity::Ok { " " (badge(importer.severity)) }
                }
                @if !few && bad().count() > MOST_IMPORTERS { " and " (bad().count() - MOST_IMPORTERS) " more" }
            }
        }
    }
}
