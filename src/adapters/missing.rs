//! What access control found missing: the rule that allows it, and the role of the guide that has it.

use crate::data::{Permission, Role};

/// Returns what to do about a refusal of access control, in an API server's words or in Helm's.
pub(super) fn advice(message: &str) -> String {
    Missing::parse(message).map_or_else(
        || "Grant it by a Role or ClusterRole; the message below names the verb and the resource.".to_owned(),
        |missing| missing.advice(),
    )
}

/// `secrets "b" is forbidden: User "ann" cannot patch resource "secrets" in API group "" in the namespace "x"`.
struct Missing<'a> {
    user: &'a str,
    object: Option<&'a str>,
    verb: &'a str,
    resource: &'a str,
    group: &'a str,
    namespace: Option<&'a str>,
}

impl<'a> Missing<'a> {
    fn parse(message: &'a str) -> Option<Self> {
        let (before, refusal) = message.split_once(" is forbidden: User \"")?;
        // The namespace stands right behind the group; what follows may be of another refusal.
        let (user, refusal) = refusal.split_once("\" cannot ")?;
        let (verb, refusal) = refusal.split_once(" resource \"")?;
        let (resource, refusal) = refusal.split_once("\" in API group \"")?;
        let (group, place) = refusal.split_once('"')?;
        let namespace = place.strip_prefix(" in the namespace \"").and_then(|place| place.split_once('"')).map(|(namespace, _)| namespace);
        let object = before.strip_suffix('"').and_then(|before| before.rsplit_once('"')).map(|(_, object)| object);
        Some(Self { user, object, verb, resource, group, namespace })
    }

    fn advice(&self) -> String {
        let Self { user, verb, resource, group, namespace, .. } = self;
        let role = match namespace {
            Some(namespace) => format!("a Role in namespace {namespace}, or a ClusterRole,"),
            None => "a ClusterRole".to_owned(),
        };
        format!(
            "Bind user `{user}` to {role} with the rule `{{apiGroups: [\"{group}\"], resources: [\"{resource}\"], verbs: [\"{verb}\"]}}`. {}",
            self.in_the_guide()
        )
    }

    /// Names the roles of the guide that have the rule.
    fn in_the_guide(&self) -> String {
        let permission = Permission {
            group: self.group.to_owned(),
            resource: self.resource.to_owned(),
            verb: self.verb.to_owned(),
            namespace: self.namespace.map(str::to_owned),
            name: self.object.map(str::to_owned),
        };
        let roles: Vec<_> = Role::with(&permission)
            .into_iter()
            .map(|role| format!("`{0}` (examples/rbac/{0}.yaml), for {1}", role.name, role.is_for))
            .collect();
        match roles.as_slice() {
            [] => "None of the roles in the guide Least privilege has it.".to_owned(),
            [role] => format!("In the guide Least privilege this is the role {role}."),
            roles => format!("In the guide Least privilege these roles have it: {}.", roles.join("; ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_and_the_roles_that_have_it_are_named() {
        let message = "gateways.networking.istio.io is forbidden: User \"system:serviceaccount:ci:tf\" cannot patch resource \"gateways\" in API \
                       group \"networking.istio.io\" in the namespace \"istio-system\"";
        let advice = advice(message);
        let rule = "Bind user `system:serviceaccount:ci:tf` to a Role in namespace istio-system, or a ClusterRole, with the rule \
                    `{apiGroups: [\"networking.istio.io\"], resources: [\"gateways\"], verbs: [\"patch\"]}`. ";
        let roles = advice.strip_prefix(rule).unwrap_or_else(|| panic!("{advice}"));
        assert!(roles.contains("`mesh-exporter` (examples/rbac/mesh-exporter.yaml), for mesh_service_export, where it exports"), "{roles}");
        assert!(!roles.contains("mesh-reader"), "it only reads: {roles}");
    }

    #[test]
    fn a_refusal_in_helms_words_counts_as_well() {
        let message = "UPGRADE FAILED: failed to create resource: clusterroles.rbac.authorization.k8s.io \"istiod-clusterrole-istio-system\" is forbidden: \
                       User \"ann\" cannot create resource \"clusterroles\" in API group \"rbac.authorization.k8s.io\" at the cluster scope";
        let advice = advice(message);
        assert!(advice.starts_with("Bind user `ann` to a ClusterRole with the rule"), "{advice}");
        assert!(
            advice.ends_with(
                "In the guide Least privilege this is the role `mesh-installer` (examples/rbac/mesh-installer.yaml), for mesh_root_ca, \
                                  mesh_cluster_ca, mesh_cluster and mesh_eastwest_gateway."
            ),
            "{advice}"
        );
    }

    #[test]
    fn what_no_role_has_and_other_words_are_told_apart() {
        let message = "widgets.example.com is forbidden: User \"ann\" cannot list resource \"widgets\" in API group \"example.com\" at the cluster \
                       scope: policy \"x\" says \"no\" in the namespace \"y\"";
        let found = advice(message);
        assert!(found.starts_with("Bind user `ann` to a ClusterRole with") && found.contains("None of the roles"), "{found}");
        assert!(advice("nodes is forbidden: not yours").starts_with("Grant it by a Role"));
    }
}
