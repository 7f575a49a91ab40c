//! Steps that depend on each other, each begun as soon as what it needs is done.

use std::{
    collections::BTreeSet,
    sync::{Arc, mpsc},
    time::Duration,
};

use anyhow::{Result, anyhow};

use crate::progress::{Note, Progress, say};

/// The work of a step. Returns its outcome in a few words.
type Work = Box<dyn FnOnce(&Note) -> Result<String> + Send>;

/// A unit of work.
pub(crate) struct Step {
    name: &'static str,
    needs: &'static [&'static str],
    /// It uses all processors for long: one such step at a time, in the order of the list.
    heavy: bool,
    work: Work,
}

impl Step {
    pub(crate) fn new(
        name: &'static str,
        needs: &'static [&'static str],
        work: impl FnOnce(&Note) -> Result<String> + Send + 'static,
    ) -> Self {
        Self { name, needs, heavy: false, work: Box::new(work) }
    }

    pub(crate) fn heavy(self) -> Self {
        Self { heavy: true, ..self }
    }
}

/// Does all steps. After a failure no new one begins, but those at work come to their end: a build that is done is kept.
pub(crate) fn run(mut waiting: Vec<Step>) -> Result<()> {
    let progress = Arc::new(Progress::new(waiting.iter().map(|step| step.name).collect()));
    let (sender, receiver) = mpsc::channel();
    let mut done = BTreeSet::new();
    let mut running = 0;
    let mut heavy_running = None;
    let mut failure: Option<anyhow::Error> = None;
    loop {
        let mut index = 0;
        while failure.is_none() && index < waiting.len() {
            let step = &waiting[index];
            let ready = step.needs.iter().all(|need| done.contains(need));
            if !ready || (step.heavy && heavy_running.is_some()) {
                index += 1;
                continue;
            }
            let Step { name, heavy, work, .. } = waiting.remove(index);
            if heavy {
                heavy_running = Some(name);
            }
            running += 1;
            progress.start(name);
            let (sender, progress) = (sender.clone(), Arc::clone(&progress));
            std::thread::spawn(move || {
                let note = Note::new(move |detail| progress.detail(name, detail));
                let work = std::panic::AssertUnwindSafe(|| work(&note));
                let outcome = std::panic::catch_unwind(work).unwrap_or_else(|_| Err(anyhow!("a bug in the lab")));
                let _ = sender.send((name, outcome));
            });
        }
        if running == 0 {
            break;
        }
        let Ok((name, outcome)) = receiver.recv_timeout(Duration::from_secs(1)) else {
            progress.tick();
            continue;
        };
        running -= 1;
        if heavy_running == Some(name) {
            heavy_running = None;
        }
        match outcome {
            Ok(outcome) => {
                progress.finish(name, &outcome);
                done.insert(name);
            }
            Err(error) => {
                progress.fail(name);
                let error = error.context(format!("step {name:?} failed"));
                if running > 0 {
                    say(&format!("{error:#}\nfinishing what is at work"));
                }
                failure.get_or_insert(error);
            }
        }
    }
    match failure {
        None => Ok(()),
        Some(error) => {
            let left = progress.unfinished();
            if !left.is_empty() {
                say(&format!("not done: {}", left.join(", ")));
            }
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::{Step, run};

    #[test]
    fn a_step_waits_for_what_it_needs() {
        let order = Arc::new(Mutex::new(Vec::new()));
        let step = |name, needs| {
            let order = Arc::clone(&order);
            Step::new(name, needs, move |_| {
                order.lock().unwrap().push(name);
                Ok(String::new())
            })
        };
        run(vec![step("c", &["a", "b"]), step("b", &["a"]), step("a", &[])]).unwrap();
        assert_eq!(*order.lock().unwrap(), ["a", "b", "c"]);
    }

    #[test]
    fn nothing_begins_after_a_failure() {
        let failing = Step::new("a", &[], |_| anyhow::bail!("no"));
        let never = Step::new("b", &["a"], |_| panic!("begun"));
        let error = run(vec![failing, never]).unwrap_err();
        assert_eq!(format!("{error:#}"), "step \"a\" failed: no");
    }
}
