//! How a configuration reaches the lab's two clusters: directly, or by proxies that count its requests.

use mesh_lab::{Lab, Proxy};

const KEYS: [&str; 2] = ["us", "eu"];

/// The arguments of both clusters in the provider's configuration: of the US and of the EU.
pub(crate) type Access = [String; 2];

pub(crate) fn direct(lab: &Lab) -> Access {
    KEYS.map(|key| format!("config_path = \"{}\"", lab.cluster(key).expect("a cluster").kubeconfig_path().display()))
}

/// A proxy before each API server. They have a runtime of their own, which the threads of another one can't wait for.
pub(crate) struct Counted([Proxy; 2]);

impl Counted {
    pub(crate) fn start(lab: &Lab) -> Self {
        Self(KEYS.map(|key| Proxy::start(&lab.cluster(key).expect("a cluster")).expect("a proxy")))
    }

    pub(crate) fn access(&self) -> Access {
        self.0.each_ref().map(|proxy| format!("host = \"{}\", token = \"-\"", proxy.url()))
    }

    /// Returns how many requests were made while this ran.
    pub(crate) fn requests(&self, run: impl FnOnce()) -> f64 {
        let count = || self.0.iter().map(|proxy| proxy.counts().0).sum::<usize>();
        let before = count();
        run();
        f64::from(u32::try_from(count() - before).expect("a count"))
    }
}
