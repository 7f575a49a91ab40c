//! A resource with every kind of attribute, whose names say what becomes of its things.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use framework::{
    AttributePath, Cx, Datum, DefaultTimeouts, Earlier, Error, Foreign, Json, Listing, Number, Observed, Parse, Parsed, Plan, Prior,
    Reached, Resource, Results, Set, Timeouts, Value, computed, model, optional, required,
};

use super::{
    Zone,
    earlier::{FirstThing, OtherThing, SecondThing},
    text,
};

model! {
    /// A part of a thing.
    pub struct PartModel {
        /// Its number.
        number: i64 => required(),
        /// Its kind.
        kind: String => optional().default("plain"),
        /// What opens it.
        pin_wo: String => optional().write_only(),
        /// Where it is.
        place: String => computed(),
    }
}

model! {
    /// A tag of a thing.
    pub struct TagModel {
        /// Its key.
        key: String => required(),
        /// Its value.
        value: String => optional(),
        /// When it was put on.
        since: String => computed().kept(),
    }
}

model! {
    /// A thing.
    pub struct ThingModel {
        /// Its name.
        name: String => required().replaces(),
        /// Its zone.
        zone: String => optional().default("here").replaces(),
        /// Its size.
        size: i64 => optional().default(1),
        /// Anything; spaces around it don't matter.
        note: String => optional().equivalent_by(trimmed),
        /// Other names.
        names: Set<String> => optional(),
        /// Its parts.
        parts: Vec<Value<PartModel>> => optional(),
        /// Its parts, by key.
        keyed: BTreeMap<String, Value<PartModel>> => optional(),
        /// Its main part.
        main: PartModel => optional(),
        /// Its tags.
        tags: Set<TagModel> => optional(),
        /// Its weight.
        weight: f64 => optional(),
        /// How many atoms it has.
        atoms: Number => optional(),
        /// Anything.
        anything: Datum => optional(),
        /// Its former size.
        length: i64 => optional().deprecated("Set `size`.").at_most(100),
        /// A secret.
        key_wo: String => optional().write_only(),
        /// Raised when the secret changes.
        key_version: i64 => optional(),
        /// What it was born with.
        serial: String => computed().kept(),
        /// How often it was changed.
        revision: i64 => computed(),
        /// How long the secret was.
        key_length: i64 => computed(),
        /// What differs.
        drift: Vec<Value<String>> => computed().settled(Datum::List(Vec::new())),
        /// Times.
        timeouts: Timeouts => optional(),
    }
}

fn trimmed(a: &framework::Dynamic, b: &framework::Dynamic) -> bool {
    matches!((a, b), (Value::Value(Datum::String(a)), Value::Value(Datum::String(b))) if a.trim() == b.trim())
}

/// The thing, and how to make it.
pub(crate) struct Thing {
    name: String,
    note: Option<String>,
    key_length: Option<usize>,
    places: Vec<i64>,
}

pub(crate) struct Made {
    revision: i64,
    key_length: Option<usize>,
    places: Vec<i64>,
}

fn parts<'a>(model: &'a ThingModel) -> impl Iterator<Item = &'a PartModel> {
    let listed = if let Value::Value(parts) = &model.parts { parts.as_slice() } else { &[] };
    let keyed = if let Value::Value(keyed) = &model.keyed { Some(keyed.values()) } else { None };
    let known = |part: &'a Value<PartModel>| if let Value::Value(part) = part { Some(part) } else { None };
    listed.iter().chain(keyed.into_iter().flatten()).chain([&model.main]).filter_map(known)
}

#[async_trait]
impl Resource for Thing {
    type World = Zone;
    type Model = ThingModel;
    type Spec = Self;
    type Status = Made;

