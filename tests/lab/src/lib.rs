//! The lab: two real clusters on one machine.
