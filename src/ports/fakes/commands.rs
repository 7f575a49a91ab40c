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
    run: Mutex<Vec<Command>>,
}

impl FakeCommands {
    /// What the next command for which nothing is scripted yet prints, and its code.
    pub fn prints(&self, output: &str, errors: &str, code: i32) {
        self.answers(Ok(Printed { output: output.into(), errors: errors.into(), end: CommandEnd::Exited(code) }));
    }

    /// What comes of the next command for which nothing is scripted yet.
    pub fn answers(&self, answer: Result<Printed, Failure>) {
        lock(&self.answers).push_back(answer);
    }

    /// The commands that were run.
    pub fn run(&self) -> Vec<Command> {
        lock(&self.run).clone()
    }
}

#[async_trait]
impl Commands for FakeCommands {
    /// A command for which nothing is scripted is one that the container lacks.
    async fn run(&self, _: &str, command: &Command, _: &Deadline) -> Result<Printed, Failure> {
        lock(&self.run).push(command.clone());
        let lacks = || Ok(Printed { output: Vec::new(), errors: Vec::new(), end: CommandEnd::Missing });
        lock(&self.answers).pop_front().unwrap_or_else(lacks)
    }
}
