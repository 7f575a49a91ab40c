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
    /// The parameter that takes any number of further arguments.
    fn variadic(&self) -> Option<Parameter> {
        None
    }
    /// The type of the result.
    fn returns(&self) -> Type;
    /// Computes the result. There is one argument for each parameter, and any number where one is variadic; all are of their parameter's type,
    /// and known.
    fn call(&self, arguments: &[Dynamic]) -> Result<Datum, ArgumentError>;
}

/// A parameter of a function.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// As shown in messages.
    pub name: &'static str,
    /// Markdown.
    pub description: &'static str,
    /// The type; null is refused.
    pub ty: Type,
}

/// Why a call of a function failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgumentError {
    /// The position of the argument that is wrong, from 0; absent if the call as a whole is.
    pub argument: Option<usize>,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl ArgumentError {
    /// Returns the error of the argument at a position.
    pub fn at(argument: usize) -> impl Fn(String) -> Self {
        move |problem| Self { argument: Some(argument), problem }
    }

    /// Returns the error of the call as a whole.
    pub fn whole(problem: impl Into<String>) -> Self {
        Self { argument: None, problem: problem.into() }
    }
}
