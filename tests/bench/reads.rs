//! A thousand reads at once by the provider, and the same GETs by kube's client without it.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Instant,
};

use framework::protocol::wire::{
    DynamicValue, apply_resource_change, configure_provider, get_provider_schema, plan_resource_change, provider_client::ProviderClient,
    read_resource,
};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use plugin_host::{
    Plugin, rules,
    values::{decode, encode, object},
};
use rmpv::Value;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use crate::{
    cluster,
    figure::{Figure, median, milliseconds},
    program::resident,
};

const READS: usize = 1000;
const RUNS: usize = 7;
const TYPE: &str = "mesh_root_ca";

pub(crate) async fn measure(kubeconfig: &Path) -> Vec<Figure> {
    let client = cluster::client(kubeconfig).await;
    let namespace = cluster::make_namespace(&client).await;
    // In a task, so that the namespace is removed whatever goes wrong.
    let outcome = tokio::spawn(compare(kubeconfig.to_path_buf(), namespace.clone())).await;
    cluster::remove_namespace(&client, &namespace).await;
    outcome.expect("the reads")
}

/// What a round took: the reads of a process or client that has no connection yet, and those of as many other objects after that.
struct Round {
    provider: [f64; 2],
    direct: [f64; 2],
    memory: f64,
}

async fn compare(kubeconfig: PathBuf, namespace: String) -> Vec<Figure> {
    let names: Vec<_> = (0..2 * READS).map(|number| format!("root-{number}")).collect();
    let states = make(&kubeconfig, &namespace, &names).await;
    let mut rounds = Vec::new();
    for _ in 0..RUNS {
        let (plugin, provider) = configured(&kubeconfig).await;
        let by_provider = [read(&provider, &states[..READS]).await, read(&provider, &states[READS..]).await];
        let memory = resident(plugin.id());
        let client = cluster::client(&kubeconfig).await;
        let direct = [get(&client, &namespace, &names[..READS]).await, get(&client, &namespace, &names[READS..]).await];
        rounds.push(Round { provider: by_provider, direct, memory });
    }
    let figure = |what: String, unit, target, value: &dyn Fn(&Round) -> f64| Figure {
        what,
        unit,
        target,
        runs: RUNS,
        values: vec![median(rounds.iter().map(value))],
    };
    let mut figures = Vec::new();
    for (nth, connections) in ["new", "kept"].into_iter().enumerate() {
        figures.extend([
            figure(format!("{READS} reads at once, {connections} connections"), "ms", None, &|round| round.provider[nth]),
            figure("… the same GETs by kube's client".to_owned(), "ms", None, &|round| round.direct[nth]),
            figure("… ratio".to_owned(), "×", Some(2.0), &|round| round.provider[nth] / round.direct[nth]),
        ]);
    }
    figures.push(figure("memory after these reads".to_owned(), "MiB", None, &|round| round.memory));
    figures
}

async fn configured(kubeconfig: &Path) -> (Plugin, ProviderClient<Channel>) {
    let plugin = Plugin::start_with(crate::PROGRAM, |command| command.stderr(Stdio::null()));
    let mut provider = plugin.provider().await;
    let access = object(&[("config_path", kubeconfig.to_str().expect("a path").into())]);
    let config = Some(encode(&object(&[("clusters", object(&[("us", access)]))])));
    let request = configure_provider::Request { config, ..configure_provider::Request::default() };
    let diagnostics = provider.configure_provider(request).await.expect("an answer").into_inner().diagnostics;
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    (plugin, provider)
}

/// Makes the objects by the provider itself, all at once; their states.
async fn make(kubeconfig: &Path, namespace: &str, names: &[String]) -> Vec<DynamicValue> {
    let (_plugin, mut provider) = configured(kubeconfig).await;
    let schema = provider.get_provider_schema(get_provider_schema::Request {}).await.expect("a schema").into_inner();
    let attributes = &schema.resource_schemas[TYPE].block.as_ref().expect("a block").attributes;
    let mut tasks = JoinSet::new();
    for name in names {
        let config =
            rules::config(attributes, &[("cluster", "us".into()), ("namespace", namespace.into()), ("name", name.as_str().into())]);
        let proposed = rules::proposed(attributes, &Value::Nil, &config);
        let mut provider = provider.clone();
        tasks.spawn(async move {
            let (prior_state, config) = (Some(encode(&Value::Nil)), Some(encode(&config)));
            let request = plan_resource_change::Request {
                type_name: TYPE.to_owned(),
                prior_state: prior_state.clone(),
                proposed_new_state: Some(encode(&proposed)),
                config: config.clone(),
                ..plan_resource_change::Request::default()
            };
            let planned = provider.plan_resource_change(request).await.expect("an answer").into_inner();
            assert!(planned.diagnostics.is_empty(), "{:?}", planned.diagnostics);
            let request = apply_resource_change::Request {
                type_name: TYPE.to_owned(),
                prior_state,
                planned_state: planned.planned_state,
                config,
                ..apply_resource_change::Request::default()
            };
            let applied = provider.apply_resource_change(request).await.expect("an answer").into_inner();
            assert!(applied.diagnostics.is_empty(), "{:?}", applied.diagnostics);
            applied.new_state.expect("a state")
        });
    }
    tasks.join_all().await
}

/// Reads them all at once through the provider; how long that took, in milliseconds.
async fn read(provider: &ProviderClient<Channel>, states: &[DynamicValue]) -> f64 {
    let mut tasks = JoinSet::new();
    let begin = Instant::now();
    for state in states {
        let (mut provider, state) = (provider.clone(), state.clone());
        tasks.spawn(async move {
            let request = read_resource::Request {
                type_name: TYPE.to_owned(),
                current_state: Some(state.clone()),
                ..read_resource::Request::default()
            };
            (state, provider.read_resource(request).await)
        });
    }
    let answers = tasks.join_all().await;
    let took = milliseconds(begin.elapsed());
    for (state, answer) in answers {
        let answer = answer.expect("an answer").into_inner();
        assert!(answer.diagnostics.is_empty(), "{:?}", answer.diagnostics);
        assert_eq!(decode(answer.new_state.as_ref()), decode(Some(&state)), "a read changed a state");
    }
    took
}

/// Gets the Secrets all at once without the provider; how long that took, in milliseconds.
async fn get(client: &Client, namespace: &str, names: &[String]) -> f64 {
    let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
    let mut tasks = JoinSet::new();
    let begin = Instant::now();
    for name in names {
        let (secrets, name) = (secrets.clone(), name.clone());
        tasks.spawn(async move { secrets.get(&name).await });
    }
    let answers = tasks.join_all().await;
    let took = milliseconds(begin.elapsed());
    for answer in answers {
        assert!(answer.expect("a Secret").data.is_some_and(|data| !data.is_empty()));
    }
    took
}
