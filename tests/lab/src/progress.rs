//! Progress on the terminal: the running steps, how far they are, and what is left.

use std::{
    collections::BTreeMap,
    io::{IsTerminal, Write},
    process::Command,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use crate::command::run;

/// Without a terminal a running step is mentioned this often.
const REMINDER: Duration = Duration::from_secs(20);

/// Prints a line for the person.
pub fn say(line: &str) {
    // Nobody may be reading; that is no reason to stop.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Minutes and seconds.
pub(crate) fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// The progress of a number of steps, some of them at the same time.
#[derive(Debug)]
pub(crate) struct Progress(Mutex<Board>);

#[derive(Debug)]
struct Board {
    start: Instant,
    total: usize,
    done: usize,
    terminal: bool,
    waiting: Vec<&'static str>,
    running: BTreeMap<&'static str, Running>,
}

#[derive(Debug)]
struct Running {
    start: Instant,
    reminded: Instant,
    detail: String,
}

/// Through which a running step reports what it is doing.
#[derive(Clone)]
pub(crate) struct Note(Arc<dyn Fn(&str) + Send + Sync>);

impl Note {
    pub(crate) fn new(listener: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    pub(crate) fn say(&self, detail: &str) {
        (self.0)(detail);
    }
}

impl Progress {
    pub(crate) fn new(steps: Vec<&'static str>) -> Self {
        Self(Mutex::new(Board {
            start: Instant::now(),
            total: steps.len(),
            done: 0,
            terminal: std::io::stderr().is_terminal(),
            waiting: steps,
            running: BTreeMap::new(),
        }))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Board) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn start(&self, step: &'static str) {
        self.with(|board| {
            board.waiting.retain(|name| *name != step);
            let now = Instant::now();
            board.running.insert(step, Running { start: now, reminded: now, detail: String::new() });
            board.draw();
        });
    }

    pub(crate) fn detail(&self, step: &'static str, detail: &str) {
        self.with(|board| {
            if let Some(running) = board.running.get_mut(step) {
                detail.clone_into(&mut running.detail);
            }
        });
    }

    /// Called every now and then, so that time is seen to pass.
    pub(crate) fn tick(&self) {
        self.with(Board::draw);
    }

    pub(crate) fn finish(&self, step: &'static str, outcome: &str) {
        self.with(|board| {
            let took = board.running.remove(step).map(|running| running.start.elapsed());
            board.done += 1;
            board.clear();
            let line = format!("[{:2}/{} {}] {step}: {outcome}", board.done, board.total, clock(board.start.elapsed()));
            let slow = took.filter(|took| took.as_secs() >= 2 && !outcome.contains(" in "));
            say(&slow.map_or(line.clone(), |took| format!("{line} ({} s)", took.as_secs())));
            board.draw();
        });
    }

    pub(crate) fn fail(&self, step: &'static str) {
        self.with(|board| {
            board.running.remove(step);
            board.clear();
            say(&format!("[ failed {}] {step}", clock(board.start.elapsed())));
        });
    }

    /// The names of the steps that have not finished.
    pub(crate) fn unfinished(&self) -> Vec<&'static str> {
        self.with(|board| board.running.keys().chain(&board.waiting).copied().collect())
    }
}

impl Board {
    fn clear(&self) {
        if self.terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }

    /// On a terminal one line that is always up to date, else a line now and then.
    fn draw(&mut self) {
        if self.running.is_empty() {
            return;
        }
        if self.terminal {
            let steps: Vec<_> = self.running.iter().map(|(name, step)| step.describe(name)).collect();
            let line = format!("[{}/{} {}] {}{}", self.done, self.total, clock(self.start.elapsed()), steps.join("; "), self.left());
            let line: String = line.chars().take(terminal_width()).collect();
            self.clear();
            let _ = write!(std::io::stderr(), "{line}");
            return;
        }
        let (done, total, elapsed, left) = (self.done, self.total, clock(self.start.elapsed()), self.left());
        for (name, step) in &mut self.running {
            if step.reminded.elapsed() >= REMINDER {
                step.reminded = Instant::now();
                say(&format!("[{done:2}/{total} {elapsed}] … {}{left}", step.describe(name)));
            }
        }
    }

    fn left(&self) -> String {
        if self.waiting.is_empty() {
            return String::new();
        }
        format!("; then {}", self.waiting.join(", "))
    }
}

impl Running {
    fn describe(&self, name: &str) -> String {
        let time = clock(self.start.elapsed());
        if self.detail.is_empty() { format!("{name} {time}") } else { format!("{name} {time} ({})", self.detail) }
    }
}

/// A line that is longer than the terminal is wide could not be overwritten.
fn terminal_width() -> usize {
    static WIDTH: OnceLock<usize> = OnceLock::new();
    *WIDTH.get_or_init(|| {
        let size = run(Command::new("stty").args(["-F", "/dev/tty", "size"]));
        let columns = size.ok().and_then(|size| size.split_whitespace().nth(1)?.parse().ok());
        columns.filter(|columns| *columns > 20).unwrap_or(80) - 1
    })
}
