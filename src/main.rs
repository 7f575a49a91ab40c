//! The provider as a program.
fn main() {}
