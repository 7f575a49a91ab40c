//! The roles of the guide Least privilege. They are those of `examples/rbac`.

use serde_json::Value as Json;

use super::{Permission, Rule};

/// A role of the guide.
pub struct Role {
    /// Its name.
    pub name: &'static str,
    manifest: &'static str,
    /// What it is for: names of resources, or a phrase.
    pub is_for: &'static str,
}

impl Role {
    /// All roles.
    pub const ALL: &'static [Self] = &[
        Self {
            name: "mesh-installer",
            manifest: include_str!("../../examples/rbac/mesh-installer.yaml"),
            is_for: "mesh_root_ca, mesh_cluster_ca, mesh_cluster and mesh_eastwest_gateway",
        },
        Self {
            name: "mesh-exporter",
            manifest: include_str!("../../examples/rbac/mesh-exporter.yaml"),
            is_for: "mesh_service_export, where it exports",
        },
        Self {
            name: "mesh-importer",
            manifest: include_str!("../../examples/rbac/mesh-importer.yaml"),
            is_for: "mesh_service_export, where it is imported, mesh_service_import and mesh_link",
        },
        Self { name: "mesh-discovery", manifest: include_str!("../../examples/rbac/mesh-discovery.yaml"), is_for: "mesh_remote_secret" },
        Self { name: "mesh-caller", manifest: include_str!("../../examples/rbac/mesh-caller.yaml"), is_for: "mesh_probe" },
        Self {
            name: "mesh-reader",
            manifest: include_str!("../../examples/rbac/mesh-reader.yaml"),
            is_for: "plans, mesh_status and the other data sources",
        },
        Self {
            name: "mesh-inspector",
            manifest: include_str!("../../examples/rbac/mesh-inspector.yaml"),
            is_for: "the checks of mesh_status that ask istiod and the east-west gateways",
        },
    ];

    /// Returns its rules.
    pub fn rules(&self) -> Vec<Rule> {
        let manifest: Json = serde_saphyr::from_str(self.manifest).unwrap_or_default();
        manifest["rules"].as_array().into_iter().flatten().map(Rule::of).collect()
    }

    /// Returns the roles of which a rule allows something.
    pub fn with(permission: &Permission) -> Vec<&'static Self> {
        Self::ALL.iter().filter(|role| role.rules().iter().any(|rule| rule.allows(permission))).collect()
    }
}
