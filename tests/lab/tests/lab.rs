//! The lab's own promises, on the lab: `cargo test -p mesh-lab -- --ignored --test-threads=1`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use mesh_lab::{Cluster, Lab};

const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: {name: balanced, namespace: default}
spec: {type: LoadBalancer, selector: {app: none}, ports: [{name: http, port: 80}]}
";

fn mk_cluster() -> Cluster {
    let cluster = Lab::attach().unwrap().cluster("eu").unwrap();
    cluster.kubectl(&["delete", "service", "balanced", "--ignore-not-found"]).unwrap();
    cluster.balancer().ip().unwrap();
    cluster
}

fn address(cluster: &Cluster) -> Option<String> {
    cluster.balancer().address("default", "balanced").unwrap()
}

fn wait_for_address(cluster: &Cluster) -> String {
    let start = Instant::now();
    loop {
        if let Some(address) = address(cluster) {
            return address;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "no address");
        sleep(Duration::from_millis(100));
    }
}

#[test]
#[ignore = "needs the lab"]
fn it_gives_an_address_and_another_one_when_told() {
    let cluster = mk_cluster();
    cluster.apply(SERVICE).unwrap();
    let first = wait_for_address(&cluster);
    let second = cluster.balancer().readdress("default", "balanced").unwrap();
    assert!(first.starts_with("198.51.100.") && second.starts_with("198.51.100."));
    assert_ne!(first, second);
    cluster.kubectl(&["delete", "service", "balanced"]).unwrap();
}

#[test]
#[ignore = "needs the lab"]
fn it_answers_late() {
    let cluster = mk_cluster();
    cluster.balancer().late(Duration::from_secs(3)).unwrap();
    cluster.apply(SERVICE).unwrap();
    sleep(Duration::from_secs(1));
    assert_eq!(address(&cluster), None);
    wait_for_address(&cluster);
    mk_cluster();
}

#[test]
#[ignore = "needs the lab"]
fn it_answers_with_a_hostname() {
    let cluster = mk_cluster();
    cluster.balancer().hostname().unwrap();
    cluster.apply(SERVICE).unwrap();
    assert!(wait_for_address(&cluster).ends_with(".lb.example"));
    mk_cluster();
}

#[test]
#[ignore = "needs the lab"]
fn it_never_answers_and_says_why() {
    let cluster = mk_cluster();
    cluster.balancer().never().unwrap();
    cluster.apply(SERVICE).unwrap();
    sleep(Duration::from_secs(2));
    assert_eq!(address(&cluster), None);
    let events = cluster.kubectl(&["get", "events", "-o", "jsonpath={.items[*].message}"]).unwrap();
    assert!(events.contains("quota exceeded"), "{events}");
    mk_cluster();
}

#[test]
#[ignore = "needs the lab"]
fn the_api_server_can_be_away() {
    let cluster = mk_cluster();
    cluster.stop_api_server().unwrap();
    assert!(cluster.kubectl(&["get", "--raw", "/readyz"]).is_err());
    cluster.start_api_server().unwrap();
    cluster.kubectl(&["get", "--raw", "/readyz"]).unwrap();
}
