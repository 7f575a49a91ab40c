//! Where an apply records what exists in the world, so that an error after it loses nothing.

/// Receives what an apply has reached. It is saved with the error, if there is one.
#[derive(Debug)]
pub struct Reached<S> {
    status: Option<S>,
    is_complete: bool,
}

impl<S> Reached<S> {
    /// Nothing yet.
    pub fn nothing() -> Self {
        Self { status: None, is_complete: false }
    }

    /// From here on the object exists, in this state. If an update fails after this call, the state takes only the computed attributes from
    /// `status`. The inputs stay those of the last finished apply, because something of them may still be in place; the new ones are
    /// recorded as attempted.
    pub fn set(&mut self, status: S) {
        self.status = Some(status);
    }

    /// From here on the new inputs are in place, and nothing is left of any earlier ones. If the update fails after this call, the state
    /// takes the new inputs, and the next plan is still an update.
    pub fn set_all(&mut self, status: S) {
        self.status = Some(status);
        self.is_complete = true;
    }

    /// Whether nothing was reached, so that a failed create leaves no state.
    pub fn is_nothing(&self) -> bool {
        self.status.is_none()
    }

    /// What was reached last.
    pub fn get(self) -> Option<S> {
        self.status
    }

    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }
}
