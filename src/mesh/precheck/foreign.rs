//! Whether there is an Istio that this provider hasn't installed: a control plane, or what is left of one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::{Candidate, Intent, unreadable};
use crate::{
    data::{Kind, MANAGER, release_of},
    mesh::{
        check::{Check, count, list},
        helm::control_plane::{self, BASE_RELEASE, ISTIOD_RELEASE},
        inventory, labels,
    },
};

/// The API groups whose definitions the chart `base` installs.
const GROUPS: [&str; 4] = [".networking.istio.io", ".security.istio.io", ".telemetry.istio.io", ".extensions.istio.io"];

const ID: &str = "precheck.istio";

const GUIDE: &str = "The guide Taking over a mesh that exists describes it.";

/// Who an object belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    /// A release of this provider.
    Us,
    /// A release of somebody else, `NAMESPACE/NAME`.
    Release(String),
    /// A release that is gone.
    Gone(String),
    /// No release.
    Nobody,
    /// A release that can't be read, and why.
    Unread(String, String),
}

impl Owner {
    fn of(object: &Json, candidate: &Candidate) -> Self {
        let Some((namespace, name)) = release_of(object) else { return Self::Nobody };
        let release = format!("{namespace}/{name}");
        match candidate.releases.get(&release) {
            Some(Ok(Some(true))) => Self::Us,
            Some(Ok(Some(false))) => Self::Release(release),
            Some(Err(why)) => Self::Unread(release, why.clone()),
            Some(Ok(None)) | None => Self::Gone(release),
        }
    }

    /// Completes "it belongs to".
    fn shown(&self) -> String {
        match self {
            Self::Us => "a Helm release of this provider".to_owned(),
            Self::Release(title) | Self::Unread(title, _) => format!("the Helm release {title}"),
            Self::Gone(title) => format!("the Helm release {title}, which is gone"),
            Self::Nobody => "no Helm release".to_owned(),
        }
    }
}

/// Returns the Helm releases that objects of Istio belong to, by namespace and name. Definitions of others are passed over.
pub fn releases<'a>(objects: impl Iterator<Item = &'a Json>) -> BTreeSet<(String, String)> {
    let is_of_istio = |object: &&Json| object["kind"] != Kind::CRD.kind || is_definition(object);
    objects.filter(is_of_istio).filter_map(release_of).collect()
}

/// Whether a custom resource definition is one of Istio's.
pub fn is_definition(definition: &Json) -> bool {
    definition["metadata"]["name"].as_str().is_some_and(|name| GROUPS.iter().any(|group| name.ends_with(group)))
}

fn text<'a>(object: &'a Json, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

pub(super) fn checks(candidate: &Candidate, intent: &Intent) -> Vec<Check> {
    let istiods = match &candidate.istiods {
        Ok(istiods) => istiods,
        Err(why) => return vec![unreadable(ID, "deployments", why)],
    };
    // What else there is belongs to these.
    if !istiods.is_empty() {
        let has_ours = istiods.iter().any(|istiod| Owner::of(istiod, candidate) == Owner::Us);
        return istiods.iter().map(|istiod| self::istiod(istiod, has_ours, candidate, intent)).collect();
    }
    let mut checks = Vec::new();
    match &candidate.webhooks {
        Ok(webhooks) => checks.extend(webhooks.iter().filter_map(|webhook| left_webhook(webhook, candidate, intent))),
        Err(why) => checks.push(unreadable(ID, "webhook configurations", why)),
    }
    match &candidate.definitions {
        Ok(definitions) => checks.extend(left_definitions(definitions, candidate, intent)),
        Err(why) => checks.push(unreadable(ID, "customresourcedefinitions", why)),
    }
    if checks.is_empty() {
        checks.push(Check::ok(ID, "There is no Istio that another tool has installed."));
    }
    checks
}

