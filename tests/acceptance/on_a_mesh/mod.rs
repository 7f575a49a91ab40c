//! Tests on a mesh that is there: the example `two-clusters`, brought up once for each CLI. A test leaves the mesh as it found it; one
//! that fails takes it away, and the next test gets a new one.

mod balancer;
mod ca_request;
mod callers;
pub(crate) mod canary;
pub(crate) mod discovery;
mod drift;
mod edges;
mod exposure;
mod failover;
mod foreign;
mod identity;
mod ingress;
mod interrupt;
mod link;
mod outage;
pub(crate) mod own_root;
mod partial;
mod probe;
mod refusals;
mod secrets;
mod services;
mod status;
mod tokens;
mod two_teams;

use std::sync::{Mutex, PoisonError};

use mesh_lab::{Cluster, Lab};

use crate::{
    fixture::{Timed, bare_clusters, both, example, lab},
    traffic::{call_host_until_ok, restart_workloads},
    workspace::{Cli, Workspace, cli, text},
};

/// The tests of each CLI. `make test` runs those of `each` with both CLIs. What the others prove is done by istiod, proxies and the load
/// balancer, whichever CLI has applied it: they run with one CLI there, and with the other one in `make test-long`. What is long and was proven is there with both. The modules' names keep
/// the tests of a CLI together, as tests run in the order of their names.
macro_rules! on_the_mesh_of {
    (
        each { $($each_module:ident::$each:ident,)* }
        terraform { $($terraform_module:ident::$terraform:ident,)* }
        tofu { $($tofu_module:ident::$tofu:ident,)* }
        long { $($long_module:ident::$long:ident,)* }
    ) => {
        mod of_terraform {
            $(#[test] fn $each() { super::on_the_mesh_of("terraform", super::$each_module::$each); })*
            $(#[test] fn $terraform() { super::on_the_mesh_of("terraform", super::$terraform_module::$terraform); })*
            $(#[test] #[ignore = "runs with OpenTofu"] fn $tofu() { super::on_the_mesh_of("terraform", super::$tofu_module::$tofu); })*
            $(#[test] #[ignore = "runs in `make test-long`"] fn $long() { super::on_the_mesh_of("terraform", super::$long_module::$long); })*
        }
        mod of_tofu {
            $(#[test] fn $each() { super::on_the_mesh_of("tofu", super::$each_module::$each); })*
            $(#[test] #[ignore = "runs with Terraform"] fn $terraform() { super::on_the_mesh_of("tofu", super::$terraform_module::$terraform); })*
            $(#[test] fn $tofu() { super::on_the_mesh_of("tofu", super::$tofu_module::$tofu); })*
            $(#[test] #[ignore = "runs in `make test-long`"] fn $long() { super::on_the_mesh_of("tofu", super::$long_module::$long); })*
        }
    };
}

on_the_mesh_of! {
    each {
        ca_request::a_request_is_signed_outside_and_its_key_never_leaves_the_cluster,
        drift::manual_changes_are_planned_and_reverted,
        foreign::objects_of_another_state_are_left_alone,
        identity::another_cluster_of_the_same_key_is_refused,
        identity::lost_clusters_are_forgotten_by_a_destroy_if_the_configuration_says_so,
        interrupt::an_interrupted_wait_ends_at_once_and_saves_the_state,
        outage::an_unreachable_cluster_loses_no_state,
        own_root::a_root_of_ones_own_signs_and_its_key_is_stored_nowhere,
        secrets::secrets_are_in_no_state_plan_or_log,
        services::a_label_of_a_service_exports_it,
        tokens::an_ephemeral_token_opens_the_cluster_and_is_stored_nowhere,
        two_teams::a_service_is_shared_by_teams_without_each_others_kubeconfig,
    }
    terraform {
        balancer::a_gateway_without_a_load_balancer_is_reached_at_its_node_port,
        balancer::a_late_address_is_waited_for,
        callers::only_callers_that_are_listed_are_answered,
        edges::an_export_is_seen_by_the_namespaces_that_it_names_and_has_addresses_of_any_kind,
        failover::a_host_of_both_clusters_is_answered_by_the_other_when_its_own_fails,
        partial::a_mode_that_is_removed_while_helm_fails_is_not_forgotten,
        interrupt::a_pending_release_is_left_to_the_helm_that_works_on_it,
        partial::an_export_that_moves_while_its_exporter_is_down_leaves_nothing_behind,
        refusals::what_a_cluster_refuses_is_explained_and_leaves_nothing_behind,
        status::the_first_line_names_the_cause,
    }
    tofu {
        balancer::a_new_address_is_followed_in_place,
        balancer::an_address_that_never_comes_is_reported_with_its_cause,
        canary::a_canary_serves_what_asks_for_it_and_stays_while_anything_does,
        discovery::both_clusters_answer_for_one_service_and_its_tokens_are_renewed_without_a_failed_call,
        drift::another_helm_and_a_deleted_definition_are_planned_and_reverted,
        drift::fields_that_others_own_are_no_drift,
        ingress::an_edge_gateway_passes_calls_from_outside_on_to_an_exported_host,
        link::a_link_gives_exports_a_gateway_whose_new_address_is_one_write,
        probe::a_failed_call_is_named_with_its_cause,
        secrets::write_only_helm_values_reach_the_cluster_and_nothing_else,
    }
    long {
        discovery::each_replica_of_istiod_is_asked,
        exposure::a_label_or_an_export_of_the_service_decides_what_is_discovered,
        link::calls_are_spread_over_all_gateways_of_a_network,
        probe::the_pod_of_a_killed_probe_is_deleted_by_the_next_one,
    }
}

/// A mesh that tests share.
pub(crate) struct Mesh {
    pub(crate) lab: Lab,
    pub(crate) us: Cluster,
    pub(crate) eu: Cluster,
    pub(crate) cli: Cli,
    /// The example, applied. It reaches the EU with a token.
    pub(crate) workspace: Workspace,
    /// All that its first plan, its apply and its second plan printed, with the most talkative log.
    pub(crate) trace: String,
    /// The token.
    pub(crate) token: String,
}

/// What the tests of a CLI find.
enum Shared {
    Nothing,
    Up(Box<Mesh>),
    /// The mesh of this CLI didn't come up, and to wait for it again in each test would take hours.
    Failed(&'static str),
}

static SHARED: Mutex<Shared> = Mutex::new(Shared::Nothing);

/// Leaves what the next test finds. Returns what the last one left.
fn share(next: Shared) -> Shared {
    std::mem::replace(&mut *SHARED.lock().unwrap_or_else(PoisonError::into_inner), next)
}

/// Forgets the mesh, as the clusters are about to be cleaned.
pub(crate) fn forget() {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(*shared, Shared::Up(_)) {
        *shared = Shared::Nothing;
    }
}

fn on_the_mesh_of(name: &'static str, test: fn(&Mesh)) {
    let Some(cli) = cli(&lab(), name) else { return };
    let mesh = match share(Shared::Failed(name)) {
        Shared::Failed(failed) if failed == name => panic!("the mesh didn't come up: the first test that needed it says why"),
        Shared::Up(mesh) if mesh.cli.name == name => mesh,
        _ => Box::new(Mesh::bring_up(cli)),
    };
    // Whatever the test does to the mesh, if it fails, the next test makes one of its own.
    share(Shared::Nothing);
    let _timed = Timed::start();
    test(&mesh);
    mesh.workspace.assert_settled();
    share(Shared::Up(mesh));
}

impl Mesh {
    fn bring_up(cli: Cli) -> Self {
        let lab = bare_clusters();
        let (us, eu) = both(&lab);
        let token = account(&eu);
        let workspace = example(&lab, &cli);
        let ca =
            eu.kubectl(&["config", "view", "--raw", "-o", "jsonpath={.clusters[0].cluster.certificate-authority-data}"]).expect("a CA");
        workspace.write("ca", ca.trim());
        workspace.write("token", &token);
        let access = format!(
            "clusters = {{\n    us = {{ config_path = \"{}\" }}\n    eu = {{\n      host                   = \"https://198.51.100.12:6443\"\n      \
             cluster_ca_certificate = base64decode(file(\"ca\"))\n      token                  = file(\"token\")\n    }}\n  }}\n  helm",
            us.kubeconfig_path().display()
        );
        workspace.edit("clusters = var.clusters\n  helm", &access);
        let mut trace = String::new();
        for arguments in [&["plan", "-no-color", "-out=first"][..], &["apply", "-no-color", "first"], &["plan", "-no-color", "-out=second"]]
        {
            let output = workspace.command(arguments).env("TF_LOG", "trace").output().expect("the CLI starts");
            let printed = text(&output);
            assert!(output.status.success(), "{} {arguments:?} failed:\n{}\n{}", cli.name, last_lines(&printed, 80), nodes(&[&us, &eu]));
            trace.push_str(&printed);
        }
        workspace.assert_settled();
        restart_workloads(&lab);
        call_host_until_ok(&lab);
        print!("(the mesh: ");
        drop(lab);
        print!(") ");
        Self { lab: crate::fixture::lab(), us, eu, cli, workspace, trace, token }
    }

    /// A further configuration beside the mesh, of the same CLI and with a provider for both clusters.
    pub(crate) fn beside(&self, resources: &str) -> Workspace {
        let helm = format!("helm = {{ repository = \"{}\", binary = \"{}\" }}", self.lab.charts().http, self.lab.binaries().helm.display());
        Workspace::new(&self.cli, &format!("{}{resources}", crate::fixture::provider(&self.lab, &helm)))
    }
}

/// Returns what Kubernetes says of the nodes, for a failure that may be the lab's.
fn nodes(clusters: &[&Cluster]) -> String {
    clusters.iter().map(|cluster| cluster.kubectl(&["describe", "nodes"]).unwrap_or_else(|error| format!("{error:#}"))).collect()
}

/// Makes an account of the EU with all rights. Returns its token.
fn account(eu: &Cluster) -> String {
    let binding = ["clusterrolebinding", "terraform"];
    eu.kubectl(&[&["delete", "--ignore-not-found"], &binding[..]].concat()).expect("no binding");
    eu.kubectl(&["delete", "--ignore-not-found", "-n", "kube-system", "serviceaccount", "terraform"]).expect("no account");
    eu.kubectl(&["create", "serviceaccount", "-n", "kube-system", "terraform"]).expect("an account");
    let rights = ["--clusterrole=cluster-admin", "--serviceaccount=kube-system:terraform"];
    eu.kubectl(&[&["create"], &binding[..], &rights[..]].concat()).expect("a binding");
    eu.kubectl(&["create", "token", "-n", "kube-system", "terraform", "--duration=2h"]).expect("a token").trim().to_owned()
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
