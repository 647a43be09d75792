//! Whatever comes in, there is an answer.

use proptest::prelude::*;

use super::*;
use crate::workload::keys::KEYS;

/// Lines that look like a workload: keys of the table, and values that may or may not fit.
fn lines() -> impl Strategy<Value = String> {
    let values = prop_oneof![
        Just("5".to_owned()),
        Just("-1".to_owned()),
        Just("0.5".to_owned()),
        Just("true".to_owned()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
        Just("[{ kind = \"search\", name = \"a\" }, { kind = \"insert\" }]".to_owned()),
        Just("{ a = [1, { b = \"é\" }] }".to_owned()),
        Just("[{ rate = 2, duration = \"1s\" }, { ramp_to = 0, duration = \"2s\" }]".to_owned()),
        Just("1979-05-27".to_owned()),
        "[a-z0-9<>{}% .:/@']{0,12}".prop_map(|text| format!("{text:?}")),
    ];
    let keys: Vec<&str> = KEYS.iter().map(|key| key.path).filter(|path| !path.contains("[]")).collect();
    let line = (prop::sample::select(keys), values).prop_map(|(key, value)| format!("{key} = {value}"));
    prop::collection::btree_set(line, 0..12).prop_map(|lines| {
        let mut lines: Vec<_> = lines.into_iter().collect();
        lines.dedup_by(|a, b| a.split(' ').next() == b.split(' ').next());
        lines.join("\n")
    })
}

fn overrides() -> impl Strategy<Value = Vec<Override>> {
    let keys: Vec<&str> =
        KEYS.iter().map(|key| key.path).chain(["operations.a.rate", "", ".", "a.b"]).collect();
    let values =
        prop_oneof!["\\PC{0,12}", Just("{ a = 1 }".to_owned()), Just("[{ kind = \"search\" }]".to_owned())];
    let one = (prop::sample::select(keys), values, 0..3).prop_map(|(key, value, who)| match who {
        0 => Override::flag("--x", key, value),
        1 => Override::environment("X", key, value),
        _ => Override { key: key.to_owned(), value, origin: crate::workload::Origin::Set },
    });
    prop::collection::vec(one, 0..4)
}

fn answered(text: &str, overrides: &[Override]) {
    match load_text("w", text, overrides) {
        Ok(workload) => assert!(!workload.operations.is_empty() && !workload.load.streams.is_empty()),
        Err(error) => {
            assert!(!error.to_string().contains("report this bug"), "{error}");
            assert!(!error.problems().is_empty() && !error.to_string().is_empty(), "a refusal without reason")
        }
    }
}

proptest! {
    #[test]
    fn any_text_gives_a_workload_or_a_problem(text in "\\PC{0,200}", overrides in overrides()) {
        answered(&text, &overrides);
    }

    #[test]
    fn any_toml_gives_a_workload_or_a_problem(text in lines(), overrides in overrides()) {
        answered(&text, &overrides);
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        answered(&String::from_utf8_lossy(&bytes), &[]);
    }
}
