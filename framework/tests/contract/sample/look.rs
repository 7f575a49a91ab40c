//! A data source that counts the things.

use std::time::Duration;

use async_trait::async_trait;
use framework::{Cx, DataSource, Error, Observed, Parse, Value, computed, model, required};

use super::Zone;

model! {
    /// A look at the things.
    pub struct LookModel {
        /// What their names begin with.
        prefix: String => required(),
        /// How many there are.
        found: i64 => computed(),
    }
}

/// The prefix.
pub(crate) struct Look(String);

#[async_trait]
impl DataSource for Look {
    type World = Zone;
    type Model = LookModel;
    type Spec = Self;
    type Status = i64;

    const NAME: &'static str = "sample_look";
    const TIMEOUT: Duration = Duration::from_secs(10);

    fn parse(model: &LookModel, parse: &mut Parse<'_>) -> Option<Self> {
        parse.required("prefix", &model.prefix, |prefix| if prefix.is_empty() { Err("Of what?") } else { Ok(Self(prefix.clone())) })
    }

    async fn read(Self(prefix): &Self, cx: &Cx<'_, Zone>) -> Result<Observed<i64>, Error> {
        if cx.world.name.is_none() {
            return Ok(Observed::Deferred);
        }
        if prefix == "slow" {
            let cut = cx.deadline.pause(Duration::from_secs(3600)).await;
            cx.world.things.lock().expect("things").insert("a look was ended".to_owned(), 0);
            return Err(Error::new("Ended", format!("{cut:?}")));
        }
        let count = cx.world.things.lock().expect("things").keys().filter(|name| name.starts_with(prefix)).count();
        Ok(i64::try_from(count).ok().filter(|count| *count > 0).map_or(Observed::Gone, Observed::Found))
    }

    fn record(count: &i64, model: &mut LookModel) {
        model.found = Value::Value(*count);
    }
}
