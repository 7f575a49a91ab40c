//! A folder with a configuration and a state, and a CLI that runs in it with the provider built from this source.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use mesh_lab::Lab;
use serde_json::Value as Json;

/// OpenTofu or Terraform.
#[derive(Clone, Debug)]
pub(crate) struct Cli {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
}

impl Cli {
    /// Major and minor version.
    pub(crate) fn version(&self) -> (u32, u32) {
        let output = Command::new(&self.program)
            .args(["version", "-json"])
            .env("CHECKPOINT_DISABLE", "1")
            .env_remove("TF_CLI_CONFIG_FILE")
            .output()
            .expect("the CLI starts");
        let version: Json = serde_json::from_slice(&output.stdout).expect("JSON");
        let mut parts = version["terraform_version"].as_str().expect("a version").split('.').map(|part| part.parse().expect("a number"));
        (parts.next().expect("a major version"), parts.next().expect("a minor version"))
    }
}

/// Lists OpenTofu, which the lab builds, and Terraform if it is on the PATH.
pub(crate) fn clis(lab: &Lab) -> Vec<Cli> {
    let mut clis = vec![Cli { name: "tofu", program: lab.binaries().tofu }];
    match which("terraform") {
        Some(program) => clis.push(Cli { name: "terraform", program }),
        None => println!("There is no terraform on the PATH: this runs with tofu only."),
    }
    clis
}

/// Returns the CLI of a name, if it is there.
pub(crate) fn cli(lab: &Lab, name: &str) -> Option<Cli> {
    clis(lab).into_iter().find(|cli| cli.name == name)
}

fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// A working directory.
pub(crate) struct Workspace {
    folder: tempfile::TempDir,
    cli: Cli,
}

impl Workspace {
    pub(crate) fn new(cli: &Cli, configuration: &str) -> Self {
        let workspace = Self::empty(cli);
        workspace.write("main.tf", configuration);
        workspace
    }

