//! What istiod knows of the gateways to other networks.

use serde_json::json;

use super::*;

/// The results of a check of the US, which has a link to the EU and discovers it, after something was done to the mesh.
fn results(id: &str, work: impl FnOnce(&mut Mesh)) -> Vec<(Severity, String, String)> {
    let status = broken(|mesh| {
        *mesh = fixture::by_network();
        work(mesh);
    });
    let found = status.checks.into_iter().filter(|check| check.id == id);
    found.map(|check| (check.severity, check.seen, check.fix)).collect()
}

fn us(mesh: &mut Mesh) -> &mut Objects {
    mesh.get_mut("us").unwrap()
}

/// Lets the EU's load balancer have these addresses.
fn place(mesh: &mut Mesh, ingress: &serde_json::Value) {
    mesh.get_mut("eu").unwrap().gateway_services[0]["status"]["loadBalancer"]["ingress"] = ingress.clone();
}

#[test]
fn a_gateway_is_known_by_the_address_and_the_port_that_it_has() {
    let known = results("discovery.gateway", |_| {});
    assert_eq!(known, [(Severity::Ok, "1 pod of istiod know where network eu-net is reached.".to_owned(), String::new())]);
    let other_port =
        results("discovery.gateway", |mesh| mesh.get_mut("eu").unwrap().gateway_services[0]["spec"]["ports"][0]["port"] = json!(443));
    let (severity, seen, fix) = &other_port[0];
    assert!(*severity == Severity::Error && seen.ends_with("and the gateway of cluster eu has 198.51.100.10 port 443."), "{seen}");
    assert!(fix.contains("networking.istio.io/gatewayPort"), "{fix}");
}

#[test]
fn calls_succeed_as_long_as_one_address_is_known() {
    let results = results("discovery.gateway", |mesh| place(mesh, &json!([{"ip": "198.51.100.10"}, {"ip": "198.51.100.99"}])));
    assert_eq!(results[0].0, Severity::Warning, "{results:?}");
}

#[test]
fn istiod_knows_a_host_name_by_what_it_resolves_to() {
    let named = |page: &str| {
        results("discovery.gateway", |mesh| {
            place(mesh, &json!([{"hostname": "lb.example.com"}]));
            us(mesh).networks_pages.insert("istio-system/istiod-1".to_owned(), Ok(page.to_owned()));
        })
    };
    let resolved = r#"[{"Network":"eu-net","Cluster":"eu","Addr":"203.0.113.5","Port":15443,"HBONEPort":0}]"#;
    assert_eq!(named(resolved)[0].0, Severity::Ok);
    let (severity, seen, fix) = &named("null")[0];
    assert!(*severity == Severity::Error && seen.ends_with("istio-system/istiod-1 knows no gateway."), "{seen}");
    assert!(fix.contains("its pods resolve lb.example.com"), "{fix}");
}

#[test]
fn a_gateway_of_an_ambient_mesh_is_none_for_sidecars() {
    let results = results("discovery.gateway", |mesh| {
        let page = r#"[{"Network":"eu-net","Cluster":"eu","Addr":"198.51.100.10","Port":0,"HBONEPort":15008}]"#;
        us(mesh).networks_pages.insert("istio-system/istiod-1".to_owned(), Ok(page.to_owned()));
    });
    assert_eq!(results[0].0, Severity::Error, "{results:?}");
}

#[test]
fn the_fix_names_what_the_other_cluster_lacks() {
    let without = |work: fn(&mut Objects)| {
        results("discovery.gateway", |mesh| {
            work(mesh.get_mut("eu").unwrap());
            us(mesh).networks_pages.insert("istio-system/istiod-1".to_owned(), Ok("null".to_owned()));
        })
    };
    let gateway = without(|eu| eu.gateway_services.clear());
    assert!(gateway[0].2.starts_with("Apply a mesh_eastwest_gateway in cluster eu"), "{gateway:?}");
    let address = without(|eu| eu.gateway_services[0]["status"] = json!({}));
    assert!(address[0].2.starts_with("Mend the check gateway.address"), "{address:?}");
}

#[test]
fn pods_on_the_same_network_need_no_gateway() {
    let results = results("discovery.gateway", |mesh| {
        us(mesh).namespaces[0]["metadata"]["labels"]["topology.istio.io/network"] = json!("eu-net");
        us(mesh).networks_pages.insert("istio-system/istiod-1".to_owned(), Ok("null".to_owned()));
    });
    assert_eq!(results, []);
}

#[test]
fn what_istiod_should_know_isnt_known_of_a_cluster_that_cant_be_read() {
    let mut inventory = inventory(&fixture::by_network());
    let unread = Unread { why: "Nobody answers.".to_owned(), advice: String::new(), is_unknown: false };
    inventory.clusters.insert(ClusterKey::parse("eu").unwrap(), Err(unread));
    let severity = |inventory: &Inventory| {
        Status::of(inventory).checks.iter().find(|check| check.id == "discovery.gateway").map(|check| check.severity)
    };
    assert_eq!(severity(&inventory), Some(Severity::Unknown));
    inventory.clusters.remove(&ClusterKey::parse("eu").unwrap());
    assert_eq!(severity(&inventory), None, "nothing is known of the other cluster");
}

#[test]
fn without_the_permission_to_ask_istiod_nothing_is_said() {
    let results = |id| results(id, |mesh| us(mesh).networks_pages.clear());
    assert_eq!((results("link.gateway"), results("discovery.gateway")), (Vec::new(), Vec::new()));
}

#[test]
fn a_pod_that_doesnt_answer_is_unknown() {
    let results = results("link.gateway", |mesh| {
        us(mesh).networks_pages.insert("istio-system/istiod-2".to_owned(), Err("It is silent.".to_owned()));
    });
    assert_eq!(results[0].0, Severity::Unknown, "{results:?}");
}
