//! A provider of everything that a provider can have, to prove the protocol with; served in this process.

mod earlier;
mod look;
mod session;
mod shake;
mod thing;
mod token;

pub(crate) use session::{ABLE, Session, THING};

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use framework::{
    AnyAction, AnyDataSource, AnyEphemeral, AnyListing, AnyResource, ArgumentError, AttributePath, Datum, Dynamic, Error, Field as _,
    Function, Parameter, Parse, Provider, Setup, Type, Value, decode, erase, erase_action, erase_data_source, erase_ephemeral,
    erase_listing, model, required,
};

model! {
    /// A sample.
    pub struct SampleModel {
        /// Where all things are.
        zone: String => required(),
        /// What opens the zone.
        password: String => framework::optional().sensitive(),
    }
}

/// The zone, and the things in it by name, each with its revision.
pub(crate) struct Zone {
    /// None while it isn't known.
    name: Option<String>,
    things: Arc<Mutex<BTreeMap<String, i64>>>,
    shelf: Shelf,
}

/// What things put into the world: for each an object under its note; and the step at which the next applies fail.
#[derive(Clone, Default)]
pub(crate) struct Shelf {
    objects: Arc<Mutex<BTreeSet<(String, String)>>>,
    fault: Arc<Mutex<Option<usize>>>,
}

impl Shelf {
    /// The notes under which there are objects.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.objects.lock().expect("objects").iter().map(|(_, note)| note.clone()).collect()
    }

    /// Makes the applies from here on fail at a step, or at none.
    pub(crate) fn fail_at(&self, step: Option<usize>) {
        *self.fault.lock().expect("a fault") = step;
    }

    fn put(&self, thing: &str, note: &str) {
        self.objects.lock().expect("objects").insert((thing.to_owned(), note.to_owned()));
    }

    fn remove(&self, thing: &str, note: &str) {
        self.objects.lock().expect("objects").remove(&(thing.to_owned(), note.to_owned()));
    }

    fn step(&self, step: usize) -> Result<(), Error> {
        if *self.fault.lock().expect("a fault") == Some(step) {
            return Err(Error::new("Failed step", format!("Step {step} of the apply failed.")));
        }
        Ok(())
    }
}

/// The provider; the things outlive a configuration, as things do.
#[derive(Clone, Default)]
pub(crate) struct Sample {
    pub(crate) things: Arc<Mutex<BTreeMap<String, i64>>>,
    pub(crate) shelf: Shelf,
}

#[async_trait]
impl Provider for Sample {
    type World = Zone;
    type Model = SampleModel;
    type Spec = Option<String>;

    fn name(&self) -> &'static str {
        "sample"
    }

    fn parse(&self, model: &SampleModel, parse: &mut Parse<'_>) -> Option<Self::Spec> {
        let zone = parse.optional("zone", &model.zone, |zone| if zone.is_empty() { Err("A zone has a name.") } else { Ok(zone.clone()) });
        Some(zone.flatten())
    }

    async fn configure(&self, name: Self::Spec, setup: &mut Setup) -> Result<Zone, Error> {
        match name.as_deref() {
            Some("closed") => return Err(Error::new("Closed", "The zone is closed.").at(AttributePath::new("zone"))),
            Some("old") => setup.warn(Error::new("Old", format!("The zone closes soon, {}.", setup.cli_version))),
            _ => {}
        }
        Ok(Zone { name, things: Arc::clone(&self.things), shelf: self.shelf.clone() })
    }

    fn resources(&self) -> Vec<Box<dyn AnyResource<Zone>>> {
        vec![erase::<thing::Thing>()]
    }

    fn data_sources(&self) -> Vec<Box<dyn AnyDataSource<Zone>>> {
        vec![erase_data_source::<look::Look>()]
    }

    fn ephemerals(&self) -> Vec<Box<dyn AnyEphemeral<Zone>>> {
        vec![erase_ephemeral::<token::Token>()]
    }

    fn listings(&self) -> Vec<Box<dyn AnyListing<Zone>>> {
        vec![erase_listing::<thing::Thing>()]
    }

    fn actions(&self) -> Vec<Box<dyn AnyAction<Zone>>> {
        vec![erase_action::<shake::Shake>()]
    }

    fn functions(&self) -> Vec<Box<dyn Function>> {
        vec![Box::new(Explode), Box::new(Sum)]
    }
}

/// A function that goes wrong.
struct Explode;

impl Function for Explode {
    fn name(&self) -> &'static str {
        "explode"
    }
    fn summary(&self) -> &'static str {
        "Explodes"
    }
    fn description(&self) -> &'static str {
        "Explodes."
    }
    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }
    fn returns(&self) -> Type {
        String::field_type()
    }
    fn call(&self, _: &[Dynamic]) -> Result<Datum, ArgumentError> {
        panic!("boom")
    }
}

/// A function of any number of arguments.
struct Sum;

impl Function for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }
    fn summary(&self) -> &'static str {
        "Adds numbers"
    }
    fn description(&self) -> &'static str {
        "Adds numbers."
    }
    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter { name: "first", description: "A number.", ty: i64::field_type() }]
    }
    fn variadic(&self) -> Option<Parameter> {
        Some(Parameter { name: "more", description: "More numbers.", ty: i64::field_type() })
    }
    fn returns(&self) -> Type {
        i64::field_type()
    }
    fn call(&self, arguments: &[Dynamic]) -> Result<Datum, ArgumentError> {
        let root = AttributePath::root();
        let numbers: Option<Vec<i64>> =
            arguments.iter().map(|argument| decode::<i64>(argument, &root).ok()?.as_ref_option().copied()).collect();
        let numbers = numbers.ok_or_else(|| ArgumentError::whole("There is no number."))?;
        let sum = numbers.iter().try_fold(0i64, |sum, number| sum.checked_add(*number));
        sum.map(|sum| sum.encode()).ok_or_else(|| ArgumentError::whole("The sum is too large."))
    }
}

/// A known string.
pub(crate) fn text(text: &str) -> Value<String> {
    Value::Value(text.to_owned())
}
