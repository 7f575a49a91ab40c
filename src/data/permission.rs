//! What credentials allow, in the words of Kubernetes' access control.

use std::fmt;

use serde_json::Value as Json;

/// One verb on one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// API group; empty for the core.
    pub group: String,
    /// The resource, with its subresource if it is about one: `pods/portforward`.
    pub resource: String,
    /// The verb.
    pub verb: String,
    /// The namespace; `None` for the whole cluster.
    pub namespace: Option<String>,
    /// The one object that it is for; `None` for all.
    pub name: Option<String>,
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if self.group.is_empty() { Ok(()) } else { write!(f, ".{}", self.group) }
    }
}

/// A rule of a role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// API groups; `*` is all.
    pub groups: Vec<String>,
    /// Resources, and subresources as `pods/log`; `*` is all.
    pub resources: Vec<String>,
    /// Verbs; `*` is all.
    pub verbs: Vec<String>,
    /// The objects that it is for; all if empty.
    pub names: Vec<String>,
}

impl Rule {
    /// Reads a rule of a role, or of an API server's answer, which has the same fields.
    pub fn of(rule: &Json) -> Self {
        let texts = |field: &str| {
            let elements = rule[field].as_array().into_iter().flatten();
            elements.filter_map(|element| element.as_str().map(str::to_owned)).collect()
        };
        Self { groups: texts("apiGroups"), resources: texts("resources"), verbs: texts("verbs"), names: texts("resourceNames") }
    }

    /// Whether it allows something.
    pub fn allows(&self, permission: &Permission) -> bool {
        let has = |list: &[String], wanted: &str| list.iter().any(|element| element == "*" || element == wanted);
        let of_any = permission.resource.split_once('/').map(|(_, part)| format!("*/{part}"));
        let has_resource = has(&self.resources, &permission.resource) || of_any.is_some_and(|part| self.resources.contains(&part));
        let is_for_all = self.names.is_empty() || permission.name.as_ref().is_some_and(|name| self.names.contains(name));
        has(&self.groups, &permission.group) && has_resource && has(&self.verbs, &permission.verb) && is_for_all
    }
}

/// The rules that hold for an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The rules.
    pub rules: Vec<Rule>,
    /// Whether these are all. An API server that asks others, such as a cloud's access management, can't list what these allow.
    pub is_complete: bool,
}

impl Rules {
    /// Whether one of the rules allows something.
    pub fn allow(&self, permission: &Permission) -> bool {
        self.rules.iter().any(|rule| rule.allows(permission))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn permission(group: &str, resource: &str, verb: &str, name: Option<&str>) -> Permission {
        Permission {
            group: group.to_owned(),
            resource: resource.to_owned(),
            verb: verb.to_owned(),
            namespace: None,
            name: name.map(str::to_owned),
        }
    }

    #[test]
    fn a_rule_allows_what_it_names() {
        let list = permission("apps", "deployments", "list", None);
        let rule = |groups: &str, resources: &str, verbs: &str, names: &[&str]| {
            Rule::of(&json!({"apiGroups": [groups], "resources": [resources], "verbs": [verbs], "resourceNames": names}))
        };
        for (rule, is_allowed) in [
            (rule("apps", "deployments", "list", &[]), true),
            (rule("*", "*", "*", &[]), true),
            (rule("apps", "deployments", "get", &[]), false),
            (rule("", "deployments", "list", &[]), false),
            (rule("apps", "replicasets", "list", &[]), false),
            (rule("apps", "deployments", "list", &["istiod"]), false),
        ] {
            assert_eq!(rule.allows(&list), is_allowed, "{rule:?}");
        }
        let token = permission("", "serviceaccounts/token", "create", Some("reader"));
        for (resource, name, is_allowed) in [
            ("serviceaccounts/token", "reader", true),
            ("*/token", "reader", true),
            ("serviceaccounts", "reader", false),
            ("serviceaccounts/token", "other", false),
        ] {
            assert_eq!(rule("", resource, "create", &[name]).allows(&token), is_allowed, "{resource} {name}");
        }
        assert_eq!(format!("{list}, {token}"), "list deployments.apps, create serviceaccounts/token");
    }
}
