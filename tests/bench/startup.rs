//! From the start of a provider's process to its answered schema, as the CLIs' core goes that way, and what it holds in memory then.

use std::{process::Stdio, time::Instant};

use framework::protocol::wire::get_provider_schema::{Request, Response};
use plugin_host::{Certificate, Plugin, plugin};
use tonic::{client::Grpc, codegen::http::uri::PathAndQuery};
use tonic_prost::ProstCodec;

use crate::{
    figure::{Figure, median, milliseconds},
    program::{Program, resident},
};

const WARM_UPS: usize = 5;
const RUNS: usize = 50;

pub(crate) async fn measure(programs: &[Program]) -> Vec<Figure> {
    let mut starts: Vec<Vec<Start>> = programs.iter().map(|_| Vec::new()).collect();
    // In turns, so that whatever else the machine does is borne by all.
    for run in 0..WARM_UPS + RUNS {
        for (program, starts) in programs.iter().zip(&mut starts) {
            let start = start(program).await;
            if run >= WARM_UPS {
                starts.push(start);
            }
        }
    }
    let figure = |what: &str, unit, target, value: fn(&Start) -> f64| Figure {
        what: what.to_owned(),
        unit,
        target,
        runs: RUNS,
        values: starts.iter().map(|starts| median(starts.iter().map(value))).collect(),
    };
    vec![
        figure("start to handshake line", "ms", None, |start| start.line),
        figure("start to answered schema", "ms", Some(8.0), |start| start.schema),
        figure("memory with the schema answered", "MiB", Some(12.0), |start| start.memory),
        Figure {
            what: "size of the stripped program".to_owned(),
            unit: "MiB",
            target: Some(14.0),
            runs: 1,
            values: programs.iter().map(Program::size).collect(),
        },
    ]
}

struct Start {
    line: f64,
    schema: f64,
    memory: f64,
}

async fn start(program: &Program) -> Start {
    // The host's own certificate is no part of the provider's start.
    let (certificate, folder) = (Certificate::new(), tempfile::tempdir().expect("a folder"));
    let mut command = plugin::command(&program.path, &certificate.pem, folder.path());
    command.env("PLUGIN_PROTOCOL_VERSIONS", "5,6").stderr(Stdio::null());
    let begin = Instant::now();
    let plugin = Plugin::launch(&mut command, certificate, folder);
    let line = milliseconds(begin.elapsed());
    let answer = schema(&plugin).await;
    let schema = milliseconds(begin.elapsed());
    assert!(answer.diagnostics.is_empty() && !answer.resource_schemas.is_empty(), "{} has no schema: {answer:?}", program.name);
    Start { line, schema, memory: resident(plugin.id()) }
}

/// Asks for the schema in the protocol that the plugin speaks; the answer is of the same form in both, nested attributes aside.
async fn schema(plugin: &Plugin) -> Response {
    let path = match plugin.version.as_str() {
        "5" => "/tfplugin5.Provider/GetSchema",
        _ => "/tfplugin6.Provider/GetProviderSchema",
    };
    let mut grpc = Grpc::new(plugin.channel().await.expect("a channel")).max_decoding_message_size(256 << 20);
    grpc.ready().await.expect("a connection");
    let codec = ProstCodec::<Request, Response>::default();
    grpc.unary(tonic::Request::new(Request {}), PathAndQuery::from_static(path), codec).await.expect("an answer").into_inner()
}
