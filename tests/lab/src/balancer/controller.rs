//! The loop: watches the Services of each cluster, decides, acts.

use std::{
    collections::BTreeMap,
    path::Path,
    pin::pin,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Event, Service};
use kube::{
    Client, Config, ResourceExt,
    api::{Api, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::watcher,
};
use serde_json::json;
use tokio::task::JoinSet;

use super::{
    FINALIZER,
    decision::{Action, Circumstances, decide, is_wanted},
    forwarder::Forwarder,
    ledger::{Lease, Ledger},
    settings::Settings,
};
use crate::{
    cluster::ClusterName,
    command::write_file,
    daemon::Daemon,
    layout::{Layout, WAN_NAMESPACE},
    progress::say,
};

/// How often settings and delays are looked at when no Service changes.
const TICK: Duration = Duration::from_millis(200);
/// A cloud's controller tries again, and complains again, after a while.
const COMPLAINT: Duration = Duration::from_secs(5);
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(500);

/// The balancer as a daemon of this very program.
pub(crate) fn configure(layout: &Layout, lab: &Path) -> Daemon {
    Daemon {
        host: "wan",
        name: "balancer",
        namespace: WAN_NAMESPACE,
        program: lab.to_owned(),
        arguments: std::iter::once("balancer".to_owned()).chain(ClusterName::of(layout).map(|cluster| cluster.to_string())).collect(),
        configuration: Vec::new(),
    }
}

pub(super) fn serve(layout: &Layout, clusters: &[ClusterName]) -> Result<()> {
    // The only failure is that there is a provider already, which is as well.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut balancers: JoinSet<_> = clusters.iter().map(|cluster| balance(layout.clone(), *cluster)).collect();
        balancers.join_next().await.context("no cluster was named")??
    })
}

/// Balances one cluster. An API server that is away is waited for.
async fn balance(layout: Layout, cluster: ClusterName) -> Result<()> {
    let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig(&layout))?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    let client = Client::try_from(config)?;
    let mut controller = Controller {
        ledger: Ledger::open(&layout, cluster),
        forwarder: Forwarder::new(cluster).await?,
        layout,
        cluster,
        client: client.clone(),
        services: BTreeMap::new(),
        seen: BTreeMap::new(),
        complained: BTreeMap::new(),
    };
    let mut events = pin!(watcher::watcher(Api::<Service>::all(client), watcher::Config::default()));
    let mut listing = BTreeMap::new();
    let mut tick = tokio::time::interval(TICK);
    let mut listed = false;
    loop {
        tokio::select! {
            event = events.next() => match event.context("the watch ended")? {
                Ok(watcher::Event::Init) => listing.clear(),
                Ok(watcher::Event::InitApply(service)) => {
                    listing.insert(key(&service), service);
                }
                Ok(watcher::Event::InitDone) => {
                    controller.services = std::mem::take(&mut listing);
                    listed = true;
                }
                Ok(watcher::Event::Apply(service)) => {
                    controller.services.insert(key(&service), service);
                }
                Ok(watcher::Event::Delete(service)) => {
                    controller.services.remove(&key(&service));
                }
                Err(error) => {
                    say(&format!("{cluster}: {error}"));
                    #[allow(clippy::disallowed_methods)] // the rule is for the provider
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                }
            },
            _ = tick.tick() => {}
        }
        if listed {
            controller.reconcile().await;
        }
    }
}

fn key(service: &Service) -> String {
    format!("{}/{}", service.namespace().unwrap_or_default(), service.name_any())
}

struct Controller {
    layout: Layout,
    cluster: ClusterName,
    client: Client,
    services: BTreeMap<String, Service>,
    ledger: Ledger,
    forwarder: Forwarder,
    /// Since when each Service is as it is: its identity, whether it is wanted, and the time.
    seen: BTreeMap<String, (String, bool, Instant)>,
    complained: BTreeMap<String, Instant>,
}

impl Controller {
    async fn reconcile(&mut self) {
        let settings = Settings::read(&self.layout, self.cluster);
        let mut changed = false;
        for name in self.gone() {
            let outcome = self.free(&name).await;
            changed |= self.report(&name, outcome);
        }
        let services: Vec<_> = self.services.iter().map(|(name, service)| (name.clone(), service.clone())).collect();
        for (name, service) in services {
            let age = self.age(&name, &service);
            let around = Circumstances {
                answer: settings.answer,
                lease: self.ledger.get(&name),
                moves: settings.moves.get(&name).copied().unwrap_or_default(),
                age,
            };
            let action = decide(&service, around);
            let moves = around.moves;
            let outcome = self.act(action, &name, &service, moves).await;
            changed |= self.report(&name, outcome);
        }
        if changed {
            let outcome = write_hosts(&self.layout);
            self.report("names", outcome.map(|()| true));
        }
    }

    /// Leases whose Service went without asking us (its finalizer was removed), or was replaced by another of the same name.
    fn gone(&self) -> Vec<String> {
        let stale = |(name, lease): &(&String, &Lease)| {
            let service = self.services.get(*name);
            service.is_none_or(|service| service.uid().as_deref() != Some(&lease.uid))
        };
        self.ledger.leases().filter(stale).map(|(name, _)| name.clone()).collect()
    }

    fn age(&mut self, name: &str, service: &Service) -> Duration {
        let condition = (service.uid().unwrap_or_default(), is_wanted(service));
        let since = match self.seen.get(name) {
            Some((uid, wanted, since)) if (uid.as_str(), *wanted) == (condition.0.as_str(), condition.1) => *since,
            _ => {
                let now = Instant::now();
                self.seen.insert(name.to_owned(), (condition.0, condition.1, now));
                now
            }
        };
        since.elapsed()
    }

