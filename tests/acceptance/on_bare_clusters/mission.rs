//! The mission: one apply from two bare clusters to a call that crosses regions.

use std::time::Instant;

use mesh_lab::Lab;
use serde_json::Value as Json;

use super::listing::assert_everything_is_listed;
use crate::{
    fixture::{bare_clusters, both, example, lab, resources_of},
    inventory::{Instance, assert_unchanged, instances_of, objects_of},
    traffic::{HOST, call_host_until_ok, call_until, is_ok, restart_workloads},
    workspace::{Cli, Workspace, clis},
};

#[test]
fn one_apply_makes_the_call_cross_regions() {
    for (number, cli) in clis(&lab()).iter().enumerate() {
        let lab = bare_clusters();
        let (us, eu) = both(&lab);
        let before = [objects_of(&us), objects_of(&eu)];

        let workspace = example(&lab, cli);
        let begin = Instant::now();
        workspace.apply();
        println!("{}: applied in {:?}", cli.name, begin.elapsed());
        workspace.assert_settled();
        let made = instances_of(&workspace);
        assert_eq!(made.len(), resources_of(&workspace.read("main.tf")));
        assert_everything_is_listed(&lab, &made);

        restart_workloads(&lab);
        let answer = call_host_until_ok(&lab);
        assert!(answer.contains("Cluster=eu"), "not answered in the EU:\n{answer}");
        assert!(answer.contains("URI=spiffe://corp.local/ns/echo/sa/client"), "the server didn't see the client's identity:\n{answer}");

        assert_unexported_is_closed(&lab, &workspace);
        assert_importable(&lab, cli, &made);

        workspace.succeed(&["destroy", "-auto-approve", "-no-color", "-target=mesh_service_export.echo"]);
        call_until(&lab, &format!("http://{HOST}/"), |answer| !is_ok(answer));

        workspace.destroy();
        // The namespaces' own ConfigMaps and the Secrets of the workloads stay; nothing of the mesh does.
        assert_unchanged(&[&us, &eu], &before, &format!("{}: destroy", cli.name));

        // Istio's custom resource definitions stayed. Once is enough: the clusters don't know which CLI comes.
        if number == 0 {
            workspace.apply();
            workspace.assert_settled();
            workspace.destroy();
        }
    }
}

/// A Service of the EU that isn't exported can't be reached through the gateway, not even by a client that names it to the gateway.
fn assert_unexported_is_closed(lab: &Lab, workspace: &Workspace) {
    let (us, _) = both(lab);
    let address = workspace.state("mesh_eastwest_gateway.this[\"eu\"]")["addresses"][0].as_str().expect("an address").to_owned();
    let entry = format!(
        "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: sneak, namespace: echo}}\nspec:\n  hosts: \
         [echo.echo.svc.cluster.local.sneak]\n  location: MESH_INTERNAL\n  resolution: STATIC\n  addresses: [240.9.9.9]\n  ports: [{{number: 80, name: http, \
         protocol: HTTP}}]\n  endpoints: [{{address: {address}, ports: {{http: 15443}}, labels: {{security.istio.io/tlsMode: istio}}}}]\n---\napiVersion: \
         networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: sneak, namespace: echo}}\nspec:\n  host: \
         echo.echo.svc.cluster.local.sneak\n  trafficPolicy: {{tls: {{mode: ISTIO_MUTUAL, sni: outbound_.80_._.echo.echo.svc.cluster.local}}}}\n"
    );
    us.apply(&entry).expect("the sneaky entry");
    let answer = call_until(lab, "http://echo.echo.svc.cluster.local.sneak/", |answer| answer.contains("503") || is_ok(answer));
    assert!(!is_ok(&answer), "a Service that isn't exported was reached:\n{answer}");
    us.kubectl(&["delete", "-n", "echo", "serviceentry/sneak", "destinationrule/sneak"]).expect("deleted");
}

/// Every resource can be imported into an empty state, by its ID and by its identity, and then nothing is to be changed.
fn assert_importable(lab: &Lab, cli: &Cli, made: &[Instance]) {
    let by_id = |instance: &Instance| format!("id = \"{}\"", instance.import_id);
    assert_imported(lab, cli, made, by_id);
    let by_identity = |instance: &Instance| {
        let parts: Vec<_> = instance.identity.iter().map(|(name, part)| format!("{name} = \"{part}\"")).collect();
        format!("identity = {{ {} }}", parts.join(", "))
    };
    if cli.version() >= (1, 12) {
        assert_imported(lab, cli, made, by_identity);
    }
}

fn assert_imported(lab: &Lab, cli: &Cli, made: &[Instance], name: impl Fn(&Instance) -> String) {
    let imported = example(lab, cli);
    let blocks = made.iter().map(|instance| format!("import {{\n  to = {}\n  {}\n}}\n", instance.address, name(instance)));
    imported.write("imports.tf", &blocks.collect::<String>());
    // One by the command, which asks for the rest of its configuration in its own way.
    let first = made.first().expect("a resource");
    imported.succeed(&["import", "-no-color", &first.address, &first.import_id]);
    let plan = imported.changes();
    assert!(plan.contains(&format!("{} to import, 0 to add, 0 to change, 0 to destroy", made.len() - 1)), "{}: {plan}", cli.name);
    imported.apply();
    assert_same(cli, &imported, made);
    imported.assert_settled();
}

/// What was imported has the attributes of what was applied.
fn assert_same(cli: &Cli, imported: &Workspace, made: &[Instance]) {
    // Helm's values come back as one string in another layout; that they mean the same shows in the empty plan.
    let comparable = |values: &Json| {
        let mut values = values.clone();
        values["values"].take();
        values
    };
    let imported = instances_of(imported);
    assert_eq!(imported.len(), made.len());
    for (imported, made) in imported.iter().zip(made) {
        assert_eq!(imported.address, made.address);
        assert_eq!(comparable(&imported.values), comparable(&made.values), "{}: {} was imported as something else", cli.name, made.address);
    }
}