    /// With the files of an example; modules are found beside it as in the source.
    pub(crate) fn of_example(cli: &Cli, example: &str) -> Self {
        let workspace = Self::empty(cli);
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        for entry in fs::read_dir(examples.join(example)).expect("the example") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|ending| ending == "tf" || ending == "yaml") {
                workspace.write(&path.file_name().expect("a name").to_string_lossy(), &fs::read_to_string(&path).expect("a file"));
            }
        }
        workspace
    }

    fn empty(cli: &Cli) -> Self {
        let workspace = Self { folder: tempfile::tempdir().expect("a folder"), cli: cli.clone() };
        let built = Path::new(crate::PROGRAM).parent().expect("a folder").display().to_string();
        workspace.write(
            "cli.tfrc",
            &format!("provider_installation {{\n  dev_overrides {{ \"terraform-provider-mesh/mesh\" = \"{built}\" }}\n  direct {{}}\n}}\n"),
        );
        workspace
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Writes a file. A test destroys what it has applied, the guarded roots of the examples too.
    pub(crate) fn write(&self, file: &str, text: &str) {
        fs::write(self.path(file), text.replace("prevent_destroy = true", "prevent_destroy = false")).expect("written");
    }

    /// Copies a module of the examples to a folder of the workspace.
    pub(crate) fn add_module(&self, module: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/modules").join(module);
        fs::create_dir(self.path(module)).expect("a folder");
        for entry in fs::read_dir(folder).expect("the module") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                self.write(&format!("{module}/{name}"), &fs::read_to_string(&path).expect("a file"));
            }
        }
    }

    /// Replaces a piece of `main.tf`, which must be there once: a test that changes nothing would prove nothing.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let main = self.read("main.tf");
        let found = main.matches(from).count();
        assert_eq!(found, 1, "main.tf has {found} times what the test replaces: {from}\n{main}");
        self.write("main.tf", &main.replace(from, to));
    }

    /// Removes what follows from a piece of `main.tf` on, which must be there once.
    pub(crate) fn cut(&self, from: &str) {
        let main = self.read("main.tf");
        assert_eq!(main.matches(from).count(), 1, "main.tf doesn't have what the test cuts at: {from}\n{main}");
        self.write("main.tf", main.split(from).next().expect("a beginning"));
    }

    /// Copies the folder with its state, so that runs which would wait for the state's lock can go side by side.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::empty(&self.cli);
        for entry in fs::read_dir(self.folder.path()).expect("the folder") {
            let path = entry.expect("an entry").path();
            if path.is_file() && !path.ends_with("cli.tfrc") {
                fs::copy(&path, copy.path(&path.file_name().expect("a name").to_string_lossy())).expect("copied");
            }
        }
        copy
    }

    /// With a further file.
    pub(crate) fn with(self, file: &str, text: &str) -> Self {
        self.write(file, text);
        self
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    /// Reads a file; empty if it isn't there.
    pub(crate) fn read_if_there(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap_or_default()
    }

    /// All that is in a plan file, which is a ZIP archive.
    pub(crate) fn unpacked(&self, plan: &str) -> String {
        let output = Command::new("unzip").args(["-p", plan]).current_dir(self.folder.path()).output().expect("unzip");
        assert!(output.stdout.len() > 1000, "the plan file {plan} can't be read: {}", text(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command_of(&self.cli.program);
        command.args(arguments);
        command
    }

    /// Returns a program to be run in the folder, in the environment in which the CLI runs.
    pub(crate) fn command_of(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path())
            .env("TF_CLI_CONFIG_FILE", self.path("cli.tfrc"))
            .env("TF_IN_AUTOMATION", "1")
            .env("CHECKPOINT_DISABLE", "1")
            .env("NO_COLOR", "1")
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the CLI starts")
    }

    /// Starts the CLI, and doesn't wait for it.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the CLI starts")
    }

    /// Runs what must succeed; its whole output.
    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = text(&output);
        assert!(output.status.success(), "{} {} failed:\n{text}", self.cli.name, arguments.join(" "));
        text
    }

    /// Runs what must fail; its whole output, with the margins of the diagnostics' boxes and the line breaks taken out.
    pub(crate) fn fail(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = text(&output);
        assert!(!output.status.success(), "{} {} succeeded:\n{text}", self.cli.name, arguments.join(" "));
        unwrapped(&text)
    }

    pub(crate) fn apply(&self) -> String {
        self.succeed(&["apply", "-auto-approve", "-no-color"])
    }

    pub(crate) fn destroy(&self) -> String {
        self.succeed(&["destroy", "-auto-approve", "-no-color"])
    }

    /// Whether nothing would change, with a refresh and without.
    pub(crate) fn assert_settled(&self) {
        for refresh in ["-refresh=false", "-refresh=true"] {
            let output = self.run(&["plan", "-detailed-exitcode", "-no-color", refresh]);
            assert_eq!(output.status.code(), Some(0), "{} plan {refresh} is not empty:\n{}", self.cli.name, text(&output));
        }
    }

    /// The plan, which must have changes.
    pub(crate) fn changes(&self) -> String {
        let output = self.run(&["plan", "-detailed-exitcode", "-no-color"]);
        assert_eq!(output.status.code(), Some(2), "{} plan has no changes:\n{}", self.cli.name, text(&output));
        text(&output)
    }

    /// The resource instances in the state, as `show -json` lists them.
    pub(crate) fn resources(&self) -> Vec<Json> {
        let shown: Json = serde_json::from_str(&self.succeed(&["show", "-json"])).expect("JSON");
        let resources = shown["values"]["root_module"]["resources"].as_array().cloned().unwrap_or_default();
        resources.into_iter().filter(|resource| resource["mode"] == "managed").collect()
    }

    /// The attributes of a resource in the state.
    pub(crate) fn state(&self, address: &str) -> Json {
        let found = self.resources().into_iter().find(|resource| resource["address"] == address);
        found.map(|resource| resource["values"].clone()).unwrap_or_default()
    }
}

/// All that a command printed.
pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Diagnostics are printed in a box and wrapped; a test looks for whole sentences.
pub(crate) fn unwrapped(text: &str) -> String {
    text.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}