/// The result for objects that Helm refuses to install over, unless `helm.take_ownership` is true.
fn refused(seen: &str, cause: String, fix: String, intent: &Intent) -> Check {
    if intent.takes_ownership {
        return Check::ok(ID, format!("{seen} The release of this provider takes it over, as `helm.take_ownership` is true."));
    }
    Check::error(ID, seen).because(cause, fix)
}

fn istiod(istiod: &Json, has_ours: bool, candidate: &Candidate, intent: &Intent) -> Check {
    let (namespace, name) = (text(istiod, "namespace"), text(istiod, "name"));
    let version = inventory::version(istiod).map(|version| format!(" {version}")).unwrap_or_default();
    let owner = Owner::of(istiod, candidate);
    let check = match &owner {
        Owner::Us => Check::ok(ID, format!("istiod{version} is there, installed by this provider.")),
        _ if has_ours => {
            let seen = format!("istiod{version} is there beside that of this provider: it belongs to {}.", owner.shown());
            let cause = "Sidecars of one istiod don't get what the other one is configured with.";
            Check::warning(ID, seen).because(cause, "Uninstall it when its workloads have moved.")
        }
        Owner::Unread(title, why) => {
            let seen = format!("istiod{version} is there. Who installed it can't be told: the Helm release {title} can't be read. {why}");
            Check::unknown(ID, seen).because(
                "If another tool has, the apply of a mesh_cluster refuses to change it.",
                format!("Give the credentials the permission to get and list secrets in namespace {namespace}."),
            )
        }
        _ => {
            let seen = format!("istiod{version} is there, and this provider did not install it: it belongs to {}.", owner.shown());
            let cause = "The apply of a mesh_cluster changes nothing that another tool has installed, unless `adopt` is true.";
            Check::error(ID, seen).because(cause, way_out(istiod, &owner, intent))
        }
    };
    check.on(format!("Deployment {namespace}/{name}"))
}

/// Returns how to get on with a control plane that isn't ours.
fn way_out(istiod: &Json, owner: &Owner, intent: &Intent) -> String {
    let revision = istiod["metadata"]["labels"]["istio.io/rev"].as_str().filter(|revision| !["", "default"].contains(revision));
    if let Some(revision) = revision.or_else(|| (text(istiod, "name") != ISTIOD_RELEASE).then_some("")) {
        let with = if revision.is_empty() { String::new() } else { format!(" {revision}") };
        return format!(
            "It has a revision{with}, and can't be taken over. Move its workloads to an istiod without a revision and uninstall it, or use another \
             cluster."
        );
    }
    let namespace = text(istiod, "namespace");
    let moved =
        if namespace == intent.namespace.as_str() { String::new() } else { format!(" and `namespace = \"{namespace}\"`, where it is") };
    let imported = if *owner == Owner::Release(format!("{namespace}/{ISTIOD_RELEASE}")) { ", or import it" } else { "" };
    format!(
        "Take it over with `adopt = true` in the mesh_cluster{moved}{imported}. {GUIDE} Otherwise uninstall it, or use another cluster."
    )
}

/// Returns whether an object can become part of the release that this provider would make.
fn can_be_ours(owner: &Owner, release: &str, intent: &Intent) -> bool {
    let expected = format!("{}/{release}", intent.namespace);
    *owner == Owner::Us || matches!(owner, Owner::Gone(title) if *title == expected)
}

/// Whether a definition is one that a destroy has left, maybe in another namespace, and that the next create takes up.
fn is_left_by_us(definition: &Json, owner: &Owner) -> bool {
    let is_of_base = |title: &str| title.split_once('/').is_some_and(|(_, name)| name == BASE_RELEASE);
    definition["metadata"]["annotations"][labels::LEFT_BY] == MANAGER && matches!(owner, Owner::Gone(title) if is_of_base(title))
}

/// Returns how to get on with objects of a release without a control plane, if it can be taken over.
fn adoption(owner: &Owner, intent: &Intent) -> Option<String> {
    let Owner::Release(title) = owner else { return None };
    let (namespace, _) = title.split_once('/')?;
    (namespace == intent.namespace.as_str()).then(|| format!("Take the release over with `adopt = true` in the mesh_cluster. {GUIDE}"))
}

