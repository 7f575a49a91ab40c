//! Calls about a managed resource.

use super::{
    Server, creation, deferred, judged,
    private::{Kind, Private},
};
use crate::{
    protocol::{answer::Answer, catalog::Entry, config_from_state, config_rules, diagnostics, json, plan, shape::Shape, value, wire},
    terraform::{AnyResource, Applied, Change, Dynamic, Error, Identity, Memory, Provider, Report, Unfinished, Value},
};

impl<P: Provider> Server<P> {
    fn identity(&self, name: &str) -> Result<&Identity, Error> {
        let none = || Error::new("No identity", format!("A {name} has no identity: import it by its name."));
        self.catalog().identities.get(name).ok_or_else(none)
    }

    /// What makes the object with this state the same as another.
    fn creation_key(&self, name: &str, state: &Dynamic) -> Option<String> {
        let attributes = &self.catalog().resources.find(name).ok()?.schema.attributes;
        creation::key(name, self.catalog().identities.get(name), attributes, state)
    }

    /// The identity of the object with this state.
    pub(super) fn identify(&self, name: &str, state: &Dynamic) -> Option<wire::ResourceIdentityData> {
        let identity = self.catalog().identities.get(name)?;
        Some(identity_data(identity, &identity.of(state)?))
    }

    pub(super) async fn validate_resource_config(
        &self,
        request: wire::validate_resource_config::Request,
    ) -> Result<wire::validate_resource_config::Response, Error> {
        let entry = self.catalog().resources.find(&request.type_name)?;
        let config = self.read(request.config, &entry.schema)?;
        let knows_write_only = request.client_capabilities.is_some_and(|client| client.write_only_attributes_allowed);
        let diagnostics = judged(&entry.schema, &config, knows_write_only, |config| entry.of.validate(config));
        Ok(wire::validate_resource_config::Response { diagnostics })
    }

    pub(super) async fn upgrade_resource_state(
        &self,
        request: wire::upgrade_resource_state::Request,
    ) -> Result<wire::upgrade_resource_state::Response, Error> {
        let entry = self.catalog().resources.find(&request.type_name)?;
        let state = self.stored(&request.type_name, request.version, request.raw_state)?;
        Ok(wire::upgrade_resource_state::Response { upgraded_state: Some(value::write(&state, &entry.schema)), diagnostics: Vec::new() })
    }

    pub(super) async fn upgrade_resource_identity(
        &self,
        request: wire::upgrade_resource_identity::Request,
    ) -> Result<wire::upgrade_resource_identity::Response, Error> {
        let identity = self.identity(&request.type_name)?;
        refuse_newer("Identity", &request.type_name, request.version, identity.version())?;
        let mut raw = request.raw_identity.unwrap_or_default().json;
        if request.version < identity.version() {
            let wrong = |error: serde_json::Error| Error::new("Malformed identity", format!("The identity is not valid JSON: {error}."));
            let entry = self.catalog().resources.find(&request.type_name)?;
            let upgraded = entry.of.upgrade_identity(request.version, serde_json::from_slice(&raw).map_err(wrong)?)?;
            raw = serde_json::to_vec(&upgraded).map_err(wrong)?;
        }
        let stored = json::read(&raw, &Shape::Plain(&identity.ty()))?;
        Ok(wire::upgrade_resource_identity::Response { upgraded_identity: Some(identity_data(identity, &stored)), diagnostics: Vec::new() })
    }

    pub(super) async fn read_resource(&self, request: wire::read_resource::Request) -> Result<wire::read_resource::Response, Error> {
        // An error before the resource's own work leaves all as it was.
        let (new_state, private) = (request.current_state.clone(), request.private.clone());
        Ok(match self.look(request).await {
            Ok(response) => response,
            Err(error) => wire::read_resource::Response { new_state, private, ..Answer::refusal(error) },
        })
    }

