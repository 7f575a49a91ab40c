//! How the times of exports grow with their number.

use crate::figure::table;

/// What the provider does, and what that is measured beside.
pub(crate) const WORKS: [[&str; 2]; 3] = [
    ["apply", "… written by kube's client"],
    ["plan without changes", "… of as many terraform_data"],
    ["destroy", "… deleted by kube's client"],
];

/// So many exports, and what their [`WORKS`] took, in milliseconds.
pub(crate) struct Size {
    pub(crate) exports: usize,
    pub(crate) works: [[f64; 2]; 3],
}

impl Size {
    /// Their number, to be computed with.
    pub(crate) fn number(&self) -> f64 {
        f64::from(u32::try_from(self.exports).expect("a number of exports"))
    }
}

/// Prints, from each size to the next, how many times as long everything took.
pub(crate) fn print(sizes: &[Size]) {
    if sizes.len() < 2 {
        return;
    }
    let times = |after: f64, before: f64| format!("{:.1} ×", after / before);
    let head: Vec<_> = std::iter::once("from").chain(["to exports"]).chain(WORKS.concat()).map(str::to_owned).collect();
    let mut rows = vec![head.clone(), vec![String::new(); head.len()]];
    rows.extend(sizes.windows(2).map(|pair| {
        let [before, after] = pair else { unreachable!("windows of two") };
        let works = after.works.concat().into_iter().zip(before.works.concat()).map(|(after, before)| times(after, before));
        let numbers = [before.exports.to_string(), format!("{} ({})", after.exports, times(after.number(), before.number()))];
        numbers.into_iter().chain(works).collect()
    }));
    println!();
    table(&rows);
}
