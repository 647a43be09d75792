//! A calibration as tables in a terminal.

use std::io::{self, Write};

use super::super::model::{
    Calibration, CalibrationRow, CalibrationScenario, LateTimes, MachineFigures, Proof, RowOutcome,
};
use super::WIDTH;
use super::sections::span;
use super::table::{Cell, Style, Tone, grouped, table, wrap};
use super::words::clean;

/// # Errors
/// Where the writer fails.
pub fn render(calibration: &Calibration, style: Style, out: &mut dyn Write) -> io::Result<()> {
    header(calibration, style, out)?;
    rows(calibration, style, out)?;
    surroundings(calibration, style, out)?;
    calibration.figures.as_ref().map_or(Ok(()), |figures| machine(figures, style, out))
}

/// The verdict in one line.
pub fn sentence(calibration: &Calibration) -> String {
    let count = |outcome| calibration.count(outcome);
    let (noisy, missed) = (count(RowOutcome::TooNoisy), count(RowOutcome::Miss));
    let judged = count(RowOutcome::Ok) + noisy + missed;
    let reasons = match calibration.proof {
        Proof::Proved => format!("all {judged} percentiles are the true ones, within their bounds"),
        Proof::TooNoisy => format!("{noisy} of {judged} percentiles are off by this machine's own noise"),
        Proof::Wrong => {
            format!("{missed} of {judged} percentiles are off by more than bound and noise explain")
        }
    };
    format!("calibration: {}: {reasons}", calibration.proof.name())
}

fn header(calibration: &Calibration, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let tone = match calibration.proof {
        Proof::Proved => Tone::Good,
        Proof::TooNoisy => Tone::Warning,
        Proof::Wrong => Tone::Bad,
    };
    writeln!(out, "{}", style.paint(tone, &sentence(calibration)))?;
    let machine = &calibration.machine;
    let cores = if machine.cores == 1 { "core" } else { "cores" };
    let cpu = machine.cpu.as_ref().map_or_else(String::new, |cpu| format!(", {}", clean(cpu)));
    let text = format!("{} {cores}, {}{cpu}", machine.cores, clean(&machine.os));
    writeln!(out, "  {}  {text}", style.paint(Tone::Dim, "machine"))?;
    writeln!(out, "  {}  {}", style.paint(Tone::Dim, "started"), clean(&calibration.started))
}

fn rows(calibration: &Calibration, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let heading = ["scenario", "response", "truth", "measured", "off by", "bound", "floor", "worst", ""];
    let mut lines = vec![heading.map(Cell::from).to_vec()];
    for scenario in &calibration.scenarios {
        for (index, row) in scenario.rows.iter().enumerate() {
            let name = if index == 0 { clean(&scenario.name) } else { String::new() };
            lines.push(line(name, row));
        }
    }
    writeln!(out)?;
    table(out, style, 2, &lines)?;
    explain(
        "truth: of this run's own delays and stalls, composed with its schedule; bound: 1% of it, at least 100 us; \
         floor: what bare round trips (two timers, loopback, nothing of milvus-load) add to the truth at that \
         percentile at the same time; worst: the same in the worst of 100 replays; ok: off by no more than bound and \
         floor, whose noise is within the bound; too noisy: off by no more than bound and worst",
        style,
        out,
    )
}

fn line(name: String, row: &CalibrationRow) -> Vec<Cell> {
    let tone = match row.outcome {
        RowOutcome::Ok => Tone::Good,
        RowOutcome::TooNoisy => Tone::Warning,
        RowOutcome::Miss => Tone::Bad,
        RowOutcome::NotJudged => Tone::Dim,
    };
    let measured = match (row.measured_us, row.unknown) {
        (Some(micros), _) => span(micros),
        (None, Some(reason)) => reason.name().replace('_', " "),
        (None, None) => "unknown".to_owned(),
    };
    let time = |micros: Option<f64>| Cell::from(micros.map_or_else(|| "-".to_owned(), span));
    vec![
        Cell(name, Tone::Strong),
        clean(&row.percentile).into(),
        span(row.truth_us).into(),
        measured.into(),
        row.off_us.map_or_else(|| "-".to_owned(), signed).into(),
        span(row.bound_us).into(),
        time(row.floor_us),
        time(row.worst_us),
        Cell(row.outcome.name().to_owned(), tone),
    ]
}

fn surroundings(calibration: &Calibration, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let heading = ["scenario", "delays", "rate", "base", "lag p50", "p99", "late p50", "p99"];
    let mut lines = vec![heading.map(Cell::from).to_vec()];
    for scenario in &calibration.scenarios {
        let CalibrationScenario { name, delays, lag, server_late, .. } = scenario;
        lines.push(vec![
            Cell(clean(name), Tone::Strong),
            clean(delays).into(),
            format!("{}/s", grouped(scenario.rate_per_s.round() as u64)).into(),
            span(scenario.base_us).into(),
            known(lag.p50_us),
            known(lag.p99_us),
            known(server_late.p50_us),
            known(server_late.p99_us),
        ]);
    }
    writeln!(out)?;
    table(out, style, 2, &lines)?;
    unanswered(calibration, style, out)?;
    let columns = "base: the median bare round trip, which every response takes beyond its true time; lag: how \
                   late the generator sent; late: how late the server answered, by its own log: part of what is \
                   measured, not of truth or floor";
    explain(&format!("{}{columns}", repeated(calibration)), style, out)
}