    async fn look(&self, request: wire::read_resource::Request) -> Result<wire::read_resource::Response, Error> {
        let entry = self.catalog().resources.find(&request.type_name)?;
        let world = self.configured()?;
        let state = self.read(request.current_state, &entry.schema)?;
        let mut private = Private::read(&request.private);
        let mut outcome = entry.of.read(state, &mut private.memory, &world, self.work()).await;
        let bytes = private.write();
        let mut beyond = Report::new();
        config_rules::warn_of_stored(&entry.schema.attributes, &outcome.found, &mut beyond);
        outcome.diagnostics.warnings.extend(beyond.into_diagnostics().warnings);
        if private.is_unfinished_create()
            && let Some(key) = self.creation_key(&request.type_name, &outcome.found)
        {
            self.0.creations.see(key, private);
        }
        Ok(wire::read_resource::Response {
            deferred: deferred(outcome.is_deferred, &mut outcome.diagnostics, request.client_capabilities),
            new_identity: self.identify(&request.type_name, &outcome.found),
            new_state: Some(value::write(&outcome.found, &entry.schema)),
            diagnostics: diagnostics::diagnostics(outcome.diagnostics),
            private: bytes,
        })
    }

    pub(super) async fn plan_resource_change(
        &self,
        request: wire::plan_resource_change::Request,
    ) -> Result<wire::plan_resource_change::Response, Error> {
        let entry = self.catalog().resources.find(&request.type_name)?;
        let prior = self.read(request.prior_state, &entry.schema)?;
        let config = self.read(request.config, &entry.schema)?;
        let proposed = self.read(request.proposed_new_state, &entry.schema)?;
        let private = Private::read(&request.prior_private);
        if proposed.is_null() {
            let mut planned = entry.of.plan_destroy(&prior, self.world().as_deref());
            return Ok(wire::plan_resource_change::Response {
                deferred: deferred(planned.is_deferred, &mut planned.diagnostics, request.client_capabilities),
                planned_state: Some(value::write(&proposed, &entry.schema)),
                planned_private: private.planned(Kind::Destroy).write(),
                planned_identity: request.prior_identity,
                diagnostics: diagnostics::diagnostics(planned.diagnostics),
                ..wire::plan_resource_change::Response::default()
            });
        }
        // The second plan of a replacement has a null prior state too, but the private bytes of the first.
        let kind = match (prior.is_null(), request.prior_private.is_empty()) {
            (true, true) => Kind::Create,
            (true, false) => Kind::Replace,
            (false, _) => Kind::Update,
        };
        let attributes = &entry.schema.attributes;
        let mut draft = plan::draft(attributes, &prior, &config, proposed);
        if private.is_unfinished() && kind == Kind::Update && draft.planned == prior {
            plan::reopen(attributes, &prior, &mut draft.planned);
        }
        let plan_of = |planned: &Dynamic| entry.of.plan(&prior, &config, planned.clone(), self.world().as_deref());
        let mut planned = plan_of(&draft.planned);
        // The resource makes it an update: what an update leaves open is open here too, and the resource plans on that.
        if draft.planned == prior && planned.state != prior {
            plan::forecast(attributes, &prior, &mut draft.planned);
            planned = plan_of(&draft.planned);
        }
        let mut refusals = Vec::new();
        if kind != Kind::Update
            && planned.diagnostics.errors.is_empty()
            && let Some(world) = self.world()
        {
            let (state, seen) = entry.of.preview(planned.state, &world, self.work()).await;
            planned.state = state;
            planned.diagnostics.warnings.extend(seen.warnings);
            // What the creating half of a replacement finds may be what the other half deletes.
            refusals = if kind == Kind::Create { seen.errors } else { Vec::new() };
        }
        let mut private = private;
        if kind == Kind::Create
            && let Some(key) = self.creation_key(&request.type_name, &planned.state)
            && let Some(seen) = self.0.creations.seen(&key)
        {
            // What it finds is its own.
            refusals.clear();
            let is_resumed = entry.of.resumes();
            planned.diagnostics.warnings.push(creation::warning(is_resumed).into());
            private = seen.resuming(is_resumed.then_some(key));
        }
        planned.diagnostics.errors.extend(refusals);
        let mut replace: Vec<_> = draft.replace.into_iter().chain(planned.replace).collect();
        replace.sort_by_key(ToString::to_string);
        replace.dedup();
        Ok(wire::plan_resource_change::Response {
            deferred: deferred(planned.is_deferred, &mut planned.diagnostics, request.client_capabilities),
            planned_identity: self.identify(&request.type_name, &planned.state),
            planned_state: Some(value::write(&planned.state, &entry.schema)),
            requires_replace: replace.into_iter().map(diagnostics::path).collect(),
            planned_private: private.planned(kind).write(),
            diagnostics: diagnostics::diagnostics(planned.diagnostics),
            legacy_type_system: false,
        })
    }

