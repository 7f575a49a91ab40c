//! What was measured, and the table of it.

use std::time::Duration;

use crate::program::Program;

/// One row of the table.
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    /// At most this, for ours.
    pub(crate) target: Option<f64>,
    pub(crate) runs: usize,
    /// For each program, ours first; peers may be left out.
    pub(crate) values: Vec<f64>,
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
}

/// Prints the figures as a Markdown table, which also reads well on a terminal.
pub(crate) fn print(programs: &[Program], figures: &[Figure]) {
    let mut head = ["figure", "runs", "target", &programs[0].name, "verdict"].map(str::to_owned).to_vec();
    head.extend(programs[1..].iter().map(|peer| peer.name.clone()));
    let mut rows = vec![head.clone(), vec![String::new(); head.len()]];
    rows.extend(figures.iter().map(|figure| figure.row(programs.len())));
    table(&rows);
}

/// Prints rows as a Markdown table; the second one is the line below the head.
pub(crate) fn table(rows: &[Vec<String>]) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    for (number, row) in rows.iter().enumerate() {
        let fill = if number == 1 { '-' } else { ' ' };
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let pad: String = std::iter::repeat_n(fill, width(column) - cell.chars().count()).collect();
            format!("{fill}{cell}{pad}{fill}")
        });
        println!("|{}|", cells.collect::<Vec<_>>().join("|"));
    }
}

impl Figure {
    fn row(&self, programs: usize) -> Vec<String> {
        let show = |value: &f64| format!("{value:.*} {}", if *value < 10.0 { 2 } else { 1 }, self.unit);
        let verdict = match self.target {
            Some(target) if self.values[0] <= target => "met",
            Some(_) => "missed",
            None => "",
        };
        let target = self.target.map(|target| format!("≤ {target} {}", self.unit)).unwrap_or_default();
        let mut row = vec![self.what.clone(), self.runs.to_string(), target, show(&self.values[0]), verdict.to_owned()];
        row.extend(self.values[1..].iter().map(show));
        row.resize(programs + 4, String::new());
        row
    }
}
