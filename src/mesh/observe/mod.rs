//! What a cluster shows: differences from what was applied, and why something isn't ready.

pub mod drift;
pub mod evidence;
pub mod ignored;
pub mod occupant;
pub mod operator;
mod quantity;
pub mod release;
