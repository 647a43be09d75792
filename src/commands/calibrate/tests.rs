//! A lie that is planted must be seen.

use super::drive::Driver;
use super::scenario::{SEED, measure};
use crate::calibrate::{Scenario, Set, proof};
use crate::engine::Stop;
use crate::report::model::{Proof, RowOutcome};
use crate::truth::{Effect, Rpc, When};
use crate::units::Nanos;

/// Whatever the machine's noise, a server that is always 5 ms later than its law moves the median by 5 ms.
#[test]
fn a_server_that_is_later_than_its_law_says_is_a_miss() {
    let stop = Stop::default();
    let scenario = Scenario::all(Set::Quick).into_iter().find(|scenario| scenario.name == "constant");
    let scenario = scenario.expect("there is one");
    let late = Effect::Late(Nanos::from_millis(5));
    let played = scenario.script(SEED).fault(Rpc::Search, When::Always, late);
    let told = measure(&scenario, &played, &mut Driver::new(&stop)).expect("is measured");
    assert_eq!((told.planned, told.succeeded), (2_000, 2_000));
    let median = &told.rows[0];
    assert_eq!((median.percentile.as_str(), median.truth_us), ("p50", 2_000.0));
    assert!(median.measured_us.is_some_and(|measured| measured >= 7_000.0), "{median:?}");
    assert_eq!(told.tries, 3);
    assert_eq!(median.outcome, RowOutcome::Miss, "{median:?}");
    assert_eq!(proof(&told.rows), Proof::Wrong);
}
