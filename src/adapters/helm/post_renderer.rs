//! A program that changes the manifests that Helm has rendered, before they are installed.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{program::SHELL, workspace::Workspace};
use crate::{
    adapters::access::expand_home,
    ports::{Failure, FailureKind},
};

/// The name under which Helm 4 finds the program.
const PLUGIN: &str = "mesh-post-renderer";

/// The variable with the program's path, for Helm 4: it takes what is in a plugin's file apart at spaces.
const PROGRAM: &str = "MESH_POST_RENDERER";

/// The file with what the program wrote to standard error, which Helm 4 doesn't show.
const ERRORS: &str = "post-renderer.err";

/// A post-renderer: it reads the manifests from standard input, and writes those to install to standard output.
#[derive(Clone, Debug)]
pub struct PostRenderer {
    /// The program: a path, or a name on the PATH.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}

impl PostRenderer {
    pub(super) fn with_home(self) -> Self {
        Self { program: expand_home(&self.program), ..self }
    }

    /// Returns the program's path.
    pub(super) fn locate(&self) -> Result<PathBuf, Failure> {
        let found = which::which(&self.program).ok().and_then(|path| std::path::absolute(path).ok());
        found.ok_or_else(|| {
            let why = format!("{} is neither the path of a program nor the name of one on the PATH.", self.program.display());
            Failure::new(FailureKind::Unconfigured, "No usable post-renderer", why)
                .advice("Install it, or correct the provider's `helm.post_renderer.binary_path`.")
        })
    }

    /// Returns the arguments by which Helm runs it. Helm 3 takes a path; Helm 4 the name of a plugin, which is written to the run's folder.
    pub(super) fn arguments(&self, workspace: &mut Workspace, is_plugin: bool) -> Result<Vec<String>, Failure> {
        let program = self.locate()?;
        let name = if is_plugin {
            let command = if Path::new(SHELL).exists() {
                let script = format!("exec \"${PROGRAM}\" \"$@\" 2>'{}'\n", workspace.folder().join(ERRORS).display());
                let script = workspace.write("post-renderer.sh", &script)?;
                json!({"command": SHELL, "args": [script]})
            } else {
                json!({"command": format!("${{{PROGRAM}}}")})
            };
            let plugin = json!({
                "apiVersion": "v1", "name": PLUGIN, "version": "1.0.0", "type": "postrenderer/v1", "runtime": "subprocess",
                "runtimeConfig": {"platformCommand": [command]},
            });
            let folder = format!("data/plugins/{PLUGIN}");
            workspace.create(&["data/plugins", &folder])?;
            workspace.write(&format!("{folder}/plugin.yaml"), &plugin.to_string())?;
            workspace.set(PROGRAM, program.into_os_string());
            PLUGIN.to_owned()
        } else {
            program.display().to_string()
        };
        let mut arguments = vec!["--post-renderer".to_owned(), name];
        // In one piece, as an argument may look like one of Helm's.
        arguments.extend(self.args.iter().map(|argument| format!("--post-renderer-args={argument}")));
        Ok(arguments)
    }

    /// Returns the lines that it wrote to standard error under Helm 4.
    pub(super) fn errors(workspace: &Workspace) -> Vec<String> {
        let written = std::fs::read_to_string(workspace.folder().join(ERRORS)).unwrap_or_default();
        written.lines().filter(|line| !line.trim().is_empty()).take(20).map(|line| format!("post-renderer: {line}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helm_4_gets_a_plugin_and_helm_3_a_path() {
        let renderer = PostRenderer { program: PathBuf::from("sh"), args: vec!["-c".to_owned(), "cat".to_owned()] };
        let mut workspace = Workspace::empty().unwrap();
        let arguments = renderer.arguments(&mut workspace, true).unwrap();
        assert_eq!(arguments, ["--post-renderer", PLUGIN, "--post-renderer-args=-c", "--post-renderer-args=cat"]);
        let plugin = std::fs::read_to_string(workspace.folder().join("data/plugins").join(PLUGIN).join("plugin.yaml")).unwrap();
        assert!(plugin.contains("postrenderer/v1"), "{plugin}");
        assert!(workspace.environment().iter().any(|(name, value)| *name == PROGRAM && Path::new(value).is_absolute()));
        let arguments = renderer.arguments(&mut Workspace::empty().unwrap(), false).unwrap();
        assert!(Path::new(&arguments[1]).is_absolute(), "{arguments:?}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let failure = PostRenderer { program: PathBuf::from("/nowhere/patch"), args: Vec::new() }.locate().unwrap_err();
        assert!(failure.why.contains("/nowhere/patch") && failure.advice.contains("post_renderer"), "{failure}");
    }
}
