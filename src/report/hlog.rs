//! The report as an HdrHistogram interval log, format 1.3, for HdrHistogram's own tools.
//!
//! One line per interval, operation and number, tagged `search.response`; maxima are in milliseconds, as those
//! tools write and expect them (value unit ratio 1,000,000). Intervals without a value have no line.

use std::io::{self, Write};

use super::model::{Dist, RunReport};

/// # Errors
/// Where the writer fails.
pub fn render(report: &RunReport, out: &mut dyn Write) -> io::Result<()> {
    let run = &report.run;
    let started = run.started_unix_us as f64 / 1e6;
    writeln!(
        out,
        "#[Logged with milvus-load {}; run {}; values in ns, Interval_Max in ms]",
        line(&run.version),
        line(&run.id)
    )?;
    writeln!(out, "#[Histogram log format version 1.3]")?;
    writeln!(out, "#[StartTime: {started:.3} (seconds since epoch), {}]", line(&run.started))?;
    writeln!(out, "#[BaseTime: {started:.3} (seconds since epoch)]")?;
    writeln!(
        out,
        "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\""
    )?;
    for interval in &report.intervals {
        for (name, operation) in &interval.operations {
            let clocks =
                [("response", &operation.response), ("service", &operation.service), ("lag", &operation.lag)];
            for (clock, dist) in clocks {
                let Dist { histogram: Some(histogram), max_us, .. } = dist else { continue };
                let max_ms = max_us.unwrap_or_default() / 1e3;
                let (start, length) = (interval.start_s, interval.length_s);
                writeln!(out, "Tag={}.{clock},{start:.3},{length:.3},{max_ms:.6},{histogram}", tag(name))?;
            }
        }
    }
    Ok(())
}

/// A comment ends with its line.
fn line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// A tag holds no comma, space or line's end.
fn tag(name: &str) -> String {
    name.chars().map(|c| if c == ',' || c.is_whitespace() || c.is_control() { '_' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Timings;
    use crate::report::samples;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    fn log(report: &RunReport) -> Vec<u8> {
        let mut bytes = Vec::new();
        render(report, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn every_sample_reads_back_and_its_intervals_sum_to_the_run() {
        for (name, report) in samples::all() {
            let bytes = log(&report);
            let mut sum: Timings<u64> = Timings::new();
            for entry in IntervalLogIterator::new(&bytes) {
                let LogEntry::Interval(interval) = entry.expect(name) else { continue };
                let read = Timings::from_base64(interval.encoded_histogram(), 0).unwrap();
                if interval.tag().map(|tag| tag.as_str()) == Some("search.response") {
                    sum.merge(&read);
                }
            }
            let run = report.operations["search"].response.timings().unwrap();
            assert!(sum.buckets().eq(run.buckets()), "{name}");
        }
    }

    #[test]
    fn times_and_maxima_are_in_the_units_of_the_format() {
        let bytes = log(&samples::interrupted());
        let entries: Vec<_> = IntervalLogIterator::new(&bytes).map(Result::unwrap).collect();
        let start = std::time::Duration::from_micros(1_700_000_005_000_000);
        assert_eq!(entries[..2], [LogEntry::StartTime(start), LogEntry::BaseTime(start)]);
        let LogEntry::Interval(last) = entries.last().unwrap() else { panic!("no interval at the end") };
        assert_eq!((last.start_timestamp().as_secs(), last.duration().as_millis()), (7, 500));
        // Intervals are ordered by operation, then response, service, lag; a lag is 0.1 ms.
        assert_eq!((last.tag().unwrap().as_str(), last.max()), ("search.lag", 0.1));
    }
}
