//! Quantities as Kubernetes writes them: `100m` is `0.1`, `1024Mi` is `1Gi`.

/// The value in thousandths; `None` if it is not a quantity.
fn milli(text: &str) -> Option<i128> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let factor: i128 = match suffix {
        "m" => 1,
        "" => 1_000,
        "k" => 1_000_000,
        "M" => 1_000_000_000,
        "G" => 1_000_000_000_000,
        "T" => 1_000_000_000_000_000,
        "Ki" => 1_000 << 10,
        "Mi" => 1_000 << 20,
        "Gi" => 1_000 << 30,
        "Ti" => 1_000 << 40,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = u32::try_from(fraction.len()).ok().filter(|digits| *digits <= 9)?;
    let whole: i128 = whole.parse().ok()?;
    let fraction: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    whole.checked_mul(factor)?.checked_add(fraction.checked_mul(factor)? / 10_i128.pow(digits))
}

/// Whether two strings are the same quantity.
pub(super) fn same(a: &str, b: &str) -> bool {
    matches!((milli(a), milli(b)), (Some(a), Some(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn notations_are_equal_when_values_are() {
        for (a, b) in [("100m", "0.1"), ("1024Mi", "1Gi"), ("1", "1000m"), ("0.5", "500m"), ("2k", "2000")] {
            assert!(same(a, b), "{a} {b}");
        }
        for (a, b) in [("1", "2"), ("abc", "abc"), ("1Gi", "1G"), ("", "")] {
            assert!(!same(a, b), "{a} {b}");
        }
    }
}
