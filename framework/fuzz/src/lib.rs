//! What the fuzz targets share: calls of a provider in this process, as a CLI makes them, none of which may panic.

mod session;
mod wide;

pub use session::{Session, json, msgpack};
pub use wide::THING;

use std::sync::Arc;

use framework::protocol::wire::DynamicValue;
use rmpv::Value;
use terraform_provider_mesh::provider::Mesh;

/// The real provider, and the one with the widest types.
pub struct Sessions {
    /// The real one.
    pub mesh: Session<Mesh>,
    /// The other one.
    pub wide: Session<wide::Wide>,
    kept: wide::Kept,
}

impl Sessions {
    /// Runs with the sessions, which are made once.
    pub fn with(run: impl FnOnce(&Self)) {
        thread_local! {
            static SESSIONS: Sessions = Sessions::new();
        }
        SESSIONS.with(run);
    }

    fn new() -> Self {
        let wide = wide::Wide::default();
        Self { kept: Arc::clone(&wide.0), mesh: Session::new(Mesh, None), wide: Session::new(wide, Some(Value::Map(Vec::new()))) }
    }

    /// What a function of the wide provider was called with last is read as the same from what was written of it.
    pub fn same_again(&self, function: &str, written: DynamicValue) {
        let read = self.kept();
        self.wide.call(function, vec![written]);
        assert_eq!(read, self.kept());
    }

    fn kept(&self) -> Vec<framework::Dynamic> {
        std::mem::take(&mut *self.kept.lock().expect("what is kept"))
    }
}
