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
        let refused = |text: String, argument: usize| wire::call_function::Response {
            result: None,
            error: Some(wire::FunctionError { text, function_argument: i64::try_from(argument).ok() }),
        };
        let mut arguments = Vec::new();
        for (position, (parameter, argument)) in function.parameters().iter().zip(request.arguments).enumerate() {
            match value::read_as(Some(argument), &Shape::of(&parameter.ty)) {
                Ok(argument) => arguments.push(argument),
                Err(error) => return Ok(refused(error.detail, position)),
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
