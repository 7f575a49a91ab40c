//! What a plan checks of a cluster's CA, without a cluster: that the given certificates verify, that a key is set where one is needed, and
//! that no certificate is about to expire.

use std::time::Duration;

use super::{
    super::authority::expiry_warnings,
    ClusterCaModel, is_due,
    issue::no_key,
    jump::check_jump,
    live::between,
    root::check_root,
    roots::{further, planned_roots},
    source::{Given, Issued, Source},
};
use crate::{
    data::{CaPart, CaUse, CertificateFacts, Flaw, Secret},
    world::World,
};
use framework::{AttributePath, Error, Parsed, Plan, Value};
use time::format_description::well_known::Rfc3339;

/// Reports a flaw of a ready-made CA at its attribute.
pub(super) fn at_attribute(flaw: Flaw) -> Error {
    let attribute = match flaw.part {
        CaPart::Certificate => "intermediate_certificate",
        CaPart::Key => "intermediate_private_key_wo",
        CaPart::Chain => "intermediate_chain",
        CaPart::Roots => "root_certificate",
    };
    Error::new(format!("Invalid {attribute}"), flaw.reason).at(AttributePath::new(attribute))
}

/// Checks the plan, and fills in what is known of the CA to be.
pub(super) fn check(plan: &mut Plan<'_, ClusterCaModel, World>, spec: &Parsed<super::ClusterCa>) {
    let Some(world) = plan.world else { return };
    let is_issued = plan.planned.intermediate_certificate.is_null() && plan.planned.external != Value::Value(true);
    if let Value::Value(roots) = &plan.config.root_certificate
        && is_issued
    {
        let key = plan.config.root_private_key_wo.as_ref_option().map(Secret::new);
        check_root(world, roots, key.as_ref(), plan.report);
    }
    if let Some(fingerprint) = root_fingerprint(&plan.planned, world) {
        plan.planned.root_fingerprint = Value::Value(fingerprint);
    }
    if plan.planned.external != Value::Value(true) {
        plan.planned.trusted_fingerprints = match planned_roots(&plan.planned, world).map(further) {
            None => Value::Unknown,
            Some(further) if further.is_empty() => Value::Null,
            Some(further) => crate::world::strings(&further),
        };
        check_trusted(plan, world);
        check_jump(plan, world);
    }
    let Parsed::Ready(spec) = spec else { return };
    match &spec.source {
        Source::Issued(issued) => check_issued(plan, issued, world),
        Source::Given(given) => check_given(plan, given, &spec.purpose(world), world),
        Source::External { .. } => {}
    }
    warn_of_expiry(plan, &spec.source, spec.warn_before, world);
}

/// Checks that further roots can be roots at all.
fn check_trusted(plan: &mut Plan<'_, ClusterCaModel, World>, world: &World) {
    for (index, root) in plan.planned.trusted_roots.as_ref_option().into_iter().flatten().enumerate() {
        let Some(root) = root.as_ref_option() else { continue };
        if let Err(flaw) = world.authority.verify_root(root, None, world.clock.now()) {
            let path = AttributePath::new("trusted_roots").index(i64::try_from(index).unwrap_or_default());
            plan.report.error(Error::new("Invalid trusted_roots", flaw.reason).at(path));
        }
    }
}

fn check_issued(plan: &mut Plan<'_, ClusterCaModel, World>, issued: &Issued, world: &World) {
    let prior = plan.prior.as_ref();
    let has_other_root = prior.is_some_and(|prior| prior.root_fingerprint != plan.planned.root_fingerprint);
    let certificate = prior.and_then(|prior| prior.certificate.as_ref_option());
    let expires = certificate.is_some_and(|certificate| {
        world.authority.inspect(certificate).is_ok_and(|facts| is_due(&facts, issued.renew_before, world.clock.now()))
    });
    if prior.is_some() && (expires || has_other_root) {
        plan.planned.certificate = Value::Unknown;
        plan.planned.fingerprint = Value::Unknown;
        plan.planned.expires_at = Value::Unknown;
    }
    // Drift may be a matter of a label, which needs no key.
    let only_drift = prior.is_some_and(|prior| !expires && !has_other_root && is_same_request(prior, &plan.planned));
    if plan.planned.certificate.is_unknown() && !only_drift && issued.root.is_own() && plan.config.root_private_key_wo.is_null() {
        let reason = if expires { "the intermediate is due to be renewed" } else { "a new intermediate has to be signed" };
        plan.report.error(no_key("root_private_key_wo", reason));
    }
}

fn is_same_request(prior: &ClusterCaModel, planned: &ClusterCaModel) -> bool {
    prior.root_ca == planned.root_ca
        && prior.root_certificate == planned.root_certificate
        && prior.root_private_key_wo_version == planned.root_private_key_wo_version
        && prior.common_name == planned.common_name
        && prior.organization == planned.organization
        && prior.validity_days == planned.validity_days
        && prior.key_algorithm == planned.key_algorithm
        && prior.intermediate_certificate == planned.intermediate_certificate
}

