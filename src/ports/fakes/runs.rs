//! Runs of the provider.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;

use super::lock;
use crate::ports::{Run, Runs};

/// Runs of one machine; any other id is of another one.
#[derive(Default)]
pub struct FakeRuns {
    begun: Mutex<usize>,
    alive: Arc<Mutex<BTreeSet<String>>>,
}

struct Held {
    id: String,
    alive: Arc<Mutex<BTreeSet<String>>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        lock(&self.alive).remove(&self.id);
    }
}

#[async_trait]
impl Runs for FakeRuns {
    async fn begin(&self) -> Run {
        let mut begun = lock(&self.begun);
        *begun += 1;
        let id = format!("here.{begun}");
        lock(&self.alive).insert(id.clone());
        Run::new(id.clone(), Held { id, alive: Arc::clone(&self.alive) })
    }

    fn is_alive(&self, id: &str) -> Option<bool> {
        id.starts_with("here.").then(|| lock(&self.alive).contains(id))
    }
}
