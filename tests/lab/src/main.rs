//! The lab on the command line.

use std::{ffi::OsString, path::PathBuf, process::ExitCode, time::Instant};

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use mesh_lab::{Answer, ClusterName, Fault, Lab, Layout, say};

/// Two real Kubernetes clusters, us and eu, on this machine, and a third one, ap, if asked for.
#[derive(Debug, Parser)]
#[command(
    name = "lab",
    version,
    after_help = "MESH_LAB_DIR is the state folder (/var/lib/mesh-lab); builds are kept under XDG_CACHE_HOME (~/.cache)."
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Bring the lab up, or repair it; builds and installs what is missing
    Up {
        /// How many clusters there are to be at least: 2 or 3
        #[arg(long, default_value_t = 2, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(2..=3))]
        clusters: usize,
    },
    /// Take the lab down; nothing stays but the builds
    Down,
    /// Show what runs; fails if the lab is not whole
    Status,
    /// Run a command on the WAN, from where all clusters can be reached
    Run {
        /// The command and its arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Run kubectl for one cluster
    Kubectl {
        /// us, eu or ap
        cluster: ClusterName,
        /// The arguments of kubectl
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Build parts only: kubernetes, coredns, pause, helm, istio, tofu (all these if none is named), helm3, istio-older, istioctl
    Build {
        /// The parts' names
        parts: Vec<String>,
    },
    /// Set how a cluster's load balancer answers
    Balance {
        /// us, eu or ap
        cluster: ClusterName,
        #[command(subcommand)]
        manner: Manner,
    },
    /// Break something in a cluster: api-server (refuses), api-server-hangs, wan (cut off)
    Break {
        /// us, eu or ap
        cluster: ClusterName,
        /// What to break
        fault: Fault,
    },
    /// Mend what was broken
    Mend {
        /// us, eu or ap
        cluster: ClusterName,
        /// What to mend
        fault: Fault,
    },
    /// Take all clusters back to bare
    Clean,
    /// Set up the mesh with helm and kubectl, call through it, report how long it took, and clean up
    MeshByHand {
        /// Leave the mesh there
        #[arg(long)]
        keep: bool,
    },
    /// The load balancers' daemon (started by up)
    #[command(hide = true)]
    Balancer {
        /// Whose
        #[arg(required = true)]
        clusters: Vec<ClusterName>,
    },
    /// The chart repository's daemon (started by up)
    #[command(hide = true)]
    ServeCharts {
        /// What to serve
        folder: PathBuf,
    },
}

#[derive(Debug, Clone, Subcommand)]
enum Manner {
    /// With an IP address, at once
    Ip,
    /// With a hostname
    Hostname,
    /// With an IP address, so many seconds late
    Late {
        /// The delay
        seconds: u64,
    },
    /// Not at all: events report that a quota is exceeded
    Never,
    /// Give a Service another address
    Readdress {
        /// The Service as NAMESPACE/NAME
        service: String,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().verb) {
        Ok(code) => code,
        Err(error) => {
            say(&format!("lab: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<ExitCode> {
    let layout = Layout::from_environment()?;
    match verb {
        Verb::Up { clusters } => {
            let start = Instant::now();
            mesh_lab::up(&layout, clusters)?;
            say(&format!("the lab is up ({:.1} s); try `lab status`", start.elapsed().as_secs_f64()));
        }
        Verb::Down => mesh_lab::down(&layout)?,
        Verb::Status => mesh_lab::status(&layout)?,
        Verb::Run { command } => return exec(&Lab::attach()?, command),
        Verb::Kubectl { cluster, arguments } => {
            let lab = Lab::attach()?;
            let kubectl = lab.binaries().kubectl.into_os_string();
            let context = OsString::from(format!("--context={cluster}"));
            return exec(&lab, [kubectl, context].into_iter().chain(arguments).collect());
        }
        Verb::Build { parts } => mesh_lab::build(&layout, &parts)?,
        Verb::Balance { cluster, manner } => balance(cluster, &manner)?,
        Verb::Break { cluster, fault } => fault.inflict(Lab::attach()?.layout(), cluster)?,
        Verb::Mend { cluster, fault } => fault.mend(Lab::attach()?.layout(), cluster)?,
        Verb::Clean => Lab::attach()?.clean()?,
        Verb::MeshByHand { keep } => {
            mesh_lab::mesh_by_hand(&Lab::attach()?, keep)?;
        }
        Verb::Balancer { clusters } => mesh_lab::serve_balancer(&layout, &clusters)?,
        Verb::ServeCharts { folder } => mesh_lab::serve_charts(&folder)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Becomes the command: its exit code and its signals are its own.
fn exec(lab: &Lab, command: Vec<OsString>) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    let mut words = command.into_iter();
    let program = words.next().context("no command")?;
    let error = lab.command(program).args(words).exec();
    bail!("cannot run nsenter: {error}")
}

fn balance(cluster: ClusterName, manner: &Manner) -> Result<()> {
    let lab = Lab::attach()?;
    let cluster = lab.cluster(cluster.as_str())?;
    let balancer = cluster.balancer();
    let answer = match manner {
        Manner::Ip => Answer::Ip,
        Manner::Hostname => Answer::Hostname,
        Manner::Late { seconds } => Answer::Late { seconds: *seconds },
        Manner::Never => Answer::Never,
        Manner::Readdress { service } => {
            let (namespace, name) = service.split_once('/').context("name the Service as NAMESPACE/NAME")?;
            say(&balancer.readdress(namespace, name)?);
            return Ok(());
        }
    };
    balancer.answer(answer)
}
