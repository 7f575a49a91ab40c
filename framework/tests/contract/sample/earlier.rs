//! States of things that earlier releases of the sample provider have stored, and those of another provider.

use framework::{Error, Number, Value, model, optional, required};

use super::{text, thing::ThingModel};

model! {
    /// A thing as the first release stored it.
    pub struct FirstThing {
        /// What the name was called.
        title: String => required(),
        /// Its size.
        size: i64 => optional(),
        /// How many atoms it has.
        atoms: Number => optional(),
        /// A secret, which was in the state then.
        key: String => optional().sensitive(),
    }
}

impl FirstThing {
    pub(crate) fn upgraded(self) -> Result<ThingModel, Error> {
        SecondThing { name: self.title, size: self.size, atoms: self.atoms }.upgraded()
    }
}

model! {
    /// A thing as the second release stored it.
    pub struct SecondThing {
        /// Its name.
        name: String => required(),
        /// Its size.
        size: i64 => optional(),
        /// How many atoms it has.
        atoms: Number => optional(),
    }
}

impl SecondThing {
    /// There was a single zone, and a size of zero meant that it was not known.
    pub(crate) fn upgraded(self) -> Result<ThingModel, Error> {
        if matches!(self.size, Value::Value(0)) {
            return Err(Error::new("Thing without a size", "Remove it from the state and import it."));
        }
        Ok(ThingModel {
            name: self.name,
            zone: text("here"),
            size: self.size,
            atoms: self.atoms,
            key_wo: text("an-old-key"),
            ..ThingModel::default()
        })
    }
}

model! {
    /// A thing of another provider, as far as it matters here.
    pub struct OtherThing {
        /// Its label.
        label: String => optional(),
    }
}