fn check_given(plan: &mut Plan<'_, ClusterCaModel, World>, given: &Given, purpose: &CaUse, world: &World) {
    let path = match world.authority.verify_path(&given.certificate, &given.chain, &given.roots, purpose) {
        Ok(path) => path,
        Err(flaw) => return plan.report.error(at_attribute(flaw)),
    };
    let unused = world.authority.inspect_all(&given.chain).unwrap_or_default();
    if let Some(unused) = unused.into_iter().find(|facts| path.0.iter().all(|member| member.fingerprint != facts.fingerprint)) {
        let reason = format!("The certificate of \"{}\" is not on the path to the root. Remove it.", unused.subject.text);
        plan.report.error(at_attribute(Flaw { part: CaPart::Chain, reason }));
    }
    match &plan.config.intermediate_private_key_wo {
        Value::Value(key) => {
            let bundle = crate::data::CaBundle {
                certificate: given.certificate.clone(),
                key: Secret::new(key),
                chain: between(&path),
                roots: given.roots.clone(),
            };
            if let Err(flaw) = world.authority.verify(&bundle, purpose) {
                plan.report.error(at_attribute(flaw));
            }
        }
        Value::Null if given.request.is_some() => check_answer(plan, given, world),
        Value::Null if plan.prior.as_ref().is_none_or(|prior| prior.intermediate_certificate != plan.planned.intermediate_certificate) => {
            plan.report.error(no_key("intermediate_private_key_wo", "the intermediate can't be written without its key"));
        }
        _ => {}
    }
    if let Some(facts) = path.0.first() {
        plan.planned.certificate = Value::Value(facts.pem.clone());
        plan.planned.fingerprint = Value::Value(facts.fingerprint.clone());
        plan.planned.expires_at = facts.not_after.format(&Rfc3339).map_or(Value::Unknown, Value::Value);
    }
}

/// Checks that the certificate is for the request. Until it is, the certificate in place stays, with its own key.
fn check_answer(plan: &mut Plan<'_, ClusterCaModel, World>, given: &Given, world: &World) {
    let Some(request) = &given.request else { return };
    match world.authority.answers_request(&given.certificate, &request.request) {
        Ok(true) => {}
        Ok(false) if plan.prior.as_ref().is_some_and(|prior| prior.intermediate_certificate == plan.planned.intermediate_certificate) => {
            plan.report.warning(unanswered("The certificate in place and its key stay as they are until then."));
        }
        Ok(false) => plan.report.error(unanswered("Nothing is written until then.")),
        Err(failure) => plan.report.error(Error::from(failure).at(AttributePath::new("request"))),
    }
}

/// The diagnostic of a certificate that is for another key than the request's.
pub(super) fn unanswered(consequence: &str) -> Error {
    Error::new(
        "The certificate is not for the request",
        format!(
            "`intermediate_certificate` is for another key than that of `request`. Have `certificate_request` of the mesh_cluster_ca_request \
             signed, and set `intermediate_certificate` to the result. {consequence}"
        ),
    )
    .at(AttributePath::new("intermediate_certificate"))
}

/// Warns of the end of certificates that no apply renews.
fn warn_of_expiry(plan: &mut Plan<'_, ClusterCaModel, World>, source: &Source, before: Duration, world: &World) {
    let read = |text: &str| world.authority.inspect_all(text).unwrap_or_default();
    let mut certificates: Vec<(&'static str, CertificateFacts)> = Vec::new();
    let mut add = |attribute, text: &str| certificates.extend(read(text).into_iter().map(|facts| (attribute, facts)));
    match source {
        Source::Issued(_) => add("root_certificate", plan.planned.root_certificate.as_ref_option().map_or("", String::as_str)),
        Source::Given(given) => {
            add("intermediate_certificate", &given.certificate);
            add("intermediate_chain", &given.chain);
            add("root_certificate", &given.roots);
        }
        Source::External { roots } => {
            let found = plan.prior.as_ref().and_then(|prior| prior.certificate.as_ref_option());
            add("external", found.map_or("", String::as_str));
            add("root_certificate", roots.as_deref().unwrap_or_default());
        }
    }
    for warning in expiry_warnings(&certificates, before, world.clock.now()) {
        plan.report.warning(warning);
    }
}

/// The fingerprint of the first root, as far as the plan knows it.
fn root_fingerprint(planned: &ClusterCaModel, world: &World) -> Option<String> {
    match (&planned.root_ca, &planned.root_certificate) {
        (Value::Value(root), _) => root.fingerprint.as_ref_option().cloned(),
        (_, Value::Value(roots)) => world.authority.inspect(roots).ok().map(|facts| facts.fingerprint),
        _ => None,
    }
}
