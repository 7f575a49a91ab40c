//! What the core demands of a plan and an apply, case by case.

use std::collections::BTreeSet;

use rmpv::Value;

use crate::sample::{Session, THING};
use plugin_host::{
    Action, Object,
    types::Type,
    values::{decode, get, is_unknown, object, unknown},
};

/// A change of a thing, and what its plan must show.
struct Case {
    what: &'static str,
    /// The configuration before; none for a creation.
    before: Option<Vec<(&'static str, Value)>>,
    after: Vec<(&'static str, Value)>,
    /// The attributes that are known only after apply.
    unknown: &'static [&'static str],
    /// The attributes whose change replaces the thing.
    replaces: &'static [&'static str],
}

fn part(number: i64) -> Value {
    object(&[("number", number.into())])
}

/// All that is computed anew with every change.
const CHANGED: &[&str] = &["revision", "key_length"];
/// All that is computed for a new thing.
const NEW: &[&str] = &["serial", "revision", "key_length"];

fn cases() -> Vec<Case> {
    let thing = |more: &[(&'static str, Value)]| [("name", "a".into())].into_iter().chain(more.iter().cloned()).collect::<Vec<_>>();
    let case = |what, before: Option<&[(&'static str, Value)]>, after: &[(&'static str, Value)], unknown, replaces| Case {
        what,
        before: before.map(thing),
        after: thing(after),
        unknown,
        replaces,
    };
    let parts = |numbers: &[i64]| Value::Array(numbers.iter().map(|number| part(*number)).collect());
    let keyed = |entries: &[(&'static str, i64)]| object(&entries.iter().map(|(key, number)| (*key, part(*number))).collect::<Vec<_>>());
    vec![
        case("a new thing", None, &[], NEW, &[]),
        case("nothing", Some(&[]), &[], &[], &[]),
        case("an attribute", Some(&[]), &[("size", 2.into())], CHANGED, &[]),
        case("an attribute that is set to its default", Some(&[]), &[("size", 1.into())], &[], &[]),
        case("an attribute whose fall replaces the thing by the thing's own say", Some(&[("size", 2.into())]), &[], CHANGED, &["size"]),
        case("an attribute that is left out again", Some(&[("key_version", 2.into())]), &[], CHANGED, &[]),
        case("an attribute that names the thing", Some(&[]), &[("zone", "there".into())], NEW, &["zone"]),
        case("only the layout", Some(&[("note", "x".into())]), &[("note", " x ".into())], &[], &[]),
        case("the meaning", Some(&[("note", "x".into())]), &[("note", "y".into())], CHANGED, &[]),
        case(
            "the order of a set",
            Some(&[("names", Value::Array(vec!["a".into(), "b".into()]))]),
            &[("names", Value::Array(vec!["a".into(), "b".into()]))],
            &[],
            &[],
        ),
        case("a write-only value alone", Some(&[("key_wo", "one".into())]), &[("key_wo", "two".into())], &[], &[]),
        case(
            "a write-only value and its version",
            Some(&[("key_wo", "one".into()), ("key_version", 1.into())]),
            &[("key_wo", "two".into()), ("key_version", 2.into())],
            CHANGED,
            &[],
        ),
        case("an unknown value", Some(&[]), &[("size", unknown())], &["size", "revision", "key_length"], &[]),
        case("an unknown name", Some(&[]), &[("zone", unknown())], &["zone", "serial", "revision", "key_length"], &["zone"]),
        case("an unknown list", None, &[("parts", unknown())], &["parts", "serial", "revision", "key_length"], &[]),
        case("a part more", Some(&[("parts", parts(&[1]))]), &[("parts", parts(&[1, 2]))], CHANGED, &[]),
        case("no part any more", Some(&[("parts", parts(&[1]))]), &[("parts", parts(&[]))], CHANGED, &[]),
        case("the same parts", Some(&[("parts", parts(&[1, 2]))]), &[("parts", parts(&[1, 2]))], &[], &[]),
        case("a keyed part more", Some(&[("keyed", keyed(&[("a", 1)]))]), &[("keyed", keyed(&[("a", 1), ("b", 2)]))], CHANGED, &[]),
        case("the same keyed parts", Some(&[("keyed", keyed(&[("a", 1)]))]), &[("keyed", keyed(&[("a", 1)]))], &[], &[]),
        case("a main part", Some(&[]), &[("main", part(1))], CHANGED, &[]),
        case("the same main part", Some(&[("main", part(1))]), &[("main", part(1))], &[], &[]),
        case("times only", Some(&[]), &[("timeouts", object(&[("read", "5s".into())]))], CHANGED, &[]),
    ]
}

#[tokio::test]
async fn every_change_is_planned_and_applied_by_the_rules() {
    for case in cases() {
        let mut session = Session::start().await;
        let prior = match &case.before {
            Some(before) => session.create(before).await.1,
            None => Value::Nil,
        };
        let config = session.config(&case.after);
        let plan = session.plan(&prior, &config).await;
        assert!(plan.diagnostics.is_empty(), "{}: {:?}", case.what, plan.diagnostics);
        let planned = decode(plan.planned_state.as_ref());
        let is_open = planned.as_map().expect("an object").iter().filter(|(_, value)| is_unknown(value));
        let open: BTreeSet<_> = is_open.filter_map(|(name, _)| name.as_str()).collect();
        assert_eq!(open, case.unknown.iter().copied().collect(), "{}: known after apply", case.what);
        let replaces: Vec<_> = plan.requires_replace.iter().map(|path| format!("{:?}", path.steps[0].selector)).collect();
        assert_eq!(replaces.len(), case.replaces.len(), "{}: {replaces:?}", case.what);
        assert!(replaces.iter().zip(case.replaces).all(|(path, name)| path.contains(name)), "{}: {replaces:?}", case.what);

        if case.after.iter().any(|(_, value)| is_unknown(value)) {
            continue;
        }
        let applied = session.apply(&prior, &config).await;
        assert!(applied.diagnostics.is_empty(), "{}: {:?}", case.what, applied.diagnostics);
        let again = session.plan(&applied.state, &config).await;
        let ty = Type::of_all(&session.attributes());
        assert!(ty.equals(&decode(again.planned_state.as_ref()), &applied.state), "{}: a second plan changes something", case.what);
        let read = session.read(&applied.state).await;
        assert_eq!(decode(read.new_state.as_ref()), applied.state, "{}: a read changes something", case.what);
    }
}

#[tokio::test]
async fn nested_objects_have_defaults_and_computed_values() {
    let mut session = Session::start().await;
    let config = session.config(&[("name", "a".into()), ("parts", Value::Array(vec![part(7)]))]);
    let plan = session.plan(&Value::Nil, &config).await;
    let planned = decode(plan.planned_state.as_ref());
    let of_plan = &get(&planned, "parts").as_array().expect("parts")[0];
    assert_eq!(get(of_plan, "kind"), &"plain".into());
    assert!(is_unknown(get(of_plan, "place")));
    let applied = session.apply(&Value::Nil, &config).await;
    assert_eq!(get(&get(&applied.state, "parts").as_array().expect("parts")[0], "place"), &"shelf 7".into());
}

#[tokio::test]
async fn a_write_only_value_reaches_the_apply_and_nothing_else() {
    let mut session = Session::start().await;
    let secret = object(&[("number", 1.into()), ("pin_wo", "0815".into())]);
    let config = session.config(&[("name", "a".into()), ("key_wo", "four-and-more".into()), ("main", secret)]);
    let applied = session.apply(&Value::Nil, &config).await;
    assert_eq!(get(&applied.state, "key_length"), &13.into());
    for value in [&applied.planned, &applied.state] {
        assert!(get(value, "key_wo").is_nil() && get(get(value, "main"), "pin_wo").is_nil(), "{value}");
    }
}

#[tokio::test]
async fn what_fails_says_so_and_loses_nothing() {
    let mut session = Session::start().await;
    // Nothing was reached: there is nothing to save.
    let config = session.config(&[("name", "never".into())]);
    let never = session.apply(&Value::Nil, &config).await;
    assert!(never.state.is_nil());
    assert_eq!(never.diagnostics[0].attribute.as_ref().expect("a path").steps.len(), 1);

    // What was reached is saved, and the next plan is an update.
    for (name, detail) in [("half", "not whole"), ("panic", "sample_thing: out of ideas")] {
        let config = session.config(&[("name", name.into())]);
        let applied = session.apply(&Value::Nil, &config).await;
        assert!(applied.diagnostics[0].detail.contains(detail), "{:?}", applied.diagnostics);
        assert_eq!(get(&applied.state, "revision"), &1.into());
        let plan = session.plan(&applied.state, &config).await;
        assert!(is_unknown(get(&decode(plan.planned_state.as_ref()), "revision")), "{name} is planned again");
    }

    let mut kept = async |name: &str| {
        let (_, state) = session.create(&[("name", name.into())]).await;
        let destroyed = session.destroy(&state).await;
        assert_eq!(destroyed.state, state, "{name}: a failed destroy dropped the state");
        destroyed.diagnostics[0].detail.clone()
    };
    assert!(kept("sticky").await.contains("can't be removed"));
    assert!(kept("explosive").await.contains("it is under tension"));
    let (_, state) = session.create(&[("name", "unreadable".into())]).await;
    let read = session.read(&state).await;
    assert_eq!((decode(read.new_state.as_ref()), read.diagnostics.len()), (state, 1), "a failed read changed the state");
}

#[tokio::test]
async fn what_is_gone_is_gone_and_what_is_destroyed_too() {
    let mut session = Session::start().await;
    let (_, state) = session.create(&[("name", "a".into())]).await;
    assert!(session.destroy(&state).await.state.is_nil());
    let read = session.read(&state).await;
    assert!(decode(read.new_state.as_ref()).is_nil() && read.diagnostics.is_empty());
}

#[tokio::test]
async fn a_stop_ends_the_work_saves_it_and_serves_on() {
    let mut session = Session::start().await;
    let config = session.config(&[("name", "slow".into())]);
    let planned = decode(session.plan(&Value::Nil, &config).await.planned_state.as_ref());
    let mut other = session.provider.clone();
    let apply = tokio::spawn(async move {
        let request = Session::apply_request(&Value::Nil, &config, &planned);
        other.apply_resource_change(request).await.expect("an answer").into_inner()
    });
    while session.sample.things.lock().expect("things").is_empty() {
        tokio::task::yield_now().await;
    }
    let begin = std::time::Instant::now();
    session.provider.stop_provider(framework::protocol::wire::stop_provider::Request {}).await.expect("an answer");
    let applied = apply.await.expect("the apply");
    assert!(begin.elapsed() < std::time::Duration::from_secs(1), "{:?}", begin.elapsed());
    assert!(applied.diagnostics[0].detail.contains("Interrupted"), "{:?}", applied.diagnostics);
    assert_eq!(get(&decode(applied.new_state.as_ref()), "name"), &"slow".into());
    session.create(&[("name", "another".into())]).await;
}

#[tokio::test]
async fn a_plan_that_the_resource_itself_makes_an_update_opens_what_every_update_does() {
    let mut session = Session::start().await;
    let (config, made) = session.create(&[("name", "a".into()), ("size", 13.into()), ("key_wo", "x".into())]).await;
    let planned = decode(session.plan(&made, &config).await.planned_state.as_ref());
    // The resource opens `revision` only.
    for (open, name) in [(true, "revision"), (true, "key_length"), (false, "serial"), (false, "drift")] {
        assert_eq!(is_unknown(get(&planned, name)), open, "{name}");
    }
    let again = session.apply(&made, &config).await;
    assert_eq!((get(&again.state, "revision"), again.diagnostics.len()), (&2.into(), 0));
}

#[tokio::test]
async fn a_plan_of_a_create_looks_at_what_exists_and_no_other_plan_does() {
    let mut session = Session::start().await;
    let (config, state) = session.create(&[("name", "found".into())]).await;
    let planned = session.plan(&Value::Nil, &config).await;
    assert_eq!(*get(&decode(planned.planned_state.as_ref()), "revision"), Value::from(2));
    assert!(planned.diagnostics.iter().any(|found| found.summary == "There already"), "{:?}", planned.diagnostics);
    let larger = session.config(&[("name", "found".into()), ("size", 2.into())]);
    let update = session.plan(&state, &larger).await;
    assert!(update.diagnostics.iter().all(|found| found.summary != "There already"), "{:?}", update.diagnostics);
    let taken = session.config(&[("name", "taken".into())]);
    assert!(session.plan(&Value::Nil, &taken).await.diagnostics.iter().any(|found| found.summary == "Taken"));
    let mut unconfigured = Session::unconfigured().await;
    let planned = unconfigured.plan(&Value::Nil, &taken).await;
    assert!(planned.diagnostics.iter().all(|found| found.summary != "Taken"), "nothing can be looked at yet");
}

#[tokio::test]
async fn what_a_replacement_deletes_does_not_refuse_its_creation() {
    let mut session = Session::start().await;
    let (_, state) = session.create(&[("name", "a".into())]).await;
    let made = Object { state, ..Object::absent() };
    let taken = session.config(&[("name", "taken".into())]);
    let plan = session.host.plan(THING, &made, &taken).await;
    assert!(plan.diagnostics.iter().all(|found| found.summary != "Taken"), "{:?}", plan.diagnostics);
    assert_eq!(plan.action, Action::Replace);
}
