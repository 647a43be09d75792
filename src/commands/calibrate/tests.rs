//! A lie that is planted must be seen.

use super::drive::Driver;
use super::scenario::{SEED, measure};
use crate::calibrate::{Scenario, Set, proof};
use crate::engine::Stop;
use crate::report::model::{CalibrationScenario, Proof, RowOutcome};
use crate::truth::{Effect, Rpc, When};
use crate::units::Nanos;

/// A server that is always 100 ms later than its law, as the table shows it.
fn lied_to() -> CalibrationScenario {
    let stop = Stop::default();
    let scenario = Scenario::all(Set::Quick).into_iter().find(|scenario| scenario.name == "constant");
    let scenario = scenario.expect("there is one");
    let late = Effect::Late(Nanos::from_millis(100));
    let played = scenario.script(SEED).fault(Rpc::Search, When::Always, late);
    measure(&scenario, &played, &mut Driver::new(&stop)).expect("is measured")
}

/// Measured again where the machine itself is so late at half of all moments that the table says so.
#[test]
fn a_server_that_is_later_than_its_law_says_is_a_miss() {
    for _ in 0..5 {
        let told = lied_to();
        assert_eq!((told.planned, told.succeeded), (2_000, 2_000));
        let median = &told.rows[0];
        assert_eq!((median.percentile.as_str(), median.truth_us), ("p50", 2_000.0));
        assert!(median.measured_us.is_some_and(|measured| measured >= 102_000.0), "{median:?}");
        if median.outcome != RowOutcome::TooNoisy {
            assert_eq!((median.outcome, told.tries), (RowOutcome::Miss, 3), "{median:?}");
            assert_eq!(proof(&told.rows), Proof::Wrong);
            return;
        }
        assert_eq!(proof(&told.rows), Proof::TooNoisy, "a lie is never proved");
    }
    panic!("a server that was late by 100 ms at every request was taken for noise five times over");
}
