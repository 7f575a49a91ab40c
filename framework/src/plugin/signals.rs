//! What the process does when it is signalled.

use std::{io, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{deadline::Deadline, protocol::Server, terraform::Provider};

/// How long the work in flight may take to end when the process is terminated.
const LAST_WORK: Duration = Duration::from_secs(1);

/// Listens from now on. A provider that a developer started (`debug`) ends at Ctrl-C; any other ignores it, as the terminal signals the whole
/// process group, and the CLI then asks for what it wants with StopProvider.
#[cfg(unix)]
pub(super) fn listen<P: Provider>(debug: bool, server: &Server<P>, done: &CancellationToken) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminations = signal(SignalKind::terminate())?;
    let mut interrupts = signal(SignalKind::interrupt())?;
    let (server, done) = (server.clone(), done.clone());
    tokio::spawn(async move {
        loop {
            tokio::select! {
                Some(()) = terminations.recv() => break,
                Some(()) = interrupts.recv() => if debug { break },
                else => std::future::pending().await,
            }
        }
        end(&server, &done).await;
    });
    Ok(())
}

/// The same on Windows, where there is no termination but by the console.
#[cfg(windows)]
pub(super) fn listen<P: Provider>(debug: bool, server: &Server<P>, done: &CancellationToken) -> io::Result<()> {
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close};

    let (mut interrupts, mut breaks, mut closes) = (ctrl_c()?, ctrl_break()?, ctrl_close()?);
    let (server, done) = (server.clone(), done.clone());
    tokio::spawn(async move {
        loop {
            tokio::select! {
                Some(()) = interrupts.recv() => if debug { break },
                Some(()) = breaks.recv() => if debug { break },
                Some(()) = closes.recv() => break,
                else => std::future::pending().await,
            }
        }
        end(&server, &done).await;
    });
    Ok(())
}

/// Ends the work in flight in order, and then the process.
async fn end<P: Provider>(server: &Server<P>, done: &CancellationToken) {
    tracing::info!("terminated: ending the work in flight");
    server.cancel();
    // Cut short by the host's own shutdown.
    let _ = Deadline::after(LAST_WORK, done.clone()).bound(server.idle()).await;
    done.cancel();
}
