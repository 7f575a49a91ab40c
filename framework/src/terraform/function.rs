//! What a function is: pure, callable in any expression, also while the provider isn't configured.

use super::{
    dynamic::{Datum, Dynamic},
    schema::Type,
};

/// A function `provider::NAME::…`.
pub trait Function: Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;
    /// One line.
    fn summary(&self) -> &'static str;
    /// Markdown.
    fn description(&self) -> &'static str;
    /// Its parameters, in order.
    fn parameters(&self) -> Vec<Parameter>;
    /// What it returns.
    fn returns(&self) -> Type;
    /// Computes it. The arguments are as many as the parameters, of their types, and known.
    fn call(&self, arguments: &[Dynamic]) -> Result<Datum, ArgumentError>;
}

/// A parameter of a function.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// As shown in messages.
    pub name: &'static str,
    /// Markdown.
    pub description: &'static str,
    /// What it takes; null never.
    pub ty: Type,
}

/// Why an argument won't do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgumentError {
    /// Its position, from 0.
    pub argument: usize,
    /// What is wrong with it, and what would be right.
    pub problem: String,
}

impl ArgumentError {
    /// For the argument at a position.
    pub fn at(argument: usize) -> impl Fn(String) -> Self {
        move |problem| Self { argument, problem }
    }
}
