//! Whether the credentials allow what the roles of the guide Least privilege do. The roles are those of `examples/rbac`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Candidate, Intent};
use crate::{
    data::{Kind, Permission, Role, Rule, Rules},
    mesh::{check::Check, names::Namespace},
};

/// The names of all roles.
pub const ROLES: [&str; 7] =
    ["mesh-installer", "mesh-exporter", "mesh-importer", "mesh-discovery", "mesh-caller", "mesh-reader", "mesh-inspector"];

/// The roles that a mesh with exports takes.
pub const DEFAULT_ROLES: [&str; 3] = ["mesh-installer", "mesh-exporter", "mesh-importer"];

/// Resources, by group and name, without which an apply succeeds all the same, and what is then missing; completes "Without that".
const OPTIONAL: &[(&str, &str, &str)] = &[
    (
        "",
        "pods/portforward",
        "it isn't verified which CA istiod uses, which clusters it reads, which gateways it knows, and what gateways present",
    ),
    ("", "pods/log", "errors say less about the cause"),
    ("", "events", "errors say less about the cause"),
    ("", "nodes", "mesh_precheck doesn't see the nodes"),
    ("", "persistentvolumeclaims", LEFT),
    ("apps", "statefulsets", LEFT),
    ("apps", "daemonsets", LEFT),
    ("batch", "jobs", LEFT),
    ("batch", "cronjobs", LEFT),
    ("networking.k8s.io", "ingresses", LEFT),
    ("networking.k8s.io", "networkpolicies", LEFT),
    ("extensions.istio.io", "wasmplugins", LEFT),
    ("networking.k8s.io", "servicecidrs", "nothing warns of a `vip` that the cluster gives to its Services"),
    ("gateway.networking.k8s.io", "gateways", "mesh_link can't be applied"),
];

const LEFT: &str = "a destroy leaves the namespace of istiod";

/// What is written only where a configuration asks for it. Nobody who doesn't need to hear of it should, and who lacks it learns it from the error.
const ASKED_FOR: [Kind; 1] = [Kind::SERVICE_EXPORT];

/// Returns what a role allows but for what is [`ASKED_FOR`], in a namespace where resources have one. Empty for a role that isn't known.
pub fn needs(role: &str, namespace: &Namespace) -> BTreeSet<Permission> {
    let rules = Role::ALL.iter().find(|known| known.name == role).map(Role::rules).unwrap_or_default();
    let is_asked_for = |need: &Permission| ASKED_FOR.iter().any(|kind| kind.group == need.group && kind.plural == need.resource);
    rules.iter().flat_map(|rule| of_rule(rule, namespace)).filter(|need| !is_asked_for(need)).collect()
}

/// Returns each permission that a rule gives. All resources of a group are those that the provider works with.
fn of_rule(rule: &Rule, namespace: &Namespace) -> Vec<Permission> {
    let mut permissions = Vec::new();
    for group in &rule.groups {
        let kinds = || Kind::ALL.iter().filter(|kind| kind.group == group);
        let of_group =
            |resource: &String| if resource == "*" { kinds().map(|kind| kind.plural.to_owned()).collect() } else { vec![resource.clone()] };
        for resource in rule.resources.iter().flat_map(of_group) {
            let main = resource.split('/').next().unwrap_or_default();
            let is_namespaced = kinds().find(|kind| kind.plural == main).is_none_or(|kind| kind.namespaced);
            let names: Vec<_> = if rule.names.is_empty() { vec![None] } else { rule.names.iter().cloned().map(Some).collect() };
            for verb in &rule.verbs {
                permissions.extend(names.iter().map(|name| Permission {
                    group: group.clone(),
                    resource: resource.clone(),
                    verb: verb.clone(),
                    namespace: is_namespaced.then(|| namespace.to_string()),
                    name: name.clone(),
                }));
            }
        }
    }
    permissions
}

/// Returns what is not among the rules: of those that hold everywhere, or else of those that hold in the namespace.
pub fn missing(needs: BTreeSet<Permission>, everywhere: &Rules, within: &Rules) -> BTreeSet<Permission> {
    let is_allowed = |need: &Permission| everywhere.allow(need) || need.namespace.is_some() && within.allow(need);
    needs.into_iter().filter(|need| !is_allowed(need)).collect()
}

/// One result for each role.
pub(super) fn checks(candidate: &Candidate, intent: &Intent) -> Vec<Check> {
    let roles = Role::ALL.iter().filter(|role| intent.roles.contains(role.name));
    roles.map(|role| of_role(role, candidate, intent).on(role.name)).collect()
}

