//! Summarizes pod states and events to explain why something isn't ready.

use serde_json::Value as Json;

/// As many lines as one reads.
const MOST: usize = 8;

/// The state of pods that aren't ready, and of the events, newest first, the warnings and all that a load balancer says of a Service.
pub fn lines(pods: &[Json], events: &[Json]) -> Vec<String> {
    let mut lines: Vec<_> = pods.iter().flat_map(of_pod).collect();
    let telling = |event: &&Json| event["type"] == "Warning" || event["involvedObject"]["kind"] == "Service";
    let mut warnings: Vec<_> = events.iter().filter(telling).collect();
    warnings.sort_by_key(|event| std::cmp::Reverse(when(event).to_owned()));
    for warning in warnings {
        let object = &warning["involvedObject"];
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let line = format!(
            "Event {} ({} {}): {}",
            text(&warning["reason"]),
            text(&object["kind"]),
            text(&object["name"]),
            text(&warning["message"])
        );
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.truncate(MOST);
    lines
}

fn when(event: &Json) -> &str {
    let times = [&event["lastTimestamp"], &event["series"]["lastObservedTime"], &event["eventTime"], &event["firstTimestamp"]];
    times.iter().find_map(|time| time.as_str()).unwrap_or_default()
}

fn of_pod(pod: &Json) -> Vec<String> {
    let name = pod["metadata"]["name"].as_str().unwrap_or("?");
    let phase = pod["status"]["phase"].as_str().unwrap_or("Unknown");
    let list = |key: &str| pod["status"][key].as_array().cloned().unwrap_or_default();
    let is_ready = list("conditions").iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    if is_ready || phase == "Succeeded" {
        return Vec::new();
    }
    let containers = [list("initContainerStatuses"), list("containerStatuses")].concat();
    let mut lines: Vec<_> = containers.iter().filter_map(|container| of_container(name, phase, container)).collect();
    for condition in list("conditions").iter().filter(|condition| condition["type"] == "PodScheduled" && condition["status"] == "False") {
        lines.push(format!("Pod {name}: {phase}, not scheduled: {}", condition["message"].as_str().unwrap_or("no reason given")));
    }
    if lines.is_empty() {
        lines.push(format!("Pod {name}: {phase}, not ready"));
    }
    lines
}

fn of_container(pod: &str, phase: &str, container: &Json) -> Option<String> {
    let name = container["name"].as_str().unwrap_or("?");
    let state = |kind: &str| {
        let state = container["state"].get(kind)?;
        let reason = state["reason"].as_str().filter(|reason| *reason != "PodInitializing" && *reason != "ContainerCreating")?;
        let message = state["message"].as_str().map(|message| format!(": {message}")).unwrap_or_default();
        Some(format!("{kind}, {reason}{message}"))
    };
    let state = state("waiting").or_else(|| state("terminated").filter(|_| container["state"]["terminated"]["exitCode"] != 0))?;
    let restarts =
        container["restartCount"].as_u64().filter(|count| *count > 0).map(|count| format!(" ({count} restarts)")).unwrap_or_default();
    Some(format!("Pod {pod}: {phase}, container {name} {state}{restarts}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_tells_what_keeps_it() {
        let pod = json!({
            "metadata": {"name": "istiod-x"},
            "status": {"phase": "Pending", "containerStatuses": [
                {"name": "discovery", "restartCount": 2, "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}},
            ]},
        });
        let ready = json!({"metadata": {"name": "r"}, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
        assert_eq!(
            lines(&[pod, ready], &[]),
            ["Pod istiod-x: Pending, container discovery waiting, ImagePullBackOff: Back-off pulling image (2 restarts)"]
        );
    }

    #[test]
    fn what_tells_comes_newest_first_and_once() {
        let event = |time: &str, message: &str, sort: &str, kind: &str| {
            let object = json!({"kind": kind, "name": "gw"});
            json!({"type": sort, "reason": "Sync", "message": message, "lastTimestamp": time, "involvedObject": object})
        };
        let events = [
            event("1", "old", "Normal", "Service"),
            event("3", "new", "Warning", "Service"),
            event("2", "new", "Warning", "Service"),
            event("4", "fine", "Normal", "Pod"),
        ];
        assert_eq!(lines(&[], &events), ["Event Sync (Service gw): new", "Event Sync (Service gw): old"]);
    }
}
