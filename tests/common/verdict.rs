//! What a verdict says of the machine, told from what it says of a run: for tests that are about neither.

use serde_json::Value;

/// Errors that a machine which is short of time makes a verdict find, and rightly. Tests that are about one of them look for it by
/// name.
const OF_THE_MACHINE: [&str; 7] = [
    "clock_step",
    "generator_late",
    "generator_saturated",
    "generator_stopped",
    "not_sent",
    "short_of_cpu",
    "shortfall",
];

/// Whether the numbers are trusted, or all that speaks against them is that the machine had no time for the generator.
pub fn is_trusted_but_for_the_machine(report: &Value) -> bool {
    let verdict = &report["verdict"];
    let errors: Vec<_> =
        verdict["findings"].as_array().unwrap().iter().filter(|f| f["severity"] == "error").collect();
    assert_eq!(verdict["trusted"], errors.is_empty(), "{verdict}");
    errors.iter().all(|error| OF_THE_MACHINE.iter().any(|code| error["code"] == *code))
}

/// Whether the tool ended with `code`. That numbers cannot be trusted (4) prevails over a threshold that is not met (3) and over
/// success, so it does for both where nothing but the machine was found wanting.
pub fn is_exit(code: i32, told: Option<i32>, report: Option<&Value>) -> bool {
    told == Some(code)
        || (told == Some(4) && [0, 3].contains(&code) && report.is_some_and(is_trusted_but_for_the_machine))
}
