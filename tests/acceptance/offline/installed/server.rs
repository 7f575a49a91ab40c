//! A backend for states that locks them, over HTTP as the backend `http` asks for it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

/// What the backend keeps.
#[derive(Default)]
struct Kept {
    state: Option<Vec<u8>>,
    /// Who has locked the state: a description in JSON.
    lock: Option<Vec<u8>>,
}

/// Serves until the test's process ends.
pub(super) struct Backend {
    address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
}

impl Backend {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let kept = Arc::new(Mutex::new(Kept::default()));
        let shared = Arc::clone(&kept);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that breaks off is no failure of the server.
                drop(answer(stream, &shared));
            }
        });
        Self { address, kept }
    }

    /// The block that a configuration has for it.
    pub(super) fn block(&self) -> String {
        let url = format!("http://{}/state", self.address);
        format!(
            "terraform {{\n  backend \"http\" {{\n    address        = \"{url}\"\n    lock_address   = \"{url}\"\n    unlock_address = \"{url}\"\n  }}\n}}\n"
        )
    }

    pub(super) fn is_locked(&self) -> bool {
        self.kept.lock().expect("what it keeps").lock.is_some()
    }
}

fn answer(stream: TcpStream, kept: &Mutex<Kept>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    stream.read_line(&mut request)?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        stream.read_line(&mut header)?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(std::io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let (status, content) = perform(request.split(' ').next().unwrap_or_default(), body, &mut kept.lock().expect("what it keeps"));
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", content.len());
    let stream = stream.get_mut();
    stream.write_all(head.as_bytes())?;
    stream.write_all(&content)
}

fn perform(method: &str, body: Vec<u8>, kept: &mut Kept) -> (&'static str, Vec<u8>) {
    match method {
        "GET" => kept.state.clone().map_or(("404 Not Found", Vec::new()), |state| ("200 OK", state)),
        "POST" => {
            kept.state = Some(body);
            ("200 OK", Vec::new())
        }
        "LOCK" => {
            if let Some(holder) = &kept.lock {
                return ("423 Locked", holder.clone());
            }
            kept.lock = Some(body);
            ("200 OK", Vec::new())
        }
        "UNLOCK" => {
            kept.lock = None;
            ("200 OK", Vec::new())
        }
        _ => ("405 Method Not Allowed", Vec::new()),
    }
}