fn of_role(role: &Role, candidate: &Candidate, intent: &Intent) -> Check {
    let id = "precheck.permissions";
    let needs = needs(role.name, &intent.namespace);
    let missing = match &candidate.missing {
        Ok(missing) => missing,
        Err(why) => {
            return Check::unknown(id, format!("It can't be told what the credentials allow. {why}")).because(
                "Whether an apply may do its work isn't known.",
                "Give the credentials the role system:basic-user, which lets an account ask for its own permissions.",
            );
        }
    };
    let missing: Vec<_> = needs.intersection(missing).collect();
    let consequence = |permission: &Permission| {
        let is_it = |(group, resource, _): &&(&str, &str, &str)| permission.group == *group && permission.resource == *resource;
        OPTIONAL.iter().find(is_it).map(|(.., consequence)| *consequence)
    };
    let required: Vec<_> = missing.iter().copied().filter(|permission| consequence(permission).is_none()).collect();
    if missing.is_empty() {
        return Check::ok(id, format!("The credentials allow all that the role does, for {}.", role.is_for));
    }
    let account = candidate.user.as_ref().map_or_else(|| "the credentials".to_owned(), |user| format!("the user {user}"));
    let fix = format!(
        "Bind {account} to the ClusterRole {0} (examples/rbac/{0}.yaml), or add to a role of it: {1}. If another account does this, leave {0} out of \
         `roles`.",
        role.name,
        rules(&missing)
    );
    if required.is_empty() {
        let lost: BTreeSet<_> = missing.iter().filter_map(|permission| consequence(permission)).collect();
        return Check::warning(id, format!("The credentials can't {}.", shown(&missing)))
            .because(format!("Without that, {}.", lost.into_iter().collect::<Vec<_>>().join(", ")), fix);
    }
    Check::error(id, format!("The credentials can't {}.", shown(&required)))
        .because(format!("An apply fails at the first request that is refused. The role is for {}.", role.is_for), fix)
}

/// What permissions have in common: their group, the names of single objects, and their verbs.
type Common<'a> = (&'a str, Vec<&'a str>, Vec<&'a str>);

/// The resources by what their permissions have in common.
fn alike<'a>(permissions: &[&'a Permission]) -> BTreeMap<Common<'a>, Vec<&'a str>> {
    let mut of_resource: BTreeMap<_, (BTreeSet<_>, BTreeSet<_>)> = BTreeMap::new();
    for permission in permissions {
        let (names, verbs) = of_resource.entry((permission.group.as_str(), permission.resource.as_str())).or_default();
        names.extend(permission.name.as_deref());
        verbs.insert(permission.verb.as_str());
    }
    let mut resources: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for ((group, resource), (names, verbs)) in of_resource {
        resources.entry((group, names.into_iter().collect(), verbs.into_iter().collect())).or_default().push(resource);
    }
    resources
}

/// `create and delete secrets; list deployments of group apps`.
fn shown(permissions: &[&Permission]) -> String {
    let one = |((group, names, verbs), resources): (Common<'_>, Vec<&str>)| {
        let group = if group.is_empty() { String::new() } else { format!(" of group {group}") };
        let names = if names.is_empty() { String::new() } else { format!(" {}", names.join(", ")) };
        format!("{} {}{names}{group}", listed(&verbs), resources.join(", "))
    };
    let all: Vec<_> = alike(permissions).into_iter().map(one).collect();
    let shown = all.iter().take(MOST).cloned().collect::<Vec<_>>().join("; ");
    if all.len() > MOST { format!("{shown}; and more") } else { shown }
}

/// `get, list and delete`.
fn listed(verbs: &[&str]) -> String {
    match verbs {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        verbs => verbs.concat(),
    }
}

/// The rules of a role that give these permissions, and no more.
fn rules(permissions: &[&Permission]) -> String {
    let one = |((group, names, verbs), resources): (Common<'_>, Vec<&str>)| {
        let names = if names.is_empty() { String::new() } else { format!(", resourceNames: [{}]", names.join(", ")) };
        format!("{{apiGroups: [\"{group}\"], resources: [{}]{names}, verbs: [{}]}}", resources.join(", "), verbs.join(", "))
    };
    alike(permissions).into_iter().map(one).collect::<Vec<_>>().join(", ")
}

