//! Helm's error messages among what it writes with `--debug`, without which an uninstall doesn't say why it failed.

/// What the log of both major versions says before the cause.
const CAUSE: &str = "uninstall: Failed to delete release";

/// Returns what Helm would have written without `--debug`, with the cause of an uninstall's failure.
///
/// Helm 4 logs `level=DEBUG msg="…" error="[…]"`; Helm 3 logs `uninstall.go:125: … [debug] …: […]`, and a stack trace at the end.
pub(super) fn without_debug(errors: &str) -> String {
    let is_trace = |line: &&str| line.starts_with("helm.go:") && line.contains(" [debug] ");
    let lines: Vec<_> = errors.lines().take_while(|line| !is_trace(line)).collect();
    let is_error = |line: &&str| line.starts_with("Error: ");
    let logged = lines.iter().take_while(|line| !is_error(line)).copied().collect::<Vec<_>>().join("\n");
    if let Some((_, rest)) = logged.split_once(CAUSE) {
        let words: Vec<_> = lines.into_iter().skip_while(|line| !is_error(line)).collect();
        return format!("{}: {}", words.join("\n"), cause(rest));
    }
    let words = lines.into_iter().filter(|line| !line.starts_with("level=DEBUG ") && !line.contains(" [debug] "));
    words.collect::<Vec<_>>().join("\n")
}

/// Reads the cause out of what follows [`CAUSE`]: a list of errors, which Helm 4 quotes as Go does, nearly as JSON.
fn cause(rest: &str) -> String {
    let text = match rest.split_once(" error=") {
        Some((_, quoted)) => {
            let mut strings = serde_json::Deserializer::from_str(quoted).into_iter::<String>();
            let first = strings.next().and_then(Result::ok);
            first.unwrap_or_else(|| quoted.lines().next().unwrap_or_default().to_owned())
        }
        None => rest.trim_start_matches(": ").to_owned(),
    };
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    inner.unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::without_debug;

    /// Of Helm 4.3.1 and 3.20.2.
    #[test]
    fn the_cause_of_a_failed_uninstall_is_part_of_its_message() {
        let helm_4 = "level=DEBUG msg=\"uninstall: deleting release\" name=tiny\n\
                      level=DEBUG msg=\"uninstall: Failed to delete release\" error=\"[configmaps \\\"tiny\\\" is forbidden: no deletion]\"\n\
                      Error: failed to delete release: tiny\n";
        let helm_3 = "uninstall.go:103: 2026-11-28 00:55:10 +0000 UTC m=+0.5 [debug] uninstall: Deleting tiny\n\
                      uninstall.go:125: 2026-11-28 00:55:10 +0000 UTC m=+0.5 [debug] uninstall: Failed to delete release: [configmaps \"tiny\" is \
                      forbidden: no deletion]\n\
                      Error: failed to delete release: tiny\n\
                      helm.go:92: 2026-11-28 00:55:10 +0000 UTC m=+0.5 [debug] failed to delete release: tiny\n\
                      helm.sh/helm/v3/pkg/action.(*Uninstall).Run\n\thelm.sh/helm/v3@v3.20.2/pkg/action/uninstall.go:126\n";
        for errors in [helm_4, helm_3] {
            assert_eq!(without_debug(errors), "Error: failed to delete release: tiny: configmaps \"tiny\" is forbidden: no deletion");
        }
    }

    #[test]
    fn a_cause_of_several_lines_is_kept_whole() {
        let errors = "uninstall.go:125: 2026-11-28 [debug] uninstall: Failed to delete release: [denied:\nno owner]\nError: failed to delete release: tiny\n";
        assert_eq!(without_debug(errors), "Error: failed to delete release: tiny: denied:\nno owner");
    }

    #[test]
    fn other_messages_stay_as_they_are() {
        for errors in ["", "Error: Kubernetes cluster unreachable: EOF", "level=WARN msg=old\nError: uninstall: Release not loaded: tiny"] {
            assert_eq!(without_debug(errors), errors);
        }
        assert_eq!(without_debug("level=DEBUG msg=\"uninstall: Failed to delete release\" error=odd\nError: no"), "Error: no: odd");
    }
}
