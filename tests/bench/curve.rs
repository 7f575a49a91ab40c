//! The growth of the times as a picture, for docs/design/performance.md.

use std::{fmt::Write as _, fs, path::Path};

use crate::growth::{Size, WORKS};

/// The length of a power of ten on both axes, so that what is as steep as the diagonal of a square grows as the exports do.
const DECADE: f64 = 130.0;

/// The room left of the lines, right of them, and above and below.
const MARGINS: [f64; 3] = [62.0, 232.0, 40.0];

const COLORS: [&str; 3] = ["#1c6cb0", "#2b7a3d", "#b8372a"];

/// Writes the picture if `UPDATE_CURVE` is set.
pub(crate) fn update(sizes: &[Size]) {
    if std::env::var_os("UPDATE_CURVE").is_none() {
        return;
    }
    assert!(sizes.len() > 1, "a curve needs two numbers of exports at least, got {}", sizes.len());
    fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/design/performance.svg"), draw(sizes)).expect("written");
}

fn draw(sizes: &[Size]) -> String {
    let [left, right, edge] = MARGINS;
    let across = Axis::of(sizes.iter().map(Size::number));
    let up = Axis::of(sizes.iter().flat_map(|size| size.works.concat()).map(|time| time / 1000.0));
    let (width, height) = (across.length(), up.length());
    let x = |number: f64| left + across.place(number);
    let y = |seconds: f64| edge + height - up.place(seconds);
    let mut svg = String::new();
    let mut put = |line: String| writeln!(svg, "{line}").expect("a string");
    let (whole_width, whole_height) = (left + width + right, 2.0 * edge + height);
    put(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {whole_width} {whole_height}\" font-family=\"sans-serif\" font-size=\"12\">"
    ));
    put("<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>".to_owned());
    for number in across.powers() {
        let x = x(number);
        put(format!("<path d=\"M{x} {edge}v{height}\" stroke=\"#ddd\"/>"));
        put(format!("<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{number}</text>", edge + height + 18.0));
    }
    for seconds in up.powers() {
        let y = y(seconds);
        put(format!("<path d=\"M{left} {y}h{width}\" stroke=\"#ddd\"/>"));
        put(format!("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{seconds} s</text>", left - 8.0, y + 4.0));
    }
    put(format!("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">exports</text>", left + width / 2.0, edge + height + 36.0));
    let mut legend = edge + 10.0;
    for (nth, (names, color)) in WORKS.into_iter().zip(COLORS).enumerate() {
        for (beside, name) in names.into_iter().enumerate() {
            let dashes = if beside == 1 { " stroke-dasharray=\"5 4\"" } else { "" };
            let times = sizes.iter().map(|size| (size.number(), size.works[nth][beside] / 1000.0));
            let points: Vec<_> = times.clone().map(|(number, seconds)| format!("{:.1},{:.1}", x(number), y(seconds))).collect();
            put(format!("<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"{dashes}/>", points.join(" ")));
            for (number, seconds) in times {
                let title = format!("{number} exports, {name}: {seconds:.2} s");
                put(format!(
                    "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{color}\"><title>{title}</title></circle>",
                    x(number),
                    y(seconds)
                ));
            }
            let from = left + width + 14.0;
            put(format!("<path d=\"M{from} {legend}h26\" stroke=\"{color}\" stroke-width=\"2\"{dashes}/>"));
            put(format!("<text x=\"{}\" y=\"{}\">{name}</text>", from + 34.0, legend + 4.0));
            legend += 22.0;
        }
    }
    put("</svg>".to_owned());
    svg
}

/// An axis of powers of ten.
struct Axis {
    first: i32,
    last: i32,
}

impl Axis {
    /// An axis that has room for these values.
    #[allow(clippy::cast_possible_truncation)]
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let first = values.clone().fold(f64::INFINITY, f64::min).log10().floor() as i32;
        let last = values.fold(0.0, f64::max).log10().ceil() as i32;
        Self { first, last: last.max(first + 1) }
    }

    fn place(&self, value: f64) -> f64 {
        (value.log10() - f64::from(self.first)) * DECADE
    }

    fn length(&self) -> f64 {
        f64::from(self.last - self.first) * DECADE
    }

    fn powers(&self) -> impl Iterator<Item = f64> {
        (self.first..=self.last).map(|power| 10_f64.powi(power))
    }
}
