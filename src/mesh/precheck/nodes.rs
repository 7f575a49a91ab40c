//! Whether there is a node that pods can run on.

use serde_json::Value as Json;

use super::{Seen, unreadable};
use crate::mesh::check::{Check, count, list};

pub(super) fn check(nodes: &Seen<Vec<Json>>) -> Check {
    let id = "precheck.nodes";
    let nodes = match nodes {
        Ok(nodes) => nodes,
        Err(why) => return unreadable(id, "nodes", why),
    };
    if nodes.is_empty() {
        return Check::warning(id, "The cluster has no node.").because(
            "istiod and the gateway can't start before there is one. Some clusters get their first node when a pod waits for it.",
            "If no autoscaler adds nodes, add one. If one does, the first apply takes as much longer.",
        );
    }
    let obstacles: Vec<_> = nodes.iter().filter_map(|node| Some(format!("{} {}", name(node), obstacle(node)?))).collect();
    let usable = nodes.len() - obstacles.len();
    let seen = match (usable, obstacles.len()) {
        (0, _) => format!("Pods can't run on any node: {}.", list(&obstacles)),
        (_, 0) => format!("Pods can run on {}.", count(usable, "node")),
        _ => format!("Pods can run on {usable} of {}; not on these: {}.", count(nodes.len(), "node"), list(&obstacles)),
    };
    if usable > 0 {
        return Check::ok(id, seen);
    }
    Check::error(id, seen).because(
        "istiod and the gateway would wait for a node, until the apply gives up.",
        "Mend or uncordon a node, or add one. For nodes with taints, set `tolerations` in `values`, and ignore this check.",
    )
}

fn name(node: &Json) -> &str {
    node["metadata"]["name"].as_str().unwrap_or_default()
}

/// Returns what keeps pods off a node, if anything.
fn obstacle(node: &Json) -> Option<String> {
    let conditions = node["status"]["conditions"].as_array();
    let is_ready = conditions.into_iter().flatten().any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    if !is_ready {
        return Some("is not ready".to_owned());
    }
    if node["spec"]["unschedulable"] == true {
        return Some("is cordoned".to_owned());
    }
    let mut taints = node["spec"]["taints"].as_array().into_iter().flatten();
    let taint = taints.find(|taint| taint["effect"] == "NoSchedule" || taint["effect"] == "NoExecute")?;
    Some(format!("has the taint {}", taint["key"].as_str().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mesh::check::Severity;

    fn node(name: &str, is_ready: bool, spec: Json) -> Json {
        let status = if is_ready { "True" } else { "Unknown" };
        json!({"metadata": {"name": name}, "spec": spec, "status": {"conditions": [{"type": "Ready", "status": status}]}})
    }

    #[test]
    fn one_node_that_takes_pods_is_enough() {
        let good = node("a", true, json!({"taints": [{"key": "slow", "effect": "PreferNoSchedule"}]}));
        let down = node("b", false, json!({}));
        let cordoned = node("c", true, json!({"unschedulable": true}));
        let tainted = node("d", true, json!({"taints": [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]}));
        let check = |nodes: &[&Json]| {
            let check = check(&Ok(nodes.iter().map(|node| (*node).clone()).collect()));
            (check.severity, check.seen)
        };
        assert_eq!(check(&[&good]), (Severity::Ok, "Pods can run on 1 node.".to_owned()));
        assert_eq!(check(&[&good, &down]), (Severity::Ok, "Pods can run on 1 of 2 nodes; not on these: b is not ready.".to_owned()));
        assert_eq!(
            check(&[&down, &cordoned, &tainted]),
            (
                Severity::Error,
                "Pods can't run on any node: b is not ready, c is cordoned, d has the taint node-role.kubernetes.io/control-plane."
                    .to_owned()
            )
        );
        assert_eq!(check(&[]).0, Severity::Warning);
        assert_eq!(super::check(&Err("Forbidden".to_owned())).severity, Severity::Unknown);
    }
}
