//! What the shared root is for.

use crate::{
    fixture::{bare_clusters, both, example},
    traffic::{HOST, call, call_until, is_ok, restart_workloads},
    workspace::{clis, unwrapped},
};

#[test]
fn without_a_shared_root_the_call_fails() {
    let lab = bare_clusters();
    let cli = &clis(&lab)[0];
    let workspace = example(&lab, cli);
    // Each istiod then makes a root of its own; all else is as in the example.
    workspace.edit("  ca           = mesh_cluster_ca.this[each.key]\n", "");
    let apart = remove_blocks(&workspace.read("main.tf"), &["resource \"mesh_root_ca\"", "resource \"mesh_cluster_ca\""]);
    assert!(!apart.contains("mesh_cluster_ca") && apart.contains("mesh_cluster\""), "{apart}");
    workspace.write("main.tf", &apart);
    workspace.apply();
    restart_workloads(&lab);
    let url = format!("http://{HOST}/");
    // Refused, and for the certificate: not because something isn't there yet. Only the sidecar's log has the reason.
    let (us, _) = both(&lab);
    us.exec("echo", "deploy/client", &["curl", "-s", "-XPOST", "localhost:15000/logging?connection=debug"]).expect("exec");
    call_until(&lab, &url, |answer| {
        let log = us.kubectl(&["logs", "-n", "echo", "deploy/client", "-c", "istio-proxy", "--tail=50"]).expect("a log");
        answer.contains("503") && log.contains("CERTIFICATE_VERIFY_FAILED")
    });
    for _ in 0..5 {
        assert!(!is_ok(&call(&lab, &url)), "clusters without a shared root of trust called each other");
    }
    workspace.destroy();
}

/// A merger: each cluster keeps the trust domain that it has. Their workloads call each other once each lists the other's domain.
#[test]
#[ignore = "takes four minutes"]
fn clusters_of_two_trust_domains_call_each_other_by_aliases() {
    for cli in &clis(&bare_clusters()) {
        let lab = bare_clusters();
        let workspace = example(&lab, cli);
        workspace.edit("  trust_domain = \"corp.local\"\n", "  trust_domain = \"${each.key}.corp.local\"\n");
        let output = unwrapped(&workspace.succeed(&["apply", "-auto-approve", "-no-color"]));
        assert!(output.contains("Clusters of one mesh have different trust domains"), "{output}");
        workspace.assert_settled();
        restart_workloads(&lab);
        let url = format!("http://{HOST}/");
        // The EU's sidecar ends the handshake: the client has the right root and a foreign domain.
        call_until(&lab, &url, |answer| answer.contains("503"));
        for _ in 0..5 {
            assert!(!is_ok(&call(&lab, &url)), "{}: a client of a foreign trust domain was accepted", cli.name);
        }

        let accepted = "  trust_domain = \"${each.key}.corp.local\"\n  trust_domain_aliases = [for key in local.members : \
                        \"${key}.corp.local\" if key != each.key]\n";
        workspace.edit("  trust_domain = \"${each.key}.corp.local\"\n", accepted);
        let output = unwrapped(&workspace.succeed(&["apply", "-auto-approve", "-no-color"]));
        assert!(!output.contains("different trust domains"), "{output}");
        workspace.assert_settled();
        // Without a restart: istiod sends the domains to running sidecars.
        call_until(&lab, &url, is_ok);
        workspace.edit(
            "  service_accounts = [\"echo\"]\n",
            "  service_accounts = [\"echo\"]\n  callers = [\"spiffe://us.corp.local/ns/echo/sa/client\"]\n",
        );
        workspace.apply();
        for _ in 0..5 {
            assert!(is_ok(&call(&lab, &url)), "{}: a caller that is listed", cli.name);
        }
        workspace.edit("us.corp.local/ns/echo/sa/client", "us.corp.local/ns/echo/sa/other");
        workspace.apply();
        call_until(&lab, &url, |answer| answer.contains("403"));
        workspace.destroy();
    }
}

/// Removes the top-level blocks with these beginnings.
pub(super) fn remove_blocks(configuration: &str, beginnings: &[&str]) -> String {
    let mut kept = Vec::new();
    let mut removing = false;
    for line in configuration.lines() {
        removing |= beginnings.iter().any(|beginning| line.starts_with(beginning));
        if !removing {
            kept.push(line);
        }
        if line == "}" {
            removing = false;
        }
    }
    kept.join("\n")
}