const REFUSAL: &str = "Helm installs no object that exists and doesn't belong to the release.";

fn left_webhook(webhook: &Json, candidate: &Candidate, intent: &Intent) -> Option<Check> {
    let name = text(webhook, "name");
    let release =
        if name == control_plane::injector_webhook(&intent.namespace) || name == control_plane::validator_webhook(&intent.namespace) {
            Some(ISTIOD_RELEASE)
        } else {
            (name == "istiod-default-validator").then_some(BASE_RELEASE)
        };
    let owner = Owner::of(webhook, candidate);
    if release.is_some_and(|release| can_be_ours(&owner, release, intent)) {
        return None;
    }
    let object = format!("{} {name}", webhook["kind"].as_str().unwrap_or_default());
    if webhook["webhooks"].as_array().into_iter().flatten().any(|one| one["clientConfig"]["url"].is_string()) {
        let seen = format!("It calls an istiod outside of the cluster. It belongs to {}.", owner.shown());
        let cause = "The cluster gets its sidecars from another cluster's istiod, and an istiod of its own would inject them as well.";
        return Some(
            Check::error(ID, seen).because(cause, "Use another cluster, or move the workloads and uninstall that Istio first.").on(object),
        );
    }
    let seen = format!("The cluster has no Deployment of istiod for it to call. It belongs to {}.", owner.shown());
    let deletion = || {
        format!(
            "If no istiod of another cluster is behind it, delete it: kubectl delete {} {name}",
            webhook["kind"].as_str().unwrap_or_default().to_lowercase()
        )
    };
    let fix = adoption(&owner, intent).unwrap_or_else(deletion);
    let unanswered = "Unless another istiod answers it, pods or Istio's objects can't be created.";
    let check = match (&owner, release) {
        (Owner::Unread(..), _) => Check::unknown(ID, seen).because(REFUSAL, "Give the credentials the permission to get and list secrets."),
        (_, Some(_)) => refused(&seen, format!("{REFUSAL} {unanswered}"), fix, intent),
        (_, None) => Check::warning(ID, seen).because(unanswered, fix),
    };
    Some(check.on(object))
}

const DEFINITIONS: &str = "If another team manages them, set `base_values = [\"base: {enableCRDTemplates: false}\"]` in the mesh_cluster. To let the \
                           release of this provider take them over, set `helm.take_ownership` to true in the provider's configuration. Deleting \
                           them would delete all objects of their kinds.";

fn left_definitions(definitions: &[Json], candidate: &Candidate, intent: &Intent) -> Vec<Check> {
    let mut owners: BTreeMap<Owner, Vec<String>> = BTreeMap::new();
    for definition in definitions.iter().filter(|definition| is_definition(definition)) {
        let owner = Owner::of(definition, candidate);
        if !is_left_by_us(definition, &owner) {
            owners.entry(owner).or_default().push(text(definition, "name").to_owned());
        }
    }
    owners.retain(|owner, _| !can_be_ours(owner, BASE_RELEASE, intent));
    let check = |(owner, names): (Owner, Vec<String>)| {
        let verb = if names.len() == 1 { "belongs" } else { "belong" };
        let seen = format!("{} of Istio {verb} to {}: {}.", count(names.len(), "definition"), owner.shown(), list(&names));
        let check = match &owner {
            Owner::Unread(_, why) => Check::unknown(ID, format!("{seen} It can't be read: {why}"))
                .because(REFUSAL, "Give the credentials the permission to get and list secrets."),
            _ => refused(&seen, REFUSAL.to_owned(), adoption(&owner, intent).unwrap_or_else(|| DEFINITIONS.to_owned()), intent),
        };
        check.on("CustomResourceDefinitions")
    };
    owners.into_iter().map(check).collect()
}
