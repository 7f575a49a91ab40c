#![doc = include_str!("../README.md")]

mod deadline;
pub mod plugin;
pub mod protocol;
mod terraform;

pub use deadline::{Cut, Deadline};
pub use terraform::*;
