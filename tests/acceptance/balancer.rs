//! Load balancers answer late, never, with a hostname, or change their address.

use std::time::Duration;

use crate::{
    mesh::{HOST, applied_example, bare_clusters, both, call_until, example, is_ok, restart_workloads},
    workspace::clis,
};

#[test]
fn a_late_address_is_waited_for() {
    let lab = bare_clusters();
    let (_, eu) = both(&lab);
    let cli = &clis(&lab)[0];
    eu.balancer().late(Duration::from_secs(15)).expect("late");
    let workspace = applied_example(&lab, cli);
    workspace.assert_settled();
    eu.balancer().ip().expect("as usual");
    workspace.destroy();
}

#[test]
fn a_hostname_is_an_address_too_and_a_new_one_is_followed_in_place() {
    let lab = bare_clusters();
    let (us, eu) = both(&lab);
    for cli in clis(&lab) {
        eu.balancer().hostname().expect("hostnames");
        let workspace = applied_example(&lab, &cli);
        workspace.assert_settled();
        let address = workspace.state("mesh_eastwest_gateway.this[\"eu\"]")["addresses"][0].as_str().expect("an address").to_owned();
        assert!(address.parse::<std::net::IpAddr>().is_err(), "{address} is no hostname");
        let entries =
            us.kubectl(&["get", "serviceentry", "-n", "istio-system", "-o", "jsonpath={.items[*].spec.resolution}"]).expect("entries");
        assert_eq!(entries.trim(), "DNS");
        restart_workloads(&lab);
        call_until(&lab, &format!("http://{HOST}/"), is_ok);

        let moved = eu.balancer().readdress("istio-system", "istio-eastwestgateway").expect("moved");
        let plan = workspace.changes();
        assert!(plan.contains(&moved) && !plan.contains("must be replaced"), "the plan doesn't follow to {moved}:\n{plan}");
        workspace.apply();
        workspace.assert_settled();
        call_until(&lab, &format!("http://{HOST}/"), is_ok);
        eu.balancer().ip().expect("as usual");
        workspace.destroy();
    }
}

#[test]
fn an_address_that_never_comes_is_told_with_what_was_seen() {
    let lab = bare_clusters();
    let (_, eu) = both(&lab);
    let cli = &clis(&lab)[0];
    eu.balancer().never().expect("never");
    let workspace = example(&lab, cli);
    let main = std::fs::read_to_string(workspace.path("main.tf")).expect("the example");
    workspace.write(
        "main.tf",
        &main.replace("  values   = var.values.gateway\n", "  values   = var.values.gateway\n  timeouts = { create = \"25s\" }\n"),
    );
    let failed = workspace.fail(&["apply", "-auto-approve", "-no-color"]);
    assert!(failed.contains("quota exceeded"), "the Service's events are not told:\n{failed}");
    assert!(failed.contains("25s") && failed.contains("timeouts"), "{failed}");
    // What exists is in the state: nothing is orphaned, and the next apply goes on.
    assert!(workspace.succeed(&["state", "list"]).contains("mesh_eastwest_gateway.this[\"eu\"]"));
    eu.balancer().ip().expect("as usual");
    workspace.apply();
    workspace.assert_settled();
    workspace.destroy();
}
