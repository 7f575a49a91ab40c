//! What a plan checks of a root: that an existing one can sign, that its key is set where it is needed, and what a change does to the mesh.

use super::{super::authority::expiry_warnings, RootCa, RootCaModel};
use crate::{
    data::{CaPart, CertificateFacts, Flaw, Secret},
    world::World,
};
use framework::{AttributePath, Error, Parsed, Plan, Value};
use time::format_description::well_known::Rfc3339;

/// Reports a flaw of an existing root at its attribute.
pub(super) fn at_attribute(flaw: Flaw) -> Error {
    let attribute = if flaw.part == CaPart::Key { "existing_private_key_wo" } else { "existing_certificate" };
    Error::new(format!("Invalid {attribute}"), flaw.reason).at(AttributePath::new(attribute))
}

/// The error of an existing root without its key.
pub(super) fn no_key() -> Error {
    Error::new(
        "Missing existing_private_key_wo",
        "Set `existing_private_key_wo`: the root can't be written without its key. Set it also if it was set before, as its value is stored \
         nowhere in Terraform.",
    )
    .at(AttributePath::new("existing_private_key_wo"))
}

/// Checks the plan, and fills in what is known of the root to be.
pub(super) fn check(plan: &mut Plan<'_, RootCaModel, World>, spec: &Parsed<RootCa>) {
    let Some(world) = plan.world else { return };
    let Parsed::Ready(spec) = spec else { return };
    let current = plan.prior.as_ref().and_then(|prior| prior.fingerprint.as_ref_option()).cloned();
    match &plan.planned.existing_certificate {
        Value::Value(existing) => {
            let key = plan.config.existing_private_key_wo.as_ref_option().map(Secret::new);
            match world.authority.verify_root(existing, key.as_ref(), world.clock.now()) {
                Ok(facts) => {
                    if plan.config.existing_private_key_wo.is_null() && current.as_ref() != Some(&facts.fingerprint) {
                        plan.report.error(no_key());
                    }
                    match &plan.prior {
                        Some(prior) if current.as_ref() == Some(&facts.fingerprint) => keep(&mut plan.planned, prior),
                        _ => set(&mut plan.planned, &facts),
                    }
                }
                Err(flaw) => plan.report.error(at_attribute(flaw)),
            }
        }
        // What the state knew is gone, and nothing trusts it: the apply makes another.
        Value::Null if plan.prior.is_some() && current.is_none() => {
            plan.planned.certificate = Value::Unknown;
            plan.planned.fingerprint = Value::Unknown;
            plan.planned.expires_at = Value::Unknown;
        }
        // The root that was given stays when the attribute goes.
        Value::Null => {
            if let Some(prior) = plan.prior.as_ref().filter(|prior| prior.rotation == plan.planned.rotation) {
                keep(&mut plan.planned, prior);
            }
        }
        Value::Unknown => {}
    }
    warn_of_change(plan, current.is_some());
    let facts = plan.planned.certificate.as_ref_option().and_then(|certificate| world.authority.inspect(certificate).ok());
    let facts: Vec<_> = facts.into_iter().map(|facts| ("certificate", facts)).collect();
    for warning in expiry_warnings(&facts, spec.warn_before, world.clock.now()) {
        plan.report.warning(warning);
    }
}

fn set(planned: &mut RootCaModel, facts: &CertificateFacts) {
    planned.certificate = Value::Value(facts.pem.clone());
    planned.fingerprint = Value::Value(facts.fingerprint.clone());
    planned.expires_at = facts.not_after.format(&Rfc3339).map_or(Value::Unknown, Value::Value);
}

fn keep(planned: &mut RootCaModel, prior: &RootCaModel) {
    planned.certificate = prior.certificate.clone();
    planned.fingerprint = prior.fingerprint.clone();
    planned.expires_at = prior.expires_at.clone();
}

fn warn_of_change(plan: &mut Plan<'_, RootCaModel, World>, exists: bool) {
    let (Some(prior), true) = (&plan.prior, exists) else { return };
    let planned = &plan.planned;
    if prior.fingerprint != planned.fingerprint {
        let attribute = if planned.existing_certificate.is_null() { "rotation" } else { "existing_certificate" };
        plan.report.warning(
            Error::new(
                "The mesh gets another root of trust",
                "The root is replaced. Calls between clusters fail until every mesh_cluster_ca and every workload has a certificate of the new \
                 root: apply all resources of the mesh in one run, then restart the workloads that are not restarted by then.",
            )
            .at(AttributePath::new(attribute)),
        );
    } else if let Some(attribute) = [
        ("common_name", prior.common_name != planned.common_name),
        ("organization", prior.organization != planned.organization),
        ("validity_days", prior.validity_days != planned.validity_days),
    ]
    .into_iter()
    .find_map(|(name, changes)| changes.then_some(name))
    {
        plan.report.warning(
            Error::new(
                "The root in place stays as it is",
                format!("`{attribute}` describes the next root. The root in place keeps its certificate until `rotation` changes."),
            )
            .at(AttributePath::new(attribute)),
        );
    }
}
