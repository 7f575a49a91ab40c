//! An action that shakes a thing.

use std::time::Duration;

use async_trait::async_trait;
use framework::{Action, AttributePath, Cx, Error, Parse, Progress, model, optional, required};

use super::Zone;

model! {
    /// Shakes a thing.
    pub struct ShakeModel {
        /// Its name.
        name: String => required(),
        /// How often.
        times: i64 => optional(),
        /// What opens it.
        key_wo: String => optional().write_only(),
    }
}

/// The thing, how often it is shaken, and its key.
pub(crate) struct Shake(String, i64, Option<String>);

#[async_trait]
impl Action for Shake {
    type World = Zone;
    type Model = ShakeModel;
    type Spec = Self;

    const NAME: &'static str = "sample_shake";
    const TIMEOUT: Duration = Duration::from_secs(60);

    fn parse(model: &ShakeModel, parse: &mut Parse<'_>) -> Option<Self> {
        let name = parse.required("name", &model.name, |name| if name.is_empty() { Err("Shake what?") } else { Ok(name.clone()) });
        let times = parse.optional("times", &model.times, |times| Ok::<_, String>(*times));
        let key = parse.optional("key_wo", &model.key_wo, |key| Ok::<_, String>(key.clone()));
        Some(Self(name?, times?.unwrap_or(1), key?))
    }

    async fn plan(Self(name, ..): &Self, cx: &Cx<'_, Zone>) -> Result<(), Error> {
        if cx.world.name.is_none() {
            return Err(cx.defer("The zone"));
        }
        let is_there = cx.world.things.lock().expect("things").contains_key(name);
        if is_there { Ok(()) } else { Err(Error::new("Nothing to shake", "It isn't there.").at(AttributePath::new("name"))) }
    }

    async fn invoke(Self(name, times, key): &Self, progress: &Progress, cx: &Cx<'_, Zone>) -> Result<(), Error> {
        for time in 1..=*times {
            progress.report(format!("shake {time} of {name} with {}", key.as_deref().unwrap_or("no key"))).await;
            *cx.world.things.lock().expect("things").entry(name.clone()).or_default() += 1;
        }
        match name.as_str() {
            "brittle" => Err(Error::new("Broken", "It was brittle.")),
            "explosive" => panic!("it was under tension"),
            "slow" => {
                let cut = cx.deadline.pause(Duration::from_secs(3600)).await;
                cx.world.things.lock().expect("things").insert("a shake was ended".to_owned(), 0);
                Err(Error::new("Ended", format!("{cut:?}")))
            }
            _ => {
                cx.warn(Error::new("Shaken", "It may rattle."));
                Ok(())
            }
        }
    }
}