    /// Does what was decided. True if the set of addresses changed.
    async fn act(&mut self, action: Action, name: &str, service: &Service, moves: u64) -> Result<bool> {
        match action {
            Action::Nothing => {
                if let Some(lease) = self.ledger.get(name).cloned().filter(|_| is_wanted(service)) {
                    // Ports may have changed, or this balancer has just begun.
                    self.forwarder.open(name, &lease, service).await?;
                }
                Ok(false)
            }
            Action::Adopt => {
                let finalizers = service.finalizers().iter().map(String::as_str).chain([FINALIZER]);
                self.set_finalizers(service, finalizers.collect()).await?;
                self.emit(service, "Normal", "EnsuringLoadBalancer", "Ensuring load balancer").await?;
                Ok(false)
            }
            Action::Refuse => {
                let due = self.complained.get(name).is_none_or(|last| last.elapsed() > COMPLAINT);
                if due {
                    self.complained.insert(name.to_owned(), Instant::now());
                    let message = "Error syncing load balancer: failed to ensure load balancer: quota exceeded";
                    self.emit(service, "Warning", "SyncLoadBalancerFailed", message).await?;
                }
                Ok(false)
            }
            Action::Lease { by_name } => {
                let uid = service.uid().unwrap_or_default();
                let lease = self.ledger.lease(name, &uid, by_name, moves)?;
                self.forwarder.open(name, &lease, service).await?;
                write_hosts(&self.layout)?;
                self.publish(service, &lease).await?;
                Ok(true)
            }
            Action::Publish => {
                if let Some(lease) = self.ledger.get(name).cloned() {
                    self.forwarder.open(name, &lease, service).await?;
                    self.publish(service, &lease).await?;
                }
                Ok(false)
            }
            Action::Release => {
                let changed = self.free(name).await?;
                if service.metadata.deletion_timestamp.is_none() {
                    self.set_status(service, &json!({"ingress": null})).await?;
                }
                let others = service.finalizers().iter().map(String::as_str);
                self.set_finalizers(service, others.filter(|name| *name != FINALIZER).collect()).await?;
                Ok(changed)
            }
        }
    }

    async fn free(&mut self, name: &str) -> Result<bool> {
        self.forwarder.close(name).await?;
        let had = self.ledger.get(name).is_some();
        self.ledger.free(name)?;
        Ok(had)
    }

    async fn publish(&mut self, service: &Service, lease: &Lease) -> Result<()> {
        let ingress = match &lease.hostname {
            Some(hostname) => json!({"hostname": hostname}),
            None => json!({"ip": lease.address, "ipMode": "VIP"}),
        };
        self.set_status(service, &json!({"ingress": [ingress]})).await?;
        self.emit(service, "Normal", "EnsuredLoadBalancer", "Ensured load balancer").await
    }

    async fn set_status(&mut self, service: &Service, balancer: &serde_json::Value) -> Result<()> {
        let patch = json!({"status": {"loadBalancer": balancer}});
        let patched = self.api(service).patch_status(&service.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await?;
        self.remember(patched);
        Ok(())
    }

    /// With the resource version, so that no other finalizer is lost.
    async fn set_finalizers(&mut self, service: &Service, finalizers: Vec<&str>) -> Result<()> {
        let current = self.services.get(&key(service)).unwrap_or(service);
        let patch = json!({"metadata": {
            "resourceVersion": current.metadata.resource_version,
            "finalizers": finalizers,
        }});
        let patched = self.api(service).patch(&service.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await?;
        self.remember(patched);
        Ok(())
    }

    /// The API server's answer is newer than what the watch has shown; acting on the old would act twice.
    fn remember(&mut self, service: Service) {
        if let Some(known) = self.services.get_mut(&key(&service)) {
            *known = service;
        }
    }

    fn api(&self, service: &Service) -> Api<Service> {
        Api::namespaced(self.client.clone(), &service.namespace().unwrap_or_default())
    }

    async fn emit(&self, service: &Service, kind: &str, reason: &str, message: &str) -> Result<()> {
        let namespace = service.namespace().unwrap_or_default();
        let now = k8s_openapi::jiff::Timestamp::now();
        let event: Event = serde_json::from_value(json!({
            "metadata": {"generateName": format!("{}.", service.name_any()), "namespace": namespace},
            "involvedObject": {
                "apiVersion": "v1", "kind": "Service",
                "namespace": namespace, "name": service.name_any(), "uid": service.uid(),
            },
            "type": kind, "reason": reason, "message": message,
            "source": {"component": "service-controller"},
            "firstTimestamp": now, "lastTimestamp": now, "count": 1,
        }))?;
        let events: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
        // A namespace that is being deleted takes no events; the Service must be let go nevertheless.
        let _ = events.create(&PostParams::default(), &event).await;
        Ok(())
    }

    fn report(&self, name: &str, outcome: Result<bool>) -> bool {
        outcome.unwrap_or_else(|error| {
            // A conflict or an absent API server: the next round tries again.
            say(&format!("{}: {name}: {error:#}", self.cluster));
            false
        })
    }
}

/// The names of all clusters' balancers, for the name servers.
fn write_hosts(layout: &Layout) -> Result<()> {
    let ledgers = ClusterName::ALL.map(|cluster| Ledger::open(layout, cluster));
    let leases = ledgers.iter().flat_map(Ledger::leases);
    let lines = leases.filter_map(|(_, lease)| Some(format!("{} {}\n", lease.address, lease.hostname.as_ref()?)));
    write_file(&layout.hosts(), lines.collect::<String>())
}
