//! A minimal valid configuration of each resource: all that is required, and no more.

use plugin_host::values::object;
use rmpv::Value;

use crate::session::Session;

/// The attributes that a configuration sets.
pub(crate) type Configuration = Vec<(&'static str, Value)>;

/// Returns every resource of the provider's schema with its minimal configuration.
pub(crate) fn configurations(session: &Session) -> Vec<(String, Configuration)> {
    let mut names: Vec<_> = session.schema.resource_schemas.keys().cloned().collect();
    names.sort_unstable();
    names.into_iter().map(|name| (name.clone(), minimal(&name))).collect()
}

fn minimal(name: &str) -> Configuration {
    let gateway = || {
        object(&[
            ("cluster", "eu".into()),
            ("namespace", "istio-system".into()),
            ("name", "istio-eastwestgateway".into()),
            ("addresses", Value::Array(vec!["198.51.100.9".into()])),
        ])
    };
    let root = || {
        object(&[
            ("cluster", "us".into()),
            ("namespace", "istio-system".into()),
            ("name", "mesh-root-ca".into()),
            ("fingerprint", "abc".into()),
        ])
    };
    match name {
        "mesh_root_ca" | "mesh_cluster_ca_request" => vec![("cluster", "us".into())],
        "mesh_cluster_ca" => vec![("cluster", "us".into()), ("root_ca", root())],
        "mesh_cluster" => vec![("cluster", "us".into()), ("mesh_id", "m".into()), ("network", "n".into())],
        "mesh_eastwest_gateway" => vec![("cluster", "us".into()), ("network", "n".into())],
        "mesh_link" => {
            vec![("cluster", "us".into()), ("network", "eu-net".into()), ("addresses", Value::Array(vec!["198.51.100.9".into()]))]
        }
        // The clusters of these tests are on this machine, where no pod would reach them.
        "mesh_remote_secret" => {
            vec![("cluster", "us".into()), ("remote", object(&[("cluster", "eu".into())])), ("server", "https://198.51.100.12:6443".into())]
        }
        "mesh_service_export" => vec![
            ("host", "echo.eu.mesh.local".into()),
            ("gateway", gateway()),
            ("namespace", "echo".into()),
            ("service", "echo".into()),
            ("importers", Value::Array(vec!["us".into()])),
        ],
        "mesh_service_import" => vec![
            ("cluster", "us".into()),
            (
                "service",
                object(&[
                    ("host", "cart.eu.mesh.local".into()),
                    ("address", "240.0.0.2".into()),
                    ("ports", Value::Array(vec![object(&[("number", 80.into()), ("name", "http".into()), ("protocol", "HTTP".into())])])),
                    ("identities", Value::Array(Vec::new())),
                    ("gateway_addresses", Value::Array(vec!["198.51.100.9".into()])),
                ]),
            ),
        ],
        "mesh_global_service" => vec![
            ("host", "echo.mesh.local".into()),
            ("namespace", "echo".into()),
            ("service", "echo".into()),
            (
                "gateways",
                object(&[(
                    "us",
                    object(&[
                        ("cluster", "us".into()),
                        ("namespace", "istio-system".into()),
                        ("name", "istio-eastwestgateway".into()),
                        ("network", "us-net".into()),
                    ]),
                )]),
            ),
        ],
        name => panic!("{name} has no minimal configuration: add it to tests/contract/configurations.rs"),
    }
}
