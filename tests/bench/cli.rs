//! What a provider adds to a run of a CLI that needs nothing of it but its schema.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};

use serde_json::Value as Json;

use crate::{
    figure::{Figure, median, milliseconds},
    program::Program,
};

const WARM_UPS: usize = 2;
const RUNS: usize = 20;

pub(crate) fn measure(programs: &[Program]) -> Vec<Figure> {
    let mut figures = Vec::new();
    for name in ["terraform", "tofu"] {
        match which::which(name) {
            Ok(cli) => figures.extend(measure_one(name, &cli, programs)),
            Err(_) => println!("There is no {name} on the PATH (the lab brings tofu): its runs aren't measured."),
        }
    }
    figures
}

fn measure_one(name: &str, cli: &PathBuf, programs: &[Program]) -> [Figure; 2] {
    let workspaces: Vec<_> = std::iter::once(None).chain(programs.iter().map(Some)).map(Workspace::new).collect();
    // In turns, so that each run is compared with one without a provider that was close by.
    let rounds: Vec<Vec<f64>> =
        (0..WARM_UPS + RUNS).map(|_| workspaces.iter().map(|workspace| workspace.run(cli)).collect()).skip(WARM_UPS).collect();
    let each = |value: &dyn Fn(&[f64], usize) -> f64| -> Vec<f64> {
        (1..workspaces.len()).map(|column| median(rounds.iter().map(|round| value(round, column)))).collect()
    };
    let figure = |what, target, values| Figure { what, unit: "ms", target, runs: RUNS, values };
    let without = median(rounds.iter().map(|round| round[0]));
    [
        figure(format!("{name} providers schema"), None, each(&|round, column| round[column])),
        figure(format!("… above no provider ({without:.0} ms)"), Some(30.0), each(&|round, column| round[column] - round[0])),
    ]
}

/// A folder whose configuration requires one provider, or no provider.
struct Workspace {
    folder: tempfile::TempDir,
    /// The provider's source.
    source: Option<String>,
}

impl Workspace {
    fn new(program: Option<&Program>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |file: &str, text: &str| fs::write(folder.path().join(file), text).expect("written");
        let source = program.map(|program| format!("bench/{}", program.name));
        if let (Some(program), Some(source)) = (program, &source) {
            let built = program.path.parent().expect("a folder").display();
            write("main.tf", &format!("terraform {{\n  required_providers {{\n    it = {{ source = \"{source}\" }}\n  }}\n}}\n"));
            write("cli.tfrc", &format!("provider_installation {{\n  dev_overrides {{ \"{source}\" = \"{built}\" }}\n  direct {{}}\n}}\n"));
        } else {
            write("main.tf", "terraform {}\n");
            write("cli.tfrc", "");
        }
        Self { folder, source }
    }

    /// How long a run took, in milliseconds.
    fn run(&self, cli: &PathBuf) -> f64 {
        let mut command = Command::new(cli);
        command
            .args(["providers", "schema", "-json"])
            .current_dir(self.folder.path())
            .env("TF_CLI_CONFIG_FILE", self.folder.path().join("cli.tfrc"))
            .env("CHECKPOINT_DISABLE", "1")
            .stdin(Stdio::null());
        let begin = Instant::now();
        let output = command.output().expect("the CLI starts");
        let took = milliseconds(begin.elapsed());
        assert!(output.status.success(), "{output:?}");
        let shown: Json = serde_json::from_slice(&output.stdout).expect("JSON");
        let schemas = shown["provider_schemas"].as_object();
        let found = schemas.into_iter().flatten().find(|(_, schema)| schema["resource_schemas"].is_object());
        assert_eq!(found.is_some(), self.source.is_some(), "with {:?} the schemas are {shown}", self.source);
        took
    }
}
