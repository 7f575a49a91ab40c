//! A server that is in no mesh.

use std::{
    io::Write as _,
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use anyhow::{Context, Result};

/// A server on the WAN that greets its clients as a database does. It ends when it is dropped.
#[derive(Debug)]
pub struct Outside {
    port: u16,
    address: String,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Outside {
    /// What its greeting contains.
    pub const MARK: &'static str = "outside of the mesh";

    /// Starts it.
    pub fn start(address: &str, port: u16) -> Result<Self> {
        let listener = TcpListener::bind((address, port)).with_context(|| format!("cannot listen on {address}:{port}"))?;
        let (port, ends) = (listener.local_addr()?.port(), Arc::new(AtomicBool::new(false)));
        let ended = Arc::clone(&ends);
        let thread = std::thread::spawn(move || {
            for client in listener.incoming() {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                // A client that is gone is none to greet.
                if let Ok(mut client) = client {
                    let _ = client.write_all(format!("{}\n", Self::MARK).as_bytes());
                }
            }
        });
        Ok(Self { port, address: address.to_owned(), ends, thread: Some(thread) })
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // The last client is ours: it wakes the thread.
        let _ = TcpStream::connect((self.address.as_str(), self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