    const NAME: &'static str = "sample_thing";
    const TIMEOUTS: DefaultTimeouts =
        DefaultTimeouts { apply: Duration::from_secs(60), read: Duration::from_secs(60), delete: Duration::from_secs(60) };
    const DEPRECATION: Option<&'static str> = Some("It is a sample.");
    const IDENTITY_VERSION: i64 = 1;
    const IDENTITY: &'static [&'static str] = &["zone", "name"];

    fn timeouts(model: &ThingModel) -> &Value<Timeouts> {
        &model.timeouts
    }

    fn parse(model: &ThingModel, parse: &mut Parse<'_>) -> Option<Self> {
        let name = parse.required("name", &model.name, |name| if name.contains('/') { Err("No slashes.") } else { Ok(name.clone()) });
        let key = parse.optional("key_wo", &model.key_wo, |key| Ok::<_, String>(key.len()));
        let places =
            parts(model).map(|part| if let Value::Value(number) = part.number { Some(number) } else { None }).collect::<Option<_>>();
        if places.is_none() {
            parse.set_unknown();
        }
        let note = parse.optional("note", &model.note, |note| Ok::<_, String>(note.trim().to_owned()));
        Some(Self { name: name?, note: note?, key_length: key?, places: places? })
    }

    fn plan(plan: &mut Plan<'_, ThingModel, Zone>, _: &Parsed<Self>) {
        if plan.world.is_some_and(|zone| zone.name.is_none()) {
            plan.defer();
        }
        // Of this size, a thing is made anew by every apply.
        if plan.prior.is_some() && plan.planned.size == Value::Value(13) {
            plan.planned.revision = Value::Unknown;
        }
        if plan.prior.as_ref().is_some_and(|prior| prior.size > plan.planned.size) {
            plan.replace(AttributePath::new("size"));
        }
    }

    /// Things of these names may be there already.
    async fn preview(planned: &mut ThingModel, cx: &Cx<'_, Zone>) -> Result<(), Error> {
        let Value::Value(name) = &planned.name else { return Ok(()) };
        if let Some(revision) = cx.world.things.lock().expect("things").get(name).filter(|_| name == "found") {
            cx.warn(Error::new("There already", format!("There is a {name} of revision {revision}.")));
            planned.revision = Value::Value(revision + 1);
        }
        if name == "taken" { Err(Error::new("Taken", "It belongs to somebody else.")) } else { Ok(()) }
    }

    async fn apply(spec: &Self, prior: &Prior<Self>, reached: &mut Reached<Made>, cx: &Cx<'_, Zone>) -> Result<(), Error> {
        if spec.name == "never" {
            return Err(Error::new("Never", "It can't be made.").at(AttributePath::new("name")));
        }
        cx.world.shelf.step(0)?;
        if let Some(note) = &spec.note {
            cx.world.shelf.put(&spec.name, note);
        }
        let revision = {
            let mut things = cx.world.things.lock().expect("things");
            let revision = things.entry(spec.name.clone()).or_default();
            *revision += 1;
            *revision
        };
        let made = || Made { revision, key_length: spec.key_length, places: spec.places.clone() };
        reached.set(made());
        cx.world.shelf.step(1)?;
        for note in prior.in_place().filter_map(|prior| prior.note.as_ref()).filter(|note| spec.note.as_ref() != Some(note)) {
            cx.world.shelf.remove(&spec.name, note);
        }
        cx.world.shelf.step(2)?;
        reached.set_all(made());
        cx.world.shelf.step(3)?;
        match spec.name.as_str() {
            "half" => Err(Error::new("Half", "It is there, but not whole.")),
            "panic" => panic!("out of ideas"),
            "slow" => cx
                .deadline
                .pause(Duration::from_secs(3600))
                .await
                .map_err(|cut| Error::new("Cut short", format!("It is there, but was not waited for: {cut:?}."))),
            _ => Ok(()),
        }
    }

    async fn read(spec: &Self, cx: &Cx<'_, Zone>) -> Result<Observed<Made>, Error> {
        if cx.world.name.is_none() {
            return Ok(Observed::Deferred);
        }
        if spec.name == "unreadable" {
            return Err(Error::new("Unreadable", "Nobody knows."));
        }
        let revision = cx.world.things.lock().expect("things").get(&spec.name).copied();
        // What was written can't be read; an imported thing has none.
        let made = |revision| Made { revision, key_length: spec.key_length, places: spec.places.clone() };
        Ok(revision.map_or(Observed::Gone, |revision| Observed::Found(made(revision))))
    }

    async fn delete(spec: &Self, cx: &Cx<'_, Zone>) -> Result<(), Error> {
        match spec.name.as_str() {
            "sticky" => return Err(Error::new("Sticky", "It can't be removed.")),
            "explosive" => panic!("it is under tension"),
            _ => {}
        }
        if let Some(note) = &spec.note {
            cx.world.shelf.remove(&spec.name, note);
        }
        cx.world.things.lock().expect("things").remove(&spec.name);
        Ok(())
    }

    async fn import(name: &str, cx: &Cx<'_, Zone>) -> Result<ThingModel, Error> {
        if cx.world.name.is_none() {
            return Err(cx.defer("The zone"));
        }
        let (zone, name) = name.split_once('/').ok_or_else(|| Error::new("Wrong import name", "The form is ZONE/NAME."))?;
        if !cx.world.things.lock().expect("things").contains_key(name) {
            return Err(Error::nothing_to_import(format!("There is no {name}.")));
        }
        // A secret, which must not get anywhere.
        Ok(ThingModel { name: text(name), zone: text(zone), size: Value::Value(1), key_wo: text("a-found-key"), ..ThingModel::default() })
    }

    fn record(made: &Made, model: &mut ThingModel) {
        model.revision = Value::Value(made.revision);
        model.drift = Value::Value(Vec::new());
        if !model.serial.is_value() {
            model.serial = text("S-1");
        }
        if let Some(length) = made.key_length.and_then(|length| i64::try_from(length).ok()) {
            model.key_length = Value::Value(length);
        } else if !model.key_length.is_value() {
            model.key_length = Value::Value(0);
        }
        if let Value::Value(tags) = &mut model.tags {
            for tag in tags.iter_mut().filter_map(Value::as_mut_option) {
                if !tag.since.is_value() {
                    tag.since = text("today");
                }
            }
        }
        let mut places = made.places.iter();
        let listed = if let Value::Value(parts) = &mut model.parts { parts.as_mut_slice() } else { &mut [] };
        let keyed = if let Value::Value(keyed) = &mut model.keyed { Some(keyed.values_mut()) } else { None };
        for part in listed.iter_mut().chain(keyed.into_iter().flatten()).chain([&mut model.main]) {
            if let (Value::Value(part), Some(place)) = (part, places.next()) {
                part.place = Value::Value(format!("shelf {place}"));
            }
        }
    }

    fn earlier() -> Vec<Earlier<ThingModel>> {
        vec![Earlier::of(FirstThing::upgraded), Earlier::of(SecondThing::upgraded)]
    }

    fn upgrade_identity(_: i64, mut identity: Json) -> Result<Json, Error> {
        if let Some(title) = identity.as_object_mut().and_then(|parts| parts.remove("title")) {
            identity["name"] = title;
        }
        Ok(identity)
    }

    fn adopt(source: &Foreign<'_>) -> Option<Result<ThingModel, Error>> {
        if !source.provider.ends_with("/other/other") || source.type_name != "other_thing" {
            return None;
        }
        let model =
            |name| ThingModel { name, zone: text("here"), size: Value::Value(1), key_wo: text("a-moved-key"), ..ThingModel::default() };
        Some(source.state::<OtherThing>().and_then(|other| match other.label {
            label @ Value::Value(_) => Ok(model(label)),
            _ => Err(Error::new("Not to be adopted", "It has no label.")),
        }))
    }
}

