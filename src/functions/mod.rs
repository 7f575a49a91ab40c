//! The functions of the provider, one file each.

mod eastwest_gateway_from_operator;
mod load_balancer;
mod service_export_from_service_entry;
mod sni;
mod spiffe_id;
mod vip;

use framework::{ArgumentError, AttributePath, Dynamic, Field, Function, Value};

/// All functions of the provider.
pub fn all() -> Vec<Box<dyn Function>> {
    vec![
        Box::new(eastwest_gateway_from_operator::FromOperator),
        Box::new(load_balancer::LoadBalancer),
        Box::new(service_export_from_service_entry::FromServiceEntry),
        Box::new(sni::Sni),
        Box::new(spiffe_id::SpiffeId),
        Box::new(vip::StableVip),
    ]
}

/// Reads the argument at a position.
fn argument<T: Field>(arguments: &[Dynamic], position: usize) -> Result<T, ArgumentError> {
    let refused = |problem: String| ArgumentError::at(position)(problem);
    match arguments.get(position) {
        Some(Value::Value(datum)) => T::decode(datum, &AttributePath::root()).map_err(|error| refused(error.detail)),
        _ => Err(refused("Must not be null.".to_owned())),
    }
}

/// Returns strings as a list or a set.
fn strings<C: FromIterator<Value<String>>>(strings: impl IntoIterator<Item = impl ToString>) -> Value<C> {
    Value::Value(strings.into_iter().map(|string| Value::Value(string.to_string())).collect())
}
