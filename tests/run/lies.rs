//! Gross lies, planted: what would make the numbers wrong is done to a run, and the verdict must say so.
//!
//! | planted | caught by |
//! |---|---|
//! | the generator is stopped for 2 s | `generator_stopped`, see the truth tests |
//! | twice as many busy threads as cores | `busy_machine` or `short_of_cpu` |
//! | rows that no index covers are searched | `not_indexed` |
//! | rows that are gone when the load starts | `rows_missing`, see the truth tests |
//! | a rate that the generator cannot hold | `generator_saturated`, see the truth tests |

use std::sync::atomic::{AtomicBool, Ordering};

use crate::collections::create_foreign;
use crate::support::{Sandbox, errors, findings, server};

/// Ends the busy threads, also where the test has failed.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn cores_that_others_keep_busy_are_told() {
    let sandbox = Sandbox::new();
    let over = AtomicBool::new(false);
    let cores = std::thread::available_parallelism().unwrap().get();
    let run = std::thread::scope(|scope| {
        let burn = || {
            while !over.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        };
        (0..2 * cores).for_each(|_| drop(scope.spawn(burn)));
        let _over = Over(&over);
        // Its metrics tell what the server uses itself.
        let metrics = format!("target.metrics=[\"{}\"]", server().metrics_url);
        let args = ["run", "small.toml", "--uri", &server().uri, "--duration", "8s", "--set", &metrics];
        sandbox.start(&mut sandbox.tool(&args)).wait(&sandbox)
    });
    // Whether the numbers still hold depends on how the kernel shares the cores out; that others had them is said.
    let report = run.report.as_ref().expect("a report");
    let told = |code: &&str| ["busy_machine", "short_of_cpu"].contains(code);
    assert!(findings(report).iter().any(told), "{}", report["verdict"]);
}

#[test]
fn a_search_over_rows_without_an_index_is_not_trusted() {
    let sandbox = Sandbox::new();
    create_foreign("run_unindexed", "rows that nobody has sealed");
    let collection = "[collection]\nname = \"run_unindexed\"\nprepare = \"never\"\n";
    let load = "[load]\nrate = 20\narrival = \"constant\"\nworkers = 1\nwarmup = \"0s\"\nduration = \"1s\"\n";
    let operation = |kind: &str| format!("{collection}{load}[[operations]]\nkind = \"{kind}\"\n");
    sandbox.write("write.toml", &operation("insert"));
    sandbox.write("read.toml", &operation("search"));
    sandbox.run(&["write.toml", "--set", "collection.allow_writes=true"]).ended_with(0);
    let run = sandbox.run(&["read.toml"]);
    assert!(errors(run.report(4)).contains(&"not_indexed"), "{:?}", errors(run.report(4)));
    assert!(run.stdout.contains("flush the collection"), "{}", run.stdout);
}
