//! `capacity`: read the workload, get a server, make the collection ready, probe rates until the highest that holds is known.

use crate::cli::capacity::CapacityArgs;
use crate::experiment::Site;
use crate::experiment::capacity::{self, Terms};
use crate::report::experiment::capacity::Conclusion;
use crate::report::store::RunDirectory;
use crate::run::Settings;
use crate::workload::Override;

use super::experiment::{self, Following};
use super::publish::Pages;
use super::{Exit, Failure, run};

/// Carries out `capacity`.
///
/// # Errors
/// Usage failures before anything is touched; whatever keeps a probe from being carried out.
pub fn run(args: &CapacityArgs) -> Result<Exit, Failure> {
    let settings = Settings::resolve(&args.common.workload, overrides(args)?).map_err(Failure::usage)?;
    experiment::say_notices(&settings);
    let terms = Terms {
        window: args.window.as_duration(),
        budget: args.budget.as_duration(),
        seed: experiment::seed(&args.common)?,
    };
    terms.check(&settings.workload).map_err(Failure::usage)?;
    say_what_comes(&settings, &terms);
    let (identity, stop) = experiment::begin()?;
    let name = format!("{}-capacity", settings.workload.name);
    let directory =
        RunDirectory::create(&args.common.out, &name, identity.started_unix_us, &identity.run_id)?;
    let found = run::with_server(&settings, &stop, |server| {
        let site = Site { server, directory: &directory, identity: &identity, stop: &stop };
        capacity::search(&site, &settings, &terms, &mut Following::default())
    });
    let pages = Pages::store(&directory);
    directory.clone().discard_if_empty();
    let (experiment, conclusion) = found.inspect_err(|_| pages.say_what_is_kept())?;
    experiment::show(&experiment, args.common.json, (&directory, &pages), None)?;
    match stop.reason() {
        Some(reason) => Ok(Exit::Stopped(reason)),
        None => Ok(exit(conclusion)),
    }
}

fn overrides(args: &CapacityArgs) -> Result<Vec<Override>, Failure> {
    let mut all = experiment::overrides(&args.common)?;
    if let Some(rate) = &args.start_rate {
        all.push(Override::flag("--start-rate", "load.rate", rate.clone()));
    }
    if let Some(slo) = &args.slo {
        all.push(Override::flag("--slo", "thresholds", as_table(slo).map_err(Failure::usage)?));
    }
    Ok(all)
}

/// A list of conditions as the table that the workload file has of them.
fn as_table(slo: &str) -> anyhow::Result<String> {
    let mut entries: Vec<(&str, String)> = Vec::new();
    for condition in slo.split(',').map(str::trim) {
        let sign = condition.find(['<', '>', '=']).ok_or_else(|| {
            anyhow::anyhow!(
                "--slo: {condition:?} compares nothing: write conditions as in [thresholds], with commas in between, such as \
                 --slo 'search.response.p99 < 20ms, errors < 0.1%'"
            )
        })?;
        let (metric, bound) = (condition[..sign].trim(), condition[sign..].trim());
        let is_there = entries.iter().any(|(before, _)| *before == metric);
        anyhow::ensure!(!is_there, "--slo: {metric:?} has two conditions: keep one");
        let text = |text: &str| toml::Value::from(text).to_string();
        entries.push((metric, format!("{} = {}", text(metric), text(bound))));
    }
    let entries: Vec<String> = entries.into_iter().map(|(_, entry)| entry).collect();
    Ok(format!("{{ {} }}", entries.join(", ")))
}

fn say_what_comes(settings: &Settings, terms: &Terms) {
    let seconds = |time: std::time::Duration| crate::units::Nanos::from(time);
    let conditions: Vec<&str> =
        settings.workload.thresholds.iter().map(|threshold| threshold.expression.as_str()).collect();
    super::say(&format!(
        "capacity of {}: windows of {} after {} at their rate, {} in all at most, until {} hold in half of them (seed {})",
        settings.workload.name,
        seconds(terms.window),
        seconds(terms.warmup()),
        seconds(terms.budget),
        conditions.join(" and "),
        terms.seed
    ));
    if terms.window < Terms::DEFINED {
        super::say(&format!(
            "note: windows of {} differ more than those of {}, by which the capacity is defined: it may come out lower or higher",
            seconds(terms.window),
            seconds(Terms::DEFINED)
        ));
    }
}

fn exit(conclusion: Conclusion) -> Exit {
    match conclusion {
        Conclusion::Found | Conclusion::Stopped => Exit::Done,
        Conclusion::HoldsAtNoRate => Exit::NotMet,
        Conclusion::GeneratorGaveUp | Conclusion::BudgetSpent | Conclusion::Untrusted => Exit::Untrusted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_as_the_table_of_thresholds() {
        let table = as_table("search.response.p99 < 20ms, errors<0.1%").unwrap();
        assert_eq!(table, r#"{ "search.response.p99" = "< 20ms", "errors" = "<0.1%" }"#);
        assert!(as_table("search.response.p99").unwrap_err().to_string().contains("compares nothing"));
        assert!(as_table("errors < 1%, errors < 2%").unwrap_err().to_string().contains("two conditions"));
    }
}
