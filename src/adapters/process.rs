//! Running a program to its end within a deadline: Helm, a credential plugin.

use std::{
    pin::Pin,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use framework::{Cut, Deadline};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
};
use tokio_util::sync::CancellationToken;

use super::platform::{self, Tree};

/// How long a program that is asked to end may take for it, as Helm does to record that it was interrupted.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// How long the pipes are read after the program's end: a daemon that it left behind may hold them open for as long as it lives.
const PIPES: Duration = Duration::from_secs(1);

/// How a run ended.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) output: Vec<u8>,
    pub(super) errors: String,
}

/// Why a run has no end of its own.
pub(super) enum Trouble {
    /// The program can't be started.
    Start(std::io::Error),
    /// The deadline passed, or the user interrupted; the program was ended.
    Cut(Cut),
}

/// Runs the program in a process group of its own, as at Ctrl-C the terminal signals the whole group of ours. Standard input is as the
/// command says; a pipe stays open until the end.
pub(super) async fn run(command: &mut Command, deadline: &Deadline) -> Result<Ended, Trouble> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    platform::in_own_group(command);
    let mut child = command.spawn().map_err(Trouble::Start)?;
    // tokio's wait would close it.
    let _input = child.stdin.take();
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let ended = {
        let reading = async { tokio::join!(drain(stdout.as_mut(), &mut output), drain(stderr.as_mut(), &mut errors)) };
        tokio::pin!(reading);
        match deadline.bound(end(&mut child, reading.as_mut())).await {
            Ok(Ok(status)) => Ok(status),
            Ok(Err(error)) => Err(Trouble::Start(error)),
            Err(cut) => {
                // Read on: a program that writes to a closed pipe dies of it.
                tokio::select! {
                    () = terminate(&mut child) => {}
                    () = async { reading.await; std::future::pending().await } => {}
                }
                Err(Trouble::Cut(cut))
            }
        }
    };
    ended.map(|status| Ended { status, output, errors: String::from_utf8_lossy(&errors).into_owned() })
}

async fn end<T>(child: &mut Child, mut reading: Pin<&mut impl Future<Output = T>>) -> std::io::Result<ExitStatus> {
    tokio::select! {
        status = child.wait() => {
            let _ = Deadline::after(PIPES, CancellationToken::new()).bound(reading).await;
            status
        }
        _ = &mut reading => child.wait().await,
    }
}

/// Reads a pipe to its end, or for as long as it can be read.
async fn drain(pipe: Option<&mut (impl AsyncRead + Unpin)>, into: &mut Vec<u8>) {
    if let Some(pipe) = pipe {
        while matches!(pipe.read_buf(into).await, Ok(count) if count > 0) {}
    }
}

/// Asks the program, and what it has started, to end; kills what takes too long.
async fn terminate(child: &mut Child) {
    let Some(tree) = Tree::of(child) else { return };
    tree.ask();
    let last = Deadline::after(LAST_WORDS, CancellationToken::new());
    let has_ended = last.bound(child.wait()).await.is_ok();
    // What it has started may end after it.
    while !has_ended || tree.is_alive() {
        if last.pause(Duration::from_millis(20)).await.is_err() {
            tree.kill();
            break;
        }
    }
    let _ = child.wait().await;
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null());
        command
    }

    fn within(seconds: u64) -> Deadline {
        Deadline::after(Duration::from_secs(seconds), CancellationToken::new())
    }

    #[tokio::test]
    async fn a_daemon_that_holds_the_pipes_does_not_hold_up_the_end() {
        let begin = Instant::now();
        let ended = run(&mut shell("echo out; echo err >&2; sleep 20 & exit 3"), &within(15)).await;
        let Ok(ended) = ended else { panic!("the program ended") };
        assert_eq!((ended.status.code(), ended.output.as_slice(), ended.errors.as_str()), (Some(3), &b"out\n"[..], "err\n"));
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    }

    #[tokio::test]
    async fn what_the_program_has_started_is_ended_too() {
        let folder = tempfile::tempdir().unwrap();
        let note = folder.path().join("note");
        // The inner shell is what must be signalled; the outer one only waits.
        let inner = format!("trap 'echo ended > {}; exit' TERM; while :; do sleep 0.1; done", note.display());
        let ended = run(&mut shell(&format!("sh -c \"{inner}\"; true")), &within(1)).await;
        assert!(matches!(ended, Err(Trouble::Cut(Cut::TimedOut(_)))));
        let last = within(5);
        while !note.exists() {
            last.pause(Duration::from_millis(50)).await.expect("the inner shell was signalled");
        }
    }
}