/// How many kinds of permissions a result lists.
const MOST: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::{check::Severity, precheck::tests};

    fn needs_of(role: &str) -> BTreeSet<Permission> {
        needs(role, &Namespace::parse("istio-system").unwrap())
    }

    #[test]
    fn each_role_is_read_and_each_optional_resource_is_in_one() {
        assert_eq!(Role::ALL.iter().map(|role| role.name).collect::<Vec<_>>(), ROLES);
        let all: Vec<_> = ROLES
            .iter()
            .flat_map(|role| {
                let needs = needs_of(role);
                assert!(!needs.is_empty(), "{role}");
                needs
            })
            .collect();
        for (group, resource, _) in OPTIONAL {
            assert!(all.iter().any(|need| need.group == *group && need.resource == *resource), "no role has {resource} of {group}");
        }
        let installer = needs_of("mesh-installer");
        let of = |resource: &str| installer.iter().find(|need| need.resource == resource).unwrap().namespace.as_deref();
        assert_eq!((of("clusterroles"), of("secrets"), of("pods/portforward")), (None, Some("istio-system"), Some("istio-system")));
        assert!(
            installer.iter().any(|need| need.resource == "peerauthentications" && need.verb == "create"),
            "`*` is each kind of the group"
        );
        assert!(needs_of("mesh-discovery").iter().any(|need| need.name.as_deref() == Some("istio-reader-service-account")));
    }

    /// The result for a role of credentials with these rules everywhere, and those in the namespace.
    fn result(role: &str, everywhere: &[Rule], within: &[Rule]) -> Check {
        let rules = |rules: &[Rule]| Rules { rules: rules.to_vec(), is_complete: true };
        let mut candidate = tests::candidate();
        candidate.missing = Ok(missing(needs_of(role), &rules(everywhere), &rules(within)));
        let intent = Intent { roles: [role.to_owned()].into(), ..tests::intent() };
        checks(&candidate, &intent).remove(0)
    }

    fn rules_of(role: &str) -> Vec<Rule> {
        Role::ALL.iter().find(|known| known.name == role).unwrap().rules()
    }

    #[test]
    fn a_role_of_the_guide_suffices_for_itself() {
        for role in ROLES {
            assert_eq!(result(role, &rules_of(role), &[]).severity, Severity::Ok, "{role}");
        }
        let exporter = result("mesh-exporter", &rules_of("mesh-installer"), &[]);
        assert_eq!(exporter.severity, Severity::Ok, "{}", exporter.line());
        let importer = result("mesh-importer", &rules_of("mesh-installer"), &[]);
        assert_eq!(importer.severity, Severity::Warning, "{}", importer.line());
        assert!(importer.cause.contains("mesh_link can't be applied"), "{}", importer.cause);
    }

    #[test]
    fn what_is_missing_is_named_with_the_rule_that_allows_it() {
        let without: Vec<_> =
            rules_of("mesh-exporter").into_iter().filter(|rule| !rule.resources.contains(&"deployments".to_owned())).collect();
        let check = result("mesh-exporter", &without, &[]);
        assert_eq!(
            check.line(),
            "error precheck.permissions: mesh-exporter: The credentials can't get and list deployments of group apps."
        );
        assert!(check.cause.ends_with("The role is for mesh_service_export, where it exports."), "{}", check.cause);
        assert!(check.fix.starts_with("Bind the user ann to the ClusterRole mesh-exporter"), "{}", check.fix);
        assert!(check.fix.contains("{apiGroups: [\"apps\"], resources: [deployments], verbs: [get, list]}"), "{}", check.fix);
    }

    #[test]
    fn resources_with_the_same_verbs_are_named_together() {
        let check = result("mesh-importer", &rules_of("mesh-reader"), &[]);
        let seen = "The credentials can't create, delete, patch and update destinationrules, serviceentries of group networking.istio.io.";
        assert_eq!(check.seen, seen);
        let rule =
            "{apiGroups: [\"networking.istio.io\"], resources: [destinationrules, serviceentries], verbs: [create, delete, patch, update]}";
        assert!(check.fix.contains(rule), "{}", check.fix);
        assert!(result("mesh-installer", &[], &[]).seen.ends_with("; and more."));
        let check = result("mesh-discovery", &[], &[]);
        let rule =
            "{apiGroups: [\"\"], resources: [serviceaccounts/token], resourceNames: [istio-reader-service-account], verbs: [create]}";
        assert!(check.fix.contains(rule), "no more than the role gives: {}", check.fix);
    }

    #[test]
    fn rules_of_the_namespace_count_for_what_is_in_it() {
        let all = Rule { groups: vec!["*".to_owned()], resources: vec!["*".to_owned()], verbs: vec!["*".to_owned()], names: Vec::new() };
        let check = result("mesh-exporter", &[], &[all]);
        assert_eq!(check.line(), "error precheck.permissions: mesh-exporter: The credentials can't get namespaces.");
    }

    #[test]
    fn credentials_that_may_not_ask_are_unknown() {
        let mut candidate = tests::candidate();
        candidate.missing = Err("Forbidden".to_owned());
        let all = checks(&candidate, &tests::intent());
        assert_eq!(all.iter().map(|check| check.severity).collect::<Vec<_>>(), [Severity::Unknown; 3]);
    }
}
