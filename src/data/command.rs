//! Commands in containers, and what came of them.

/// A command to be run in a container of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// The program and its arguments. No shell reads them.
    pub arguments: Vec<String>,
    /// How many bytes of what it prints are read. With more, it isn't listened to any longer.
    pub most: usize,
}

/// What a command printed, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// What it printed to its output.
    pub output: Vec<u8>,
    /// What it printed to its error output.
    pub errors: Vec<u8>,
    /// How it ended.
    pub end: CommandEnd,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandEnd {
    /// It ended with this code.
    Exited(i32),
    /// It printed more than was to be read, and wasn't waited for.
    Cut,
    /// The container has no such program.
    Missing,
    /// It couldn't be run, or was not heard of to its end.
    Failed(String),
}
