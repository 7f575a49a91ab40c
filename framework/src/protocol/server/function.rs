//! Calls about functions. They need no configuration.

use super::Server;
use crate::{
    protocol::{schema, shape::Shape, value, wire},
    terraform::{Error, Provider, Value},
};

impl<P: Provider> Server<P> {
    pub(super) async fn get_functions(&self, _: wire::get_functions::Request) -> Result<wire::get_functions::Response, Error> {
        let functions = self.catalog().functions.iter().map(|(name, function)| (name, schema::function(function.as_ref())));
        Ok(wire::get_functions::Response { functions: functions.collect(), diagnostics: Vec::new() })
    }

    pub(super) async fn call_function(&self, request: wire::call_function::Request) -> Result<wire::call_function::Response, Error> {
        let function = self.catalog().functions.find(&request.name)?;
        let refused = |text: String, argument: Option<usize>| wire::call_function::Response {
            result: None,
            error: Some(wire::FunctionError { text, function_argument: argument.and_then(|position| i64::try_from(position).ok()) }),
        };
        let (parameters, variadic) = (function.parameters(), function.variadic());
        let given = request.arguments.len();
        if given < parameters.len() || (variadic.is_none() && given > parameters.len()) {
            let at_least = if variadic.is_some() { "at least " } else { "" };
            return Ok(refused(format!("{} takes {at_least}{} arguments, got {given}.", request.name, parameters.len()), None));
        }
        let mut arguments = Vec::new();
        let parameters = parameters.iter().chain(std::iter::repeat_with(|| variadic.as_ref()).flatten());
        for (position, (argument, parameter)) in request.arguments.into_iter().zip(parameters).enumerate() {
            match value::read_as(Some(argument), &Shape::of(&parameter.ty)) {
                Ok(argument) => arguments.push(argument),
                Err(error) => return Ok(refused(error.detail, Some(position))),
            }
        }
        Ok(match function.call(&arguments) {
            Ok(result) => {
                let result = value::write_as(&Value::Value(result), &Shape::of(&function.returns()));
                wire::call_function::Response { result: Some(result), error: None }
            }
            Err(error) => refused(error.problem, error.argument),
        })
    }
}
