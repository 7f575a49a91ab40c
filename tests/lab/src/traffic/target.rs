//! What is called, and one call of it.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpStream, UdpSocket},
    time::{Duration, Instant},
};

use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, TYPE, rdata::RData};

/// How long a call may take, from its name's resolution to its last byte: as long as Istio's proxies try to connect.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server, as its callers know it.
#[derive(Debug, Clone)]
pub struct Target {
    protocol: Protocol,
    /// A name, which each call resolves anew, or an address.
    host: String,
    port: u16,
    /// What every answer of the right server contains.
    mark: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http,
    /// The client speaks first.
    Tcp,
    /// The server speaks first, as most databases do.
    Greeting,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Answered by the right server.
    Answered,
    /// Not answered, or by a proxy's error.
    Failed(String),
    /// Answered, but by another server.
    Misdirected(String),
}

impl Target {
    /// An HTTP server on port 80.
    pub fn http(host: &str, mark: &str) -> Self {
        Self { protocol: Protocol::Http, host: host.to_owned(), port: 80, mark: mark.to_owned() }
    }

    /// A TCP server that answers to a line.
    pub fn tcp(host: &str, port: u16, mark: &str) -> Self {
        Self { protocol: Protocol::Tcp, host: host.to_owned(), port, mark: mark.to_owned() }
    }

    /// A TCP server that speaks first.
    pub fn greeting(host: &str, port: u16, mark: &str) -> Self {
        Self { protocol: Protocol::Greeting, host: host.to_owned(), port, mark: mark.to_owned() }
    }

    /// Its name in reports.
    pub fn name(&self) -> String {
        let scheme = if self.protocol == Protocol::Http { "http" } else { "tcp" };
        format!("{scheme}://{}:{}", self.host, self.port)
    }

    /// Calls it once, on a new connection.
    pub(crate) fn call(&self, name_server: IpAddr) -> Outcome {
        let end = Instant::now() + PATIENCE;
        match self.exchange(name_server, end) {
            Ok(answer) => self.judge(&answer),
            Err(reason) => Outcome::Failed(reason),
        }
    }

    fn judge(&self, answer: &str) -> Outcome {
        let first_line = answer.lines().next().unwrap_or_default();
        if self.protocol == Protocol::Http && first_line.split(' ').nth(1) != Some("200") {
            let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body.trim());
            return Outcome::Failed(format!("{first_line}: {}", beginning(body)));
        }
        if answer.contains(&self.mark) {
            return Outcome::Answered;
        }
        if answer.is_empty() { Outcome::Failed("closed without an answer".to_owned()) } else { Outcome::Misdirected(beginning(answer)) }
    }

    fn exchange(&self, name_server: IpAddr, end: Instant) -> Result<String, String> {
        let address = match self.host.parse() {
            Ok(address) => address,
            Err(_) => resolve(&self.host, name_server).map_err(|reason| format!("resolving: {reason}"))?,
        };
        let left = || end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let failed = |doing: &'static str| move |error: std::io::Error| format!("{doing}: {}", describe(&error));
        let mut stream = TcpStream::connect_timeout(&SocketAddr::new(address, self.port), left()).map_err(failed("connecting"))?;
        let request = match self.protocol {
            Protocol::Http => format!("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.host),
            Protocol::Tcp => "hello\n".to_owned(),
            Protocol::Greeting => String::new(),
        };
        stream.set_write_timeout(Some(left())).and_then(|()| stream.write_all(request.as_bytes())).map_err(failed("sending"))?;
        let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            let read = stream.set_read_timeout(Some(left())).and_then(|()| stream.read(&mut buffer));
            let count = read.map_err(failed("receiving"))?;
            answer.extend_from_slice(&buffer[..count]);
            // A TCP server may keep the connection open; its mark is all that is waited for.
            let is_whole = self.protocol != Protocol::Http && String::from_utf8_lossy(&answer).contains(&self.mark);
            if count == 0 || is_whole {
                return Ok(String::from_utf8_lossy(&answer).into_owned());
            }
            if Instant::now() > end {
                return Err(format!("receiving: no end after {} s", PATIENCE.as_secs()));
            }
        }
    }
}

/// Errors of the system without their numbers, so that equal reasons are counted together.
fn describe(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => format!("nothing for {} s", PATIENCE.as_secs()),
        kind => kind.to_string(),
    }
}

fn beginning(text: &str) -> String {
    text.chars().take(120).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// Asks for a name's first IPv4 address, twice if need be, as the C library does.
fn resolve(host: &str, name_server: IpAddr) -> Result<IpAddr, String> {
    let mut packet = Packet::new_query(1);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(host).map_err(|error| error.to_string())?;
    packet.questions.push(Question::new(name, TYPE::A.into(), CLASS::IN.into(), false));
    let query = packet.build_bytes_vec().map_err(|error| error.to_string())?;
    let ask = || -> std::io::Result<Vec<u8>> {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.connect((name_server, 53))?;
        socket.set_read_timeout(Some(PATIENCE / 4))?;
        socket.send(&query)?;
        let mut buffer = vec![0; 1500];
        let count = socket.recv(&mut buffer)?;
        buffer.truncate(count);
        Ok(buffer)
    };
    let answer = ask().or_else(|_| ask()).map_err(|error| error.kind().to_string())?;
    let answer = Packet::parse(&answer).map_err(|error| error.to_string())?;
    let address = answer.answers.iter().find_map(|record| match &record.rdata {
        RData::A(address) => Some(IpAddr::from(address.address.to_be_bytes())),
        _ => None,
    });
    address.ok_or_else(|| format!("no address ({:?})", answer.rcode()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_judged_by_status_and_mark() {
        let http = Target::http("echo.eu.mesh.local", "Cluster=eu");
        assert_eq!(http.judge("HTTP/1.1 200 OK\r\n\r\nCluster=eu\n"), Outcome::Answered);
        assert!(matches!(http.judge("HTTP/1.1 200 OK\r\n\r\nCluster=us\n"), Outcome::Misdirected(answer) if answer.contains("Cluster=us")));
        let failed = http.judge("HTTP/1.1 503 Service Unavailable\r\n\r\nno healthy upstream");
        assert_eq!(failed, Outcome::Failed("HTTP/1.1 503 Service Unavailable: no healthy upstream".to_owned()));
        let outside = Target::greeting("198.51.100.1", 9090, "outside");
        assert_eq!(outside.judge(""), Outcome::Failed("closed without an answer".to_owned()));
        assert!(matches!(outside.judge("Cluster=eu"), Outcome::Misdirected(_)));
    }

    #[test]
    fn a_server_that_speaks_first_is_listened_to() {
        let server = super::super::Outside::start("127.0.0.1", 0).unwrap();
        let target = Target::greeting("127.0.0.1", server.port(), super::super::Outside::MARK);
        assert_eq!(target.call("127.0.0.1".parse().unwrap()), Outcome::Answered);
        drop(server);
        assert!(matches!(target.call("127.0.0.1".parse().unwrap()), Outcome::Failed(reason) if reason.starts_with("connecting")));
    }
}