    pub(super) async fn apply_resource_change(
        &self,
        request: wire::apply_resource_change::Request,
    ) -> Result<wire::apply_resource_change::Response, Error> {
        let is_destroy = value::is_null(request.planned_state.as_ref());
        let new_identity = if is_destroy { None } else { request.planned_identity.clone() };
        let (new_state, private) = (request.prior_state.clone(), request.planned_private.clone());
        Ok(match self.apply(request).await {
            Ok(response) => response,
            Err(error) => wire::apply_resource_change::Response { new_state, new_identity, private, ..Answer::refusal(error) },
        })
    }

    async fn apply(&self, request: wire::apply_resource_change::Request) -> Result<wire::apply_resource_change::Response, Error> {
        let entry = self.catalog().resources.find(&request.type_name)?;
        let world = self.configured()?;
        let prior = self.read(request.prior_state, &entry.schema)?;
        let config = self.read(request.config, &entry.schema)?;
        let planned = self.read(request.planned_state, &entry.schema)?;
        let key = if prior.is_null() { self.creation_key(&request.type_name, &planned) } else { None };
        let left = key.and_then(|key| self.0.creations.take(&key));
        // No CLI validates again what wasn't known at plan.
        let mut report = Report::new();
        config_rules::judge_again(&entry.schema.attributes, &config, &mut report);
        if report.has_errors() {
            // What the delete half has left is still there.
            let left = left.map(|left| (left.state, Unfinished { is_create: true, ..left.unfinished.unwrap_or_default() }));
            let (state, unfinished) = left.map_or((prior, None), |(state, unfinished)| (state, Some(unfinished)));
            let private = match &unfinished {
                Some(_) => Private::read(b"").applied(unfinished.as_ref(), entry.schema.version).write(),
                None => request.planned_private,
            };
            return Ok(wire::apply_resource_change::Response {
                new_identity: self.identify(&request.type_name, &state),
                new_state: Some(value::write(&state, &entry.schema)),
                private,
                diagnostics: diagnostics::diagnostics(report.into_diagnostics()),
                ..wire::apply_resource_change::Response::default()
            });
        }
        let mut private = Private::read(&request.planned_private);
        if prior.is_null() && left.is_none() {
            // The create half of a replacement has the private bytes of the plan of an update.
            private.memory.clear();
        }
        let unfinished = private.unfinished(&entry.schema, &*entry.of);
        let applied = if planned.is_null() && self.is_left(&request.type_name, &prior, &private) {
            let key = self.creation_key(&request.type_name, &prior).unwrap_or_default();
            tracing::info!(resource = request.type_name, "what exists of an unfinished creation is left to its replacement");
            self.0.creations.leave(key, creation::Left { state: prior, unfinished });
            Applied::deleted()
        } else if let Some(left) = left {
            self.resume(entry, left, &config, planned, &mut private.memory, &world).await
        } else {
            let change = Change { prior: &prior, config: &config, planned, unfinished: unfinished.as_ref(), is_resumed: false };
            entry.of.apply(change, &mut private.memory, &world, self.work()).await
        };
        Ok(wire::apply_resource_change::Response {
            new_identity: self.identify(&request.type_name, &applied.state),
            new_state: Some(value::write(&applied.state, &entry.schema)),
            private: private.applied(applied.unfinished.as_ref(), entry.schema.version).write(),
            diagnostics: diagnostics::diagnostics(applied.diagnostics),
            legacy_type_system: false,
        })
    }

    /// Whether a delete is the first half of a replacement that only follows from an unfinished create of the same object.
    fn is_left(&self, name: &str, prior: &Dynamic, private: &Private) -> bool {
        private.plan == Some(Kind::Create) && private.resumes.is_some() && private.resumes == self.creation_key(name, prior)
    }

