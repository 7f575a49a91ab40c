//! Istio's version in a plan: an upgrade is a planned change that shows both versions, and Istio's limits on its steps are kept.

use framework::{AttributePath, Error, Report, Value};

use super::World;

/// Plans the version that an apply installs, if one is set by the resource's `istio_version` or the provider's `helm.version`. `installed`
/// holds the planned attribute `installed_version`, and `prior` the one in the state.
pub(crate) fn plan_version(
    own: &Value<String>,
    prior: Option<&Value<String>>,
    installed: &mut Value<String>,
    world: Option<&World>,
    report: &mut Report,
) {
    let wanted = match own {
        Value::Value(version) => Some(version.clone()),
        Value::Null => world.and_then(|world| world.istio_version.clone()),
        Value::Unknown => None,
    };
    let Some(wanted) = wanted.filter(|wanted| semver::Version::parse(wanted).is_ok()) else { return };
    if let Some(found) = prior.and_then(|prior| prior.as_ref_option()) {
        match check_step(found, &wanted) {
            Ok(warning) => warning.into_iter().for_each(|warning| report.warning(warning)),
            Err(error) => report.error(error),
        }
    }
    *installed = Value::Value(wanted);
}

/// Checks a change of Istio's version, which may be none. Returns a warning of a downgrade, and an error for a step that is too large.
pub(crate) fn check_step(found: &str, wanted: &str) -> Result<Option<Error>, Error> {
    let parse = |version: &str| semver::Version::parse(version.trim_start_matches('v')).ok();
    let Some((from, to)) = parse(found).zip(parse(wanted)) else { return Ok(None) };
    let problem = |title: &'static str, advice: &str| {
        let versions = format!("Version {found} is installed, and {wanted} is configured. {advice}");
        Error::new(title, versions).at(AttributePath::new("istio_version"))
    };
    if from.major != to.major || from.minor.abs_diff(to.minor) > 1 {
        let advice = "Istio supports upgrades of one minor version at a time. Apply each minor version in between first.";
        return Err(problem("Unsupported change of Istio's version", advice));
    }
    let advice = "The apply downgrades Istio to an earlier minor version. Resources and features of the later one stop working.";
    Ok((to.minor < from.minor).then(|| problem("Downgrade of Istio", advice)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is planned, and the number of errors and of warnings.
    fn plan(own: Value<String>, prior: &str) -> (Value<String>, usize, usize) {
        let (mut installed, mut report) = (Value::Unknown, Report::new());
        plan_version(&own, Some(&Value::Value(prior.to_owned())), &mut installed, None, &mut report);
        let diagnostics = report.into_diagnostics();
        (installed, diagnostics.errors.len(), diagnostics.warnings.len())
    }

    #[test]
    fn a_version_moves_by_one_minor_version_at_a_time() {
        let version = |text: &str| Value::Value(text.to_owned());
        assert_eq!(plan(version("1.31.0"), "1.31.0"), (version("1.31.0"), 0, 0));
        assert_eq!(plan(version("1.31.0"), "1.30.2"), (version("1.31.0"), 0, 0));
        assert_eq!(plan(version("1.31.0"), ""), (version("1.31.0"), 0, 0), "the last apply installed nothing");
        assert_eq!(plan(version("1.31.0"), "1.29.0"), (version("1.31.0"), 1, 0));
        assert_eq!(plan(version("1.30.0"), "1.31.0"), (version("1.30.0"), 0, 1));
        assert_eq!(plan(Value::Null, "1.31.0"), (Value::Unknown, 0, 0), "no version is set");
        assert_eq!(plan(Value::Unknown, "1.31.0"), (Value::Unknown, 0, 0));
    }
}
