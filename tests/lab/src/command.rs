//! Runs programs to their end, with errors that show the command and its output.

use std::{
    ffi::OsStr,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::{Context, Result, bail};

/// Returns a command that runs inside a network namespace; an unprivileged caller gets nsenter's own error.
pub(crate) fn in_namespace(namespace: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("nsenter");
    // Not `ip netns exec`: it remounts /sys, which hides the cgroups.
    command.arg(format!("--net=/run/netns/{namespace}")).arg("--").arg(program);
    command
}

/// The command line, for messages.
pub(crate) fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
    words.join(" ")
}

/// Runs to the end; what it printed, or an error with what it complained about.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    command.stdin(Stdio::null());
    let output = command.output().with_context(|| format!("cannot run {}", describe(command)))?;
    checked(command, &output)
}

/// Like [`run`], with standard input.
pub(crate) fn run_with_input(command: &mut Command, input: &str) -> Result<String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run {}", describe(command)))?;
    let mut pipe = child.stdin.take().context("no pipe to write to")?;
    let input = input.to_owned();
    // A program that stops reading early is judged by its exit code, not by the broken pipe.
    let writer = std::thread::spawn(move || {
        let _ = pipe.write_all(input.as_bytes());
    });
    let output = child.wait_with_output()?;
    let _ = writer.join();
    checked(command, &output)
}

fn checked(command: &Command, output: &Output) -> Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let mut printed = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if printed.is_empty() {
        String::from_utf8_lossy(&output.stdout).trim().clone_into(&mut printed);
    }
    bail!("{}: {}: {}", describe(command), output.status, tail(&printed));
}

/// Returns the last lines: a failed build ends with its error.
fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// The program in PATH or in the folders of the administrator, which a user's PATH may lack.
pub(crate) fn find_program(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(Into::into))
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

/// Writes a file whole or not at all.
pub(crate) fn write_file(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let folder = path.parent().context("a file without a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = folder.join(format!(".{name}.{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    std::fs::write(&draft, content).and_then(|()| std::fs::rename(&draft, path)).with_context(|| format!("cannot write {}", path.display()))
}
