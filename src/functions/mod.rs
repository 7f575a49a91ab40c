//! The functions of the provider, one file each.

mod sni;
mod spiffe_id;
mod vip;

use framework::{ArgumentError, AttributePath, Dynamic, Field, Function, Value};

/// All functions of the provider.
pub fn all() -> Vec<Box<dyn Function>> {
    vec![Box::new(sni::Sni), Box::new(spiffe_id::SpiffeId), Box::new(vip::StableVip)]
}

/// Reads the argument at a position.
fn argument<T: Field>(arguments: &[Dynamic], position: usize) -> Result<T, ArgumentError> {
    let refused = |problem: String| ArgumentError::at(position)(problem);
    match arguments.get(position) {
        Some(Value::Value(datum)) => T::decode(datum, &AttributePath::root()).map_err(|error| refused(error.detail)),
        _ => Err(refused("Must not be null.".to_owned())),
    }
}