    /// Goes on with what the delete half of a replacement has left.
    async fn resume(
        &self,
        entry: &Entry<dyn AnyResource<P::World>>,
        left: creation::Left,
        config: &Dynamic,
        planned: Dynamic,
        memory: &mut Memory,
        world: &P::World,
    ) -> Applied {
        let unfinished = Unfinished { is_create: true, ..left.unfinished.unwrap_or_default() };
        let change = |prior, config, planned, is_resumed| Change { prior, config, planned, unfinished: Some(&unfinished), is_resumed };
        // The resource itself may want another object, as it would for an update.
        if entry.of.plan(&left.state, config, planned.clone(), Some(world)).replace.is_empty() {
            return entry.of.apply(change(&left.state, config, planned, true), memory, world, self.work()).await;
        }
        let deleted = entry.of.apply(change(&left.state, &Value::Null, Value::Null, false), memory, world, self.work()).await;
        if !deleted.state.is_null() {
            return deleted;
        }
        let change = Change { prior: &Value::Null, config, planned, unfinished: None, is_resumed: false };
        entry.of.apply(change, memory, world, self.work()).await
    }

    pub(super) async fn import_resource_state(
        &self,
        request: wire::import_resource_state::Request,
    ) -> Result<wire::import_resource_state::Response, Error> {
        let entry = self.catalog().resources.find(&request.type_name)?;
        let world = self.configured()?;
        let name = match request.identity.and_then(|identity| identity.identity_data) {
            Some(data) => {
                let identity = self.identity(&request.type_name)?;
                identity.import_name(&value::read_as(Some(data), &Shape::Plain(&identity.ty()))?)?
            }
            None => request.id,
        };
        let mut outcome = entry.of.import(&name, &world, self.work()).await;
        let deferred = deferred(outcome.is_deferred, &mut outcome.diagnostics, request.client_capabilities);
        if deferred.is_some() {
            outcome.found = Value::Unknown;
        }
        let imported = (!outcome.found.is_null()).then(|| wire::import_resource_state::ImportedResource {
            identity: self.identify(&request.type_name, &outcome.found),
            state: Some(value::write(&outcome.found, &entry.schema)),
            type_name: request.type_name,
            private: Vec::new(),
        });
        Ok(wire::import_resource_state::Response {
            imported_resources: imported.into_iter().collect(),
            diagnostics: diagnostics::diagnostics(outcome.diagnostics),
            deferred,
        })
    }

    pub(super) async fn generate_resource_config(
        &self,
        request: wire::generate_resource_config::Request,
    ) -> Result<wire::generate_resource_config::Response, Error> {
        let entry = self.catalog().resources.find(&request.type_name)?;
        let config = config_from_state::config(&entry.schema.attributes, self.read(request.state, &entry.schema)?);
        Ok(wire::generate_resource_config::Response { config: Some(value::write(&config, &entry.schema)), diagnostics: Vec::new() })
    }
}

/// An identity as the wire has it.
pub(super) fn identity_data(identity: &Identity, value: &Dynamic) -> wire::ResourceIdentityData {
    wire::ResourceIdentityData { identity_data: Some(value::write_as(value, &Shape::Plain(&identity.ty()))) }
}

pub(super) fn refuse_newer(what: &str, name: &str, version: i64, known: i64) -> Result<(), Error> {
    // A state file's versions have no sign, so one below zero is above all others.
    let version = version.cast_unsigned();
    if version <= known.cast_unsigned() {
        return Ok(());
    }
    let detail =
        format!("This {name} was stored in version {version}, and this provider knows versions up to {known}. Use the one that wrote it.");
    Err(Error::new(format!("{what} of a newer provider"), detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_below_zero_is_none_to_upgrade_from() {
        assert!(refuse_newer("State", "mesh_thing", 1, 1).is_ok());
        assert!(refuse_newer("State", "mesh_thing", 2, 1).is_err());
        let error = refuse_newer("State", "mesh_thing", i64::MIN, 1).expect_err("a refusal");
        assert!(error.detail.contains("version 9223372036854775808"), "{}", error.detail);
    }
}
