//! A state that an older build has stored, and the upgrade of the provider by `init -upgrade`.

use super::{
    mirror::{Mirror, OLDER, VERSION},
    state::example_of_an_older_build,
};
use crate::{fixture::lab, workspace::clis};

const REQUIREMENT: &str = "{ source = \"terraform-provider-mesh/mesh\" }";

#[test]
fn init_upgrade_goes_on_with_the_state_of_an_older_build() {
    let lab = lab();
    for cli in clis(&lab) {
        let mirror = Mirror::new(&cli);
        let workspace = example_of_an_older_build(&cli, &lab.binaries().helm);
        mirror.install(&workspace);
        let requirement = |version: &str| format!("{{ source = \"terraform-provider-mesh/mesh\", version = \"{version}\" }}");
        workspace.edit(REQUIREMENT, &requirement(OLDER));
        workspace.succeed(&["init", "-no-color"]);
        let locked = workspace.read(".terraform.lock.hcl");
        assert!(locked.contains(&format!("\"{OLDER}\"")), "{}: {locked}", cli.name);

        workspace.edit(&requirement(OLDER), &requirement(">= 0.0.9"));
        workspace.succeed(&["init", "-no-color"]);
        assert!(workspace.read(".terraform.lock.hcl").contains(&format!("\"{OLDER}\"")), "{}: init alone keeps what is locked", cli.name);
        workspace.succeed(&["init", "-upgrade", "-no-color"]);
        let upgraded = workspace.read(".terraform.lock.hcl");
        assert!(
            upgraded.contains(&format!("\"{VERSION}\"")) && !upgraded.contains(&format!("version     = \"{OLDER}\"")),
            "{}: {upgraded}",
            cli.name
        );
        let hash = |lock: &str| lock.lines().find(|line| line.contains("h1:")).map(str::to_owned);
        assert!(hash(&upgraded).is_some() && hash(&upgraded) != hash(&locked), "{}: {locked}{upgraded}", cli.name);

        // The attributes that came since are filled in; nothing is made anew.
        let plan = workspace.succeed(&["plan", "-refresh=false", "-no-color"]);
        assert!(plan.contains("Plan: 0 to add, ") && plan.contains(" 0 to destroy."), "{}:\n{plan}", cli.name);
        let state = workspace.succeed(&["state", "list", "-no-color"]);
        assert_eq!(state.lines().filter(|line| line.starts_with("mesh_")).count(), 8, "{}: {state}", cli.name);
    }
}
