//! The map of the HTML page: clusters on an ellipse, and an arrow from each cluster that calls to each that is called. What isn't shown but called has
//! one place of its own.

use std::{
    collections::BTreeMap,
    f64::consts::{FRAC_PI_2, PI},
};

use maud::{Markup, html};

use super::{Calls, Cluster, Topology, shortened};

/// More clusters than this are not drawn; the matrix shows them all.
pub(super) const MOST_CLUSTERS: usize = 16;

/// Of more clusters than this, the arrows have no numbers: these would cover each other. The matrix has them.
const MOST_LABELLED: usize = 6;

const WIDTH: f64 = 960.0;
/// Half the width and half the height of a cluster's box.
const BOX: (f64, f64) = (84.0, 32.0);
/// How far the two arrows between two clusters are bent apart.
const BEND: f64 = 28.0;

struct Map {
    height: f64,
    places: Vec<(f64, f64)>,
}

impl Map {
    fn of(count: usize) -> Self {
        #[allow(clippy::cast_precision_loss)] // a few clusters
        let number = count as f64;
        // The higher, the more clusters; two of them lie side by side.
        let height = if count <= 2 { 180.0 } else { (140.0 + 60.0 * number).min(720.0) };
        let (middle, radius) = ((WIDTH / 2.0, height / 2.0), (WIDTH / 2.0 - BOX.0 - 20.0, height / 2.0 - BOX.1 - 16.0));
        let place = |index: usize| {
            #[allow(clippy::cast_precision_loss)]
            let turn = 2.0 * PI * index as f64 / number;
            let angle = if count == 2 { PI + turn } else { turn - FRAC_PI_2 };
            let reach = if count == 1 {
                0.0
            } else if count == 2 {
                0.7
            } else {
                1.0
            };
            (middle.0 + reach * radius.0 * angle.cos(), middle.1 + reach * radius.1 * angle.sin())
        };
        Self { height, places: (0..count).map(place).collect() }
    }

    /// The arrow between two clusters: where it starts, bends and ends, and where its label is.
    fn arrow(&self, from: usize, to: usize) -> Arrow {
        let (a, b) = (self.places[from], self.places[to]);
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let length = dx.hypot(dy).max(1.0);
        // To its right, so that the arrow of the other direction is on the other side.
        let side = (-dy / length * BEND, dx / length * BEND);
        let middle = (f64::midpoint(a.0, b.0) + side.0, f64::midpoint(a.1, b.1) + side.1);
        let bend = (middle.0 + side.0, middle.1 + side.1);
        Arrow { start: edge(a, bend), bend, end: edge(b, bend), label: middle }
    }
}

struct Arrow {
    start: (f64, f64),
    bend: (f64, f64),
    end: (f64, f64),
    label: (f64, f64),
}

/// The point where the line from a box's middle towards another point leaves the box, with a little room.
fn edge(middle: (f64, f64), towards: (f64, f64)) -> (f64, f64) {
    let (dx, dy) = (towards.0 - middle.0, towards.1 - middle.1);
    let factor = ((BOX.0 + 5.0) / dx.abs().max(0.001)).min((BOX.1 + 5.0) / dy.abs().max(0.001)).min(1.0);
    (middle.0 + dx * factor, middle.1 + dy * factor)
}

/// A coordinate.
fn at(number: f64) -> String {
    format!("{number:.0}")
}

impl Topology {
    /// Returns the map; `None` if there are too many clusters for it.
    pub(super) fn map(&self) -> Option<Markup> {
        if self.clusters.len() > MOST_CLUSTERS || self.clusters.is_empty() {
            return None;
        }
        let elsewhere = self.calls_elsewhere();
        let map = Map::of(self.clusters.len() + usize::from(!elsewhere.is_empty()));
        let index_of = |key: &str| self.clusters.iter().position(|cluster| cluster.key == key);
        let calls = self.calls();
        // The worse, the later, so that what fails lies above what succeeds.
        let within = calls.iter().filter_map(|((from, to), calls)| Some((*from, *to, map.arrow(index_of(from)?, index_of(to)?), *calls)));
        let out = elsewhere.iter().filter_map(|(from, calls)| {
            Some((*from, "clusters that are not shown", map.arrow(index_of(from)?, self.clusters.len()), *calls))
        });
        let mut arrows: Vec<_> = within.chain(out).collect();
        arrows.sort_by_key(|(_, _, _, calls)| calls.severity);
        let are_many = self.clusters.len() > MOST_LABELLED;
        Some(html! {
            svg.many[are_many] viewBox={ "0 0 960 " (at(map.height)) } role="img" aria-label="Map of the mesh" {
                defs {
                    @for kind in ["ok", "warning", "unknown", "error"] {
                        marker id={ "to-" (kind) } viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto" {
                            path class={ "head " (kind) } d="M0 0L8 4L0 8z" {}
                        }
                    }
                }
                @for (from, to, arrow, calls) in arrows {
                    g class={ "calls " (calls.severity.as_str()) } {
                        title { (from) " calls " (calls.hosts) @if calls.hosts == 1 { " host of " } @else { " hosts of " } (to) ": " (calls.severity.as_str()) }
                        path marker-end={ "url(#to-" (calls.severity.as_str()) ")" } d={
                            "M" (at(arrow.start.0)) " " (at(arrow.start.1)) "Q" (at(arrow.bend.0)) " " (at(arrow.bend.1)) " " (at(arrow.end.0)) " " (at(arrow.end.1))
                        } {}
                        @if !are_many { text x=(at(arrow.label.0)) y=(at(arrow.label.1 + 4.0)) { (calls.hosts) } }
                    }
                }
                @for (cluster, place) in self.clusters.iter().zip(&map.places) { (node(cluster, *place)) }
                @if let (false, Some(place)) = (elsewhere.is_empty(), map.places.last()) { (node_elsewhere(&elsewhere, *place)) }
            }
        })
    }
}

fn node(cluster: &Cluster, place: (f64, f64)) -> Markup {
    let second = match (&cluster.unreachable, &cluster.network) {
        (Some(_), _) => "can't be read",
        (None, Some(network)) => network.as_str(),
        (None, None) => "no network",
    };
    let severity = cluster.severity.as_str();
    boxed(severity, &format!("{}: {severity}", cluster.key), [&cluster.key, second], place)
}

/// The place of all clusters that are called and not shown.
fn node_elsewhere(calls: &BTreeMap<&str, Calls>, place: (f64, f64)) -> Markup {
    let worst = calls.values().map(|calls| calls.severity).max().unwrap_or_default();
    let hint = format!("Imported from clusters that are not shown here: {}", worst.as_str());
    boxed("elsewhere", &hint, ["elsewhere", "not shown here"], place)
}

fn boxed(class: &str, hint: &str, [first, second]: [&str; 2], place: (f64, f64)) -> Markup {
    html! {
        g class={ "node " (class) } {
            title { (hint) }
            rect x=(at(place.0 - BOX.0)) y=(at(place.1 - BOX.1)) width=(at(2.0 * BOX.0)) height=(at(2.0 * BOX.1)) rx="10" {}
            text.name x=(at(place.0)) y=(at(place.1 - 4.0)) { (shortened(first, 14)) }
            text x=(at(place.0)) y=(at(place.1 + 16.0)) { (shortened(second, 19)) }
        }
    }
}
