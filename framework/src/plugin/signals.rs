//! What the process does when it is signalled.

use std::{io, time::Duration};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{deadline::Deadline, protocol::Server, terraform::Provider};

/// What is left for the work in flight when somebody terminates the process.
const LAST_WORK: Duration = Duration::from_secs(1);

/// Listens from now on. A provider started by hand (`debug`) is interrupted by hand too.
pub(super) fn listen<P: Provider>(debug: bool, server: &Server<P>, done: &CancellationToken) -> io::Result<()> {
    end_at(SignalKind::terminate(), server.clone(), done.clone())?;
    if debug { end_at(SignalKind::interrupt(), server.clone(), done.clone()) } else { ignore_interrupts() }
}

/// At Ctrl-C the terminal signals the whole process group; the host then asks by StopProvider what it wants of us.
fn ignore_interrupts() -> io::Result<()> {
    let mut interrupts = signal(SignalKind::interrupt())?;
    tokio::spawn(async move { while interrupts.recv().await.is_some() {} });
    Ok(())
}

/// Whoever ends us by a signal wants the work in flight ended in order.
fn end_at<P: Provider>(kind: SignalKind, server: Server<P>, done: CancellationToken) -> io::Result<()> {
    let mut signals = signal(kind)?;
    tokio::spawn(async move {
        if signals.recv().await.is_some() {
            tracing::info!("terminated: ending the work in flight");
            server.cancel();
            // Cut short by the host's own shutdown, which is as good an end.
            let _ = Deadline::after(LAST_WORK, done.clone()).bound(server.idle()).await;
            done.cancel();
        }
    });
    Ok(())
}
