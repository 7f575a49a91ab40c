//! Notices that the host is gone, which was killed and couldn't end the provider: a process with the clusters' credentials must not outlive it.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{deadline::Deadline, protocol::Server, terraform::Provider};

/// How often the parent process is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How long the host may be without a connection once it had one.
const RECONNECT: Duration = Duration::from_secs(10);

/// How long the work in flight may take to end in order. Longer than after a signal: nobody waits to kill us.
const LAST_WORK: Duration = Duration::from_secs(30);

/// Ends the work in flight and then the process, once the host is gone.
pub(super) fn end_without_host<P: Provider>(server: &Server<P>, open: watch::Receiver<usize>, done: &CancellationToken) {
    let (server, done) = (server.clone(), done.clone());
    // Now, not in the task, which may begin to run later than the host ends.
    let parent = parent();
    tokio::spawn(async move {
        tokio::select! {
            () = done.cancelled() => return,
            () = parent_is_gone(parent, &done) => tracing::warn!("the host is gone: ending the work in flight"),
            () = connections_are_gone(open, &done) => tracing::warn!("the host has hung up: ending the work in flight"),
        }
        server.cancel();
        let _ = Deadline::after(LAST_WORK, done.clone()).bound(server.idle()).await;
        done.cancel();
    });
}

#[cfg(unix)]
fn parent() -> u32 {
    std::os::unix::process::parent_id()
}

/// Windows doesn't give a process another parent, so there it is no sign.
#[cfg(windows)]
fn parent() -> u32 {
    0
}

async fn parent_is_gone(begin: u32, done: &CancellationToken) {
    while parent() == begin {
        pause(LOOK, done).await;
    }
}

/// Waits until there has been a connection, and then none for a while.
async fn connections_are_gone(mut open: watch::Receiver<usize>, done: &CancellationToken) {
    let mut wanted = true;
    // The other end lives as long as the server.
    while open.wait_for(|open| (*open > 0) == wanted).await.is_ok() {
        wanted = !wanted;
        if wanted {
            let again = Deadline::after(RECONNECT, done.clone()).bound(open.wait_for(|open| *open > 0)).await.is_ok();
            if !again {
                return;
            }
        }
    }
    std::future::pending::<()>().await;
}

async fn pause(time: Duration, done: &CancellationToken) {
    // Over after this time or by the end of the process, whichever is first.
    let _ = Deadline::after(time, done.clone()).pause(time).await;
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_host_may_connect_again_within_some_seconds() {
        let (open, watched) = watch::channel(0);
        let begin = Instant::now();
        let gone = tokio::spawn(async move {
            connections_are_gone(watched, &CancellationToken::new()).await;
            begin.elapsed()
        });
        let pause = |time| async move { pause(time, &CancellationToken::new()).await };
        // Before the first connection there is nothing to miss.
        pause(RECONNECT * 10).await;
        for (count, after) in [(1, RECONNECT), (2, RECONNECT), (0, RECONNECT / 2), (1, RECONNECT * 3), (0, RECONNECT * 2)] {
            assert!(!gone.is_finished());
            open.send_replace(count);
            pause(after).await;
        }
        let took = gone.await.unwrap();
        assert!(took >= RECONNECT.mul_f64(16.5) && took < RECONNECT.mul_f64(16.6), "{took:?}");
    }
}
