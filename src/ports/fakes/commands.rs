//! Commands in containers.

use std::{collections::VecDeque, sync::Mutex};

use async_trait::async_trait;

use super::lock;
use crate::{
    data::{Command, CommandEnd, Printed},
    ports::{Commands, Failure},
};
use framework::Deadline;

/// Answers commands by a script, and keeps what was asked for.
#[derive(Default)]
pub struct FakeCommands {
    answers: Mutex<VecDeque<Result<Printed, Failure>>>,
    counters: Mutex<VecDeque<String>>,
    run: Mutex<Vec<Command>>,
}

/// The program of a sidecar's container. What it prints has a script of its own.
const OF_SIDECAR: &str = "pilot-agent";

impl FakeCommands {
    /// What the next command for which nothing is scripted yet prints, and its code.
    pub fn prints(&self, output: &str, errors: &str, code: i32) {
        self.answers(Ok(Printed { output: output.into(), errors: errors.into(), end: CommandEnd::Exited(code) }));
    }

    /// What comes of the next command for which nothing is scripted yet.
    pub fn answers(&self, answer: Result<Printed, Failure>) {
        lock(&self.answers).push_back(answer);
    }

    /// What a sidecar prints of its counters the next time for which nothing is scripted yet.
    pub fn counts(&self, output: &str) {
        lock(&self.counters).push_back(output.to_owned());
    }

    /// The commands that were run, but for those in sidecars.
    pub fn run(&self) -> Vec<Command> {
        lock(&self.run).clone()
    }
}

#[async_trait]
impl Commands for FakeCommands {
    /// A command for which nothing is scripted is one that the container lacks.
    async fn run(&self, _: &str, command: &Command, _: &Deadline) -> Result<Printed, Failure> {
        let lacks = || Ok(Printed { output: Vec::new(), errors: Vec::new(), end: CommandEnd::Missing });
        if command.arguments.first().is_some_and(|program| program == OF_SIDECAR) {
            let printed = |output: String| Ok(Printed { output: output.into(), errors: Vec::new(), end: CommandEnd::Exited(0) });
            return lock(&self.counters).pop_front().map_or_else(lacks, printed);
        }
        lock(&self.run).push(command.clone());
        lock(&self.answers).pop_front().unwrap_or_else(lacks)
    }
}