model! {
    /// Which things.
    pub struct FilterModel {
        /// What their names begin with.
        prefix: String => optional(),
    }
}

#[async_trait]
impl Listing for Thing {
    type Of = Self;
    type Filter = FilterModel;

    fn check(filter: &FilterModel, parse: &mut Parse<'_>) {
        parse.optional("prefix", &filter.prefix, |prefix| if prefix == "*" { Err("No wildcards.") } else { Ok(()) });
    }

    async fn list(filter: &FilterModel, results: &mut Results, cx: &Cx<'_, Zone>) -> Result<(), Error> {
        if cx.world.name.is_none() {
            return Err(cx.defer("The zone"));
        }
        let prefix = if let Value::Value(prefix) = &filter.prefix { prefix.as_str() } else { "" };
        let things: Vec<_> = cx.world.things.lock().expect("things").keys().cloned().collect();
        for name in things.iter().filter(|name| name.starts_with(prefix)) {
            match name.as_str() {
                "locked" => results.failed(Error::new("Locked", "One shelf can't be opened.")).await,
                // More of them than anyone wants.
                "endless" => loop {
                    results.add("here/endless").await;
                },
                name => results.add(format!("here/{name}")).await,
            }
        }
        if things.iter().any(|name| name == "secret") { Err(Error::new("Forbidden", "Not all are shown.")) } else { Ok(()) }
    }
}
