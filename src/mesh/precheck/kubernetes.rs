//! Whether Istio supports a version of Kubernetes.

use semver::Version;

use super::{Seen, unreadable};
use crate::mesh::check::Check;

/// The minor versions of Kubernetes 1 with which a minor version of Istio 1 works.
struct Support {
    istio: u64,
    /// The first and the last that are supported.
    supported: (u64, u64),
    /// The first that was tested at all.
    tested: u64,
}

/// By minor version of Istio, ascending.
///
/// Source: istio.io, `data/compatibility/supportStatus.yml`, as it is shown at <https://istio.io/latest/docs/releases/supported-releases/>. The row of
/// 1.31 has what `master` supported while 1.31 was made, and the oldest that 1.30 was tested with.
const SUPPORT: &[Support] = &[
    Support { istio: 26, supported: (29, 33), tested: 24 },
    Support { istio: 27, supported: (29, 33), tested: 24 },
    Support { istio: 28, supported: (30, 34), tested: 25 },
    Support { istio: 29, supported: (31, 35), tested: 26 },
    Support { istio: 30, supported: (32, 36), tested: 27 },
    Support { istio: 31, supported: (32, 36), tested: 27 },
];

const TABLE: &str = "https://istio.io/latest/docs/releases/supported-releases/ has the table of both.";

pub(super) fn check(version: &Seen<String>, istio: Option<&Version>) -> Check {
    let id = "precheck.kubernetes";
    let version = match version {
        Ok(version) => version,
        Err(why) => {
            return unreadable(id, "version", why).because(
                "Whether Istio supports it isn't known.",
                "Give the credentials the permission to get /version, which the role system:public-info-viewer has.",
            );
        }
    };
    let (Some(minor), [.., newest]) = (minor(version), SUPPORT) else {
        return Check::unknown(id, format!("The API server calls its version {version:?}, which is not a version of Kubernetes 1."))
            .because("Whether Istio supports it isn't known.", TABLE);
    };
    let row = istio.map_or(Some(newest), |istio| SUPPORT.iter().find(|row| istio.major == 1 && row.istio == istio.minor));
    let Some(row) = row else { return without_row(id, version, minor, istio, newest) };
    let (first, last) = row.supported;
    let range = format!("Istio 1.{} supports 1.{first} to 1.{last}.", row.istio);
    let seen = format!("It is Kubernetes {version}. {range}");
    if minor < row.tested {
        return Check::error(id, seen).because(
            "Istio was not tested with it. Its charts or istiod may need kinds and fields that it doesn't have.",
            format!("Upgrade the cluster to Kubernetes 1.{first} at least, or set an older `istio_version`. {TABLE}"),
        );
    }
    if minor < first {
        return Check::warning(id, seen).because(
            "Istio was tested with it, but no longer supports it.",
            format!("Upgrade the cluster to Kubernetes 1.{first} at least. {TABLE}"),
        );
    }
    if minor > last {
        return Check::warning(id, seen).because(
            "Istio was not tested with it.",
            format!("Choose a newer `istio_version`, or try it in a cluster that may break. {TABLE}"),
        );
    }
    Check::ok(id, seen)
}

/// The result for a version of Istio that isn't in the table.
fn without_row(id: &'static str, version: &str, minor: u64, istio: Option<&Version>, newest: &Support) -> Check {
    let title = istio.map(ToString::to_string).unwrap_or_default();
    let (first, last) = newest.supported;
    let seen = format!(
        "It is Kubernetes {version}. What Istio {title} supports isn't known to this version of the provider; Istio 1.{} supports 1.{first} to 1.{last}.",
        newest.istio
    );
    // What is older than the table is no reason to trust its newest row.
    if istio.is_some_and(|istio| (istio.major, istio.minor) > (1, newest.istio)) && (first..=last).contains(&minor) {
        return Check::ok(id, seen);
    }
    Check::unknown(id, seen).because("Whether Istio supports it isn't known.", TABLE)
}

/// Returns the minor version of `v1.34.4-eks-1`; `None` if it isn't one of Kubernetes 1.
fn minor(version: &str) -> Option<u64> {
    let mut parts = version.trim_start_matches('v').split('.');
    (parts.next()? == "1").then_some(())?;
    let digits: String = parts.next()?.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::check::Severity;

    #[test]
    fn a_version_is_judged_by_the_row_of_istios_version() {
        let severity = |kubernetes: &str, istio: Option<&str>| {
            let istio = istio.map(|istio| Version::parse(istio).unwrap());
            check(&Ok(kubernetes.to_owned()), istio.as_ref()).severity
        };
        for (kubernetes, istio, expected) in [
            ("v1.34.4", None, Severity::Ok),
            ("v1.34.4", Some("1.31.0"), Severity::Ok),
            ("v1.36.0-eks-a1b2c3", Some("1.30.2"), Severity::Ok),
            ("v1.33.1+k3s1", Some("1.26.0"), Severity::Ok),
            ("v1.34.0", Some("1.26.0"), Severity::Warning),
            ("v1.31.9", Some("1.31.0"), Severity::Warning),
            ("v1.37.0", Some("1.31.0"), Severity::Warning),
            ("v1.26.0", Some("1.31.0"), Severity::Error),
            // Istio's version isn't in the table.
            ("v1.34.4", Some("1.40.0"), Severity::Ok),
            ("v1.40.0", Some("1.40.0"), Severity::Unknown),
            ("v1.24.0", Some("1.20.0"), Severity::Unknown),
            ("v1.34.4", Some("1.20.0"), Severity::Unknown),
            ("v2.0.0", None, Severity::Unknown),
            ("main", None, Severity::Unknown),
        ] {
            assert_eq!(severity(kubernetes, istio), expected, "{kubernetes} with {istio:?}");
        }
        let old = check(&Ok("v1.31.9".to_owned()), None);
        assert_eq!(old.seen, "It is Kubernetes v1.31.9. Istio 1.31 supports 1.32 to 1.36.");
        assert!(check(&Err("Forbidden".to_owned()), None).fix.contains("system:public-info-viewer"));
    }
}