/// Which scenarios were measured more than once, as a sentence to go on from.
fn repeated(calibration: &Calibration) -> String {
    let repeated = calibration.scenarios.iter().filter(|scenario| scenario.tries > 1);
    let names: Vec<String> =
        repeated.map(|scenario| format!("{} {} times", clean(&scenario.name), scenario.tries)).collect();
    if names.is_empty() {
        return String::new();
    }
    format!(
        "measured again because of misses: {}; what was missed in only some tries is too noisy; ",
        names.join(", ")
    )
}

/// Scenarios of which some requests were not answered: every percentile has them as infinitely slow.
fn unanswered(calibration: &Calibration, style: Style, out: &mut dyn Write) -> io::Result<()> {
    for scenario in calibration.scenarios.iter().filter(|scenario| scenario.succeeded < scenario.planned) {
        let CalibrationScenario { name, planned, succeeded, .. } = scenario;
        let line =
            format!("{}: {} of {} requests answered", clean(name), grouped(*succeeded), grouped(*planned));
        writeln!(out, "  {}", style.paint(Tone::Bad, &line))?;
    }
    Ok(())
}

fn machine(figures: &MachineFigures, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let heading = ["pacing", "lag p50", "p99", "max", "bare loop p50", "p99", "max", "p99 ratio"];
    let mut lines = vec![heading.map(Cell::from).to_vec()];
    for pacing in &figures.pacing {
        let times = |late: &LateTimes| [late.p50_us, late.p99_us, late.max_us].map(known);
        let ratio = pacing.lag.p99_us.zip(pacing.bare.p99_us).filter(|(_, bare)| *bare > 0.0);
        let ratio = ratio.map_or_else(|| "-".to_owned(), |(lag, bare)| format!("{:.2}", lag / bare));
        let rate = Cell(format!("{}/s", grouped(pacing.rate_per_s.round() as u64)), Tone::Strong);
        let row = [rate].into_iter().chain(times(&pacing.lag)).chain(times(&pacing.bare));
        lines.push(row.chain([ratio.into()]).collect());
    }
    writeln!(out)?;
    table(out, style, 1, &lines)?;
    let held = match (figures.holds_per_s, figures.holds_is_limit) {
        (Some(rate), false) => format!("{}/s", grouped(rate as u64)),
        (Some(rate), true) => format!("{}/s or more", grouped(rate as u64)),
        (None, _) => format!("less than {}/s", grouped(figures.lowest_tried_per_s.round() as u64)),
    };
    let time = |micros: Option<f64>| known(micros).0;
    let facts = [
        (
            "smallest service time",
            format!("{}, median {}", time(figures.service_min_us), time(figures.service_p50_us)),
        ),
        ("highest rate held", held),
        ("worker CPU per request", time(figures.worker_cpu_us_per_request)),
    ];
    writeln!(out)?;
    for (label, text) in facts {
        writeln!(out, "  {}  {text}", style.paint(Tone::Dim, &format!("{label:<22}")))?;
    }
    explain(
        "against a server on this machine that answers at once: one request at a time; lag p99 up to 1 ms and 99% of the \
         schedule answered; 64 under way on 4 connections",
        style,
        out,
    )
}

fn explain(text: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
    wrap(text, WIDTH - 2).iter().try_for_each(|line| writeln!(out, "  {}", style.paint(Tone::Dim, line)))
}

fn known(micros: Option<f64>) -> Cell {
    micros.map_or(Cell("too few".to_owned(), Tone::Dim), |micros| span(micros).into())
}

/// With its sign: `+210 us`.
fn signed(micros: f64) -> String {
    format!("{}{}", if micros < 0.0 { '-' } else { '+' }, span(micros.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn text(calibration: &Calibration) -> String {
        let mut bytes = Vec::new();
        render(calibration, Style::Plain, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[track_caller]
    fn has(text: &str, wanted: &str) {
        let squeezed: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert!(squeezed.iter().any(|line| line == wanted), "no {wanted:?} in\n{text}");
    }

    #[test]
    fn every_row_shows_truth_measured_floor_and_what_that_means() {
        let text = text(&samples::calibration());
        has(&text, "calibration: WRONG: 1 of 3 percentiles are off by more than bound and noise explain");
        has(&text, "constant p50 2.00 ms 2.15 ms +150 us 100 us 140 us 210 us ok");
        has(&text, "p90 2.00 ms 3.00 ms +1.00 ms 100 us 1.50 ms 2.25 ms too noisy");
        has(&text, "p99 500 ms 400 ms -100 ms 5.00 ms 2.00 ms 3.00 ms MISS");
        has(&text, "p99.9 1.00 s too few - 10.0 ms - - not judged");
        has(&text, "constant 2 ms, stops 1 s in 5 s 1,000/s 140 us 60.0 us 800 us 30.0 us 1.20 ms");
        has(&text, "constant: 14,999 of 15,000 requests answered");
        has(&text, "10,000/s 40.0 us 300 us 2.00 ms 25.0 us 200 us 1.00 ms 1.50");
        has(&text, "highest rate held 22,627/s");
        assert!(text.contains("measured again because of misses: constant 3 times"), "{text}");
    }

    #[test]
    fn no_line_is_wider_than_a_hundred_columns() {
        for line in text(&samples::calibration()).lines() {
            assert!(line.chars().count() <= WIDTH, "{line:?}");
        }
    }

    #[test]
    fn one_sentence_tells_the_verdict() {
        let proved = Calibration { proof: Proof::Proved, scenarios: vec![], ..samples::calibration() };
        assert!(sentence(&proved).starts_with("calibration: proved: all 0"));
        let noisy = Calibration { proof: Proof::TooNoisy, ..samples::calibration() };
        assert!(sentence(&noisy).contains("1 of 3 percentiles are off by this machine's own noise"));
    }
}
