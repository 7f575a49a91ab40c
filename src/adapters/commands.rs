//! Commands in containers, by the API servers' WebSocket of `pods/exec`.

use std::sync::Arc;

use async_trait::async_trait;
use framework::Deadline;
use futures::StreamExt as _;
use http::{HeaderValue, Request, header::AUTHORIZATION};
use kube::{client::Connection, core::Status};

use super::{
    Kubernetes,
    connection::Server,
    kubernetes::path,
    refusal::{Attempt, Refused, Verb},
};
use crate::{
    data::{Command, CommandEnd, Kind, ObjectRef, Printed},
    ports::{Commands, Failure},
};

/// The first byte of a message names its channel. Source: Kubernetes, `apimachinery/pkg/util/remotecommand/constants.go`.
const OUTPUT: u8 = 1;
const ERRORS: u8 = 2;
const STATUS: u8 = 3;

/// What runtimes say of a program that the container lacks.
const MISSING: [&str; 2] = ["executable file not found", "no such file or directory"];

#[async_trait]
impl Commands for Kubernetes {
    async fn run(&self, cluster: &str, command: &Command, deadline: &Deadline) -> Result<Printed, Failure> {
        let pod = ObjectRef::namespaced(Kind::POD, &command.namespace, &command.pod);
        let attempt = Attempt::new(cluster, Verb::Run, &pod);
        let uri = uri(&pod, command);
        let run = |server: Arc<Server>| {
            let uri = uri.clone();
            async move { Ok(listen(connect(&server, &uri).await?, command.most).await) }
        };
        self.call(&attempt, run, deadline).await
    }
}

/// Returns the path and query of a command.
fn uri(pod: &ObjectRef, command: &Command) -> String {
    let mut uri = format!("{}/exec?container={}&stdout=true&stderr=true", path(pod), command.container);
    for argument in &command.arguments {
        uri.push_str("&command=");
        uri.push_str(&escaped(argument));
    }
    uri
}

/// Escapes every byte that isn't a letter, a digit or one of `-._~`.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

async fn connect(server: &Server, uri: &str) -> Result<Connection, Refused> {
    let mut request = Request::get(uri).body(Vec::new()).map_err(|error| Refused::NoAnswer(kube::Error::HttpError(error)))?;
    if let Some(bearer) = &server.bearer {
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::clone(bearer));
    }
    let connection = server.client.connect(request).await.map_err(Refused::of)?;
    server.answered();
    Ok(connection)
}

/// Reads messages until the command has ended or has printed enough.
async fn listen(connection: Connection, most: usize) -> Printed {
    let mut printed = Printed { output: Vec::new(), errors: Vec::new(), end: CommandEnd::Failed("the connection was closed".to_owned()) };
    let mut messages = connection.into_stream();
    while let Some(message) = messages.next().await {
        let message = match message {
            Ok(message) if message.is_binary() => message.into_data(),
            Ok(_) => continue,
            Err(error) => {
                printed.end = CommandEnd::Failed(error.to_string());
                break;
            }
        };
        let Some((channel, content)) = message.split_first() else { continue };
        match *channel {
            OUTPUT => printed.output.extend_from_slice(content),
            ERRORS => printed.errors.extend_from_slice(content),
            STATUS => {
                printed.end = ended(content);
                break;
            }
            _ => {}
        }
        if printed.output.len() + printed.errors.len() > most {
            printed.end = CommandEnd::Cut;
            break;
        }
    }
    printed
}

/// Reads how a command ended.
fn ended(status: &[u8]) -> CommandEnd {
    let Ok(status) = serde_json::from_slice::<Status>(status) else {
        return CommandEnd::Failed("the API server's status of the command can't be read".to_owned());
    };
    if status.is_success() {
        return CommandEnd::Exited(0);
    }
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let code = causes.into_iter().find(|cause| cause.reason == "ExitCode").and_then(|cause| cause.message.parse().ok());
    match code {
        Some(code) => CommandEnd::Exited(code),
        None if MISSING.iter().any(|words| status.message.contains(words)) => CommandEnd::Missing,
        None => CommandEnd::Failed(status.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_escaped_one_by_one() {
        let command = Command {
            namespace: "echo".to_owned(),
            pod: "client-1".to_owned(),
            container: "client".to_owned(),
            arguments: vec!["curl".to_owned(), "http://a/?b=c d&e=%".to_owned()],
            most: 10,
        };
        assert_eq!(
            uri(&ObjectRef::namespaced(Kind::POD, "echo", "client-1"), &command),
            "/api/v1/namespaces/echo/pods/client-1/exec?container=client&stdout=true&stderr=true&command=curl&\
             command=http%3A%2F%2Fa%2F%3Fb%3Dc%20d%26e%3D%25"
        );
    }

    #[test]
    fn the_status_of_a_command_is_its_code_or_why_it_did_not_run() {
        // As kubelets of 1.34 with containerd write them.
        for (status, end) in [
            (r#"{"metadata":{},"status":"Success"}"#, CommandEnd::Exited(0)),
            (
                r#"{"metadata":{},"status":"Failure","message":"command terminated with non-zero exit code: exit status 6","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"6"}]}}"#,
                CommandEnd::Exited(6),
            ),
            (
                r#"{"metadata":{},"status":"Failure","message":"Internal error occurred: error executing command in container: failed to exec in container: failed to start exec \"1\": OCI runtime exec failed: exec failed: unable to start container process: exec: \"wget\": executable file not found in $PATH","reason":"InternalError","details":{"causes":[{"message":"x"}]},"code":500}"#,
                CommandEnd::Missing,
            ),
            (
                r#"{"status":"Failure","message":"the container is not running"}"#,
                CommandEnd::Failed("the container is not running".to_owned()),
            ),
        ] {
            assert_eq!(ended(status.as_bytes()), end, "{status}");
        }
        assert!(matches!(ended(b"?"), CommandEnd::Failed(_)));
    }
}
