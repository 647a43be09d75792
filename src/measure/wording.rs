//! The words of every finding: its cause, its remedy, and its numbers in a sentence.

use std::fmt;

use super::endpoints::Tail;
use super::finding::{Bottleneck, Finding, Lateness, Load};

impl Finding {
    /// Why it probably is so, and what it does to the numbers.
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::NothingMeasured => "no request was due within the measured window",
            Self::Shortfall { .. } => {
                "the generator could not keep up with its own schedule, so the load was lighter than asked for"
            }
            Self::GeneratorLate { .. } => {
                "requests left the generator late, so part of the response times is its own and not the server's"
            }
            Self::GeneratorStopped { .. } => {
                "the process was stopped (SIGSTOP, a debugger, a paused container or machine) or got no core, so what was due meanwhile came late"
            }
            Self::GeneratorSaturated { load: Load::Open, .. } => {
                "that thread has no time left: requests leave late, and answers wait to be read, which counts as service"
            }
            Self::GeneratorSaturated { load: Load::Closed, .. } => {
                "that thread has no time left: the throughput is what the generator can do, not what the server can"
            }
            Self::ShortOfCpu { .. } => {
                "other threads held the cores when an answer came, so the generator read it late and the service time is too long"
            }
            Self::BusyMachine { .. } => {
                "programs other than milvus-load and its Milvus ran beside them: the times would be others without them"
            }
            Self::StolenTime { .. } => {
                "the host of this virtual machine is busy with others, or the machine's share of it is used up"
            }
            Self::ClockStep { .. } => {
                "the system clock was set, or the machine slept: times of day and links into traces do not fit the measured spans"
            }
            Self::Drift { .. } => {
                "the run did not settle: still warming up, caches filling, a collection that grows or is compacted, a backlog, or a machine that throttles"
            }
            Self::StreamLimit { .. } => {
                "the server allows only so many requests at once on a connection; the wait for a free place is in lag, never in service"
            }
            Self::ConnectionsLost { .. } => {
                "the server or something between closed them: it restarted, limits the age of connections, or crashed"
            }
            Self::UnevenRequests { .. } => {
                "each request goes to the connection with the fewest in flight: the slower or more often disconnected end gets fewer"
            }
            Self::UnevenP99 { .. } => {
                "a slow replica or node, or one that has more to do than the others: the p99 of the whole is mostly its p99"
            }
            Self::WaitedForStream { .. } => {
                "the server takes no more requests at once on these connections, or connections had to be made anew"
            }
            Self::NotSent { bottleneck: Bottleneck::Generator, .. } => {
                "the in-flight bound was filled mostly by requests that waited in the generator to be sent"
            }
            Self::NotSent { bottleneck: Bottleneck::Server, .. } => {
                "the server answered too slowly for this rate, so the in-flight bound was reached"
            }
            Self::TooFewSamples { .. } => {
                "fewer than 10 of the requests lie beyond that percentile, so chance would decide it"
            }
            Self::ServerGone => {
                "the server stopped, crashed, or cannot be reached any more: the numbers mix a server with its absence"
            }
            Self::ServerChanged { .. } => {
                "the address led to another server, or it was upgraded during the run"
            }
            Self::RowsMissing { .. } => {
                "somebody else changed the collection, or its set-up was not complete"
            }
            Self::NotIndexed { searches: true, .. } => {
                "there is no index, or it was still being built, so searches scanned those rows one by one"
            }
            Self::NotIndexed { searches: false, .. } => {
                "rows that were written before are not sealed or indexed yet; inserts, queries and gets do not ask the index"
            }
            Self::CollectionChanged { .. } => {
                "somebody else wrote to it, or the server was compacting or still building"
            }
            Self::CollectionGrew { .. } => {
                "the workload's own writes: later requests met a larger collection than earlier ones"
            }
            Self::Failures { .. } => "the server or the connection refused them",
            Self::Timeouts { .. } => {
                "the server did not answer within target.timeout, or not before the drain's end"
            }
            Self::FewHits { .. } => {
                "the filter or the partition holds too few rows, ef is below top_k, or rows were not there or not visible"
            }
            Self::BodiesLate { .. } => {
                "building them takes longer than the rate allows: these requests waited in the generator"
            }
            Self::CollectorMissing { .. } => {
                "nothing accepts OTLP there: the client's spans are lost, the measurement is not affected"
            }
            Self::NoCollector { .. } => {
                "nothing accepts OTLP at the default address, and no other one was named"
            }
            Self::SpansLost { .. } => {
                "the collector is too slow, refuses them, or went away: some slow requests have no trace"
            }
            Self::SharedCores => "the embedded Milvus runs on this machine, beside the generator",
            Self::CalibrationFailed { missed: 0, .. } => {
                "other work on this machine delays timers and sockets by more than the bound, so nothing is proved here"
            }
            Self::CalibrationFailed { .. } => {
                "known delays were measured wrong just before the run, and this machine's own noise does not explain it"
            }
            Self::WorkerFailed { .. } => {
                "the load generator itself broke down: the numbers are those of the part that was measured"
            }
            Self::ShardMissing { .. } => {
                "a process of the run ended early, was not started, or its record was left out: its part of the load, and what it saw of the server, is not in the numbers"
            }
            Self::RunDied { .. } => {
                "the process was killed, crashed, or the machine stopped: what it had written down by then is all there is, without the requests that were under way"
            }
            Self::Interrupted { .. } => {
                "a signal, or --abort-early: the numbers are those of the part that was measured"
            }
        }
    }

    /// What to do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::NothingMeasured => {
                "use a longer load.duration or a higher load.rate, and let the run get past its warm-up"
            }
            Self::Shortfall { .. } => {
                "lower load.rate, raise load.workers and load.connections, or use a machine with idle cores"
            }
            Self::GeneratorLate { .. } => {
                "raise load.connections or load.workers, lower the rate, or give the generator a machine of its own"
            }
            Self::GeneratorStopped { .. } => {
                "run again without interrupting it; see who stopped it, or what took the cores"
            }
            Self::GeneratorSaturated { .. } => {
                "raise load.workers (and load.connections with it) where cores are idle, else lower the load or use a larger machine"
            }
            Self::ShortOfCpu { .. } => {
                "give the generator a machine or cores of its own, stop other programs, or lower the load"
            }
            Self::BusyMachine { .. } => "stop them, or use a machine that nobody else uses",
            Self::StolenTime { .. } => "use a machine of fixed performance, or run again at another time",
            Self::ClockStep { .. } => {
                "run again, with the clock synchronized beforehand (NTP slews rather than steps) and sleep turned off"
            }
            Self::Drift { .. } => {
                "raise load.warmup until both ends agree, or look at the intervals to see what changed"
            }
            Self::StreamLimit { .. } => {
                "raise load.connections until requests in flight per connection stay below the server's limit"
            }
            Self::ConnectionsLost { .. } => {
                "look at the log of the server or proxy at the times of the failures"
            }
            Self::UnevenRequests { .. } => {
                "see why the ends differ (replicas, their machines); compare the p99 and requests of each under connections"
            }
            Self::UnevenP99 { .. } => {
                "aim --uri at the slow end alone and at another one, and compare; balance replicas and segments over the nodes"
            }
            Self::WaitedForStream { .. } => {
                "raise load.connections, or lower the rate; where connections were lost, look at the server's log"
            }
            Self::NotSent { bottleneck: Bottleneck::Generator, .. } => {
                "raise load.connections and load.workers, or lower load.rate"
            }
            Self::NotSent { bottleneck: Bottleneck::Server, .. } => {
                "lower load.rate to what the server can take, or raise load.max_in_flight to let more wait at the server"
            }
            Self::TooFewSamples { .. } => "raise load.duration or load.rate, or ask for a lower percentile",
            Self::ServerGone => "look at the server's log, then run again",
            Self::ServerChanged { .. } => "name one server that does not change during the run",
            Self::RowsMissing { .. } => {
                "set collection.prepare = \"always\" to build it anew, or use a collection of its own"
            }
            Self::NotIndexed { searches: true, .. } => {
                "flush the collection and wait until its index is built; for one that milvus-load made, collection.prepare = \"auto\" does both"
            }
            Self::NotIndexed { searches: false, .. } => {
                "nothing; where the building of the index should be over first, flush the collection and wait for it"
            }
            Self::CollectionChanged { .. } => {
                "make sure that nobody else writes, and wait until compaction is over"
            }
            Self::CollectionGrew { .. } => {
                "to keep searches comparable, keep the writes few against collection.rows"
            }
            Self::Failures { .. } => "see the errors by class; for capacity errors lower the rate",
            Self::Timeouts { .. } => "lower the rate, or raise target.timeout and load.drain",
            Self::FewHits { .. } => {
                "compare the filter with collection.rows, raise params.ef, or lower top_k"
            }
            Self::BodiesLate { .. } => "lower the insert rate or batch, or raise load.workers",
            Self::CollectorMissing { .. } => {
                "start the collector or correct trace.otlp_endpoint (OTEL_EXPORTER_OTLP_ENDPOINT)"
            }
            Self::NoCollector { .. } => {
                "start Jaeger (docker compose up -d jaeger), or name a collector in trace.otlp_endpoint or OTEL_EXPORTER_OTLP_ENDPOINT"
            }
            Self::SpansLost { .. } => "lower trace.sample_fraction, or give the collector more room",
            Self::SharedCores => "for numbers of a server of its own, name one with --uri",
            Self::CalibrationFailed { missed: 0, .. } => {
                "end other work on this machine, or use one with idle cores; `milvus-load calibrate` shows the table"
            }
            Self::CalibrationFailed { .. } => {
                "run `milvus-load calibrate`; where an idle machine shows the same, please report it with its --json"
            }
            Self::WorkerFailed { .. } => {
                "remove the cause that is named (for files or threads: raise ulimit -n or -u), then run again"
            }
            Self::ShardMissing { .. } => {
                "merge all shards; where one died, look into its output for the cause and run all of them again"
            }
            Self::RunDied { .. } => {
                "look into the system's log for the cause (out of memory?), then run again"
            }
            Self::Interrupted { .. } => "let the run end by itself for the full window",
        }
    }
}

/// What was found, with its numbers.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingMeasured => f.write_str("nothing was measured"),
            Self::Shortfall { stream, planned, offered } => {
                write!(f, "stream {stream}: {offered} of {planned} scheduled requests were offered in time")
            }
            Self::GeneratorLate { operation, late: Lateness { of, response, service } } => {
                write!(f, "{operation}: the generator's lateness moves the {of} from {service} to {response}")
            }
            Self::GeneratorStopped { longest } => {
                write!(f, "the generator did not run for {longest} at a time")
            }
            Self::GeneratorSaturated { worker, busy, on_core, .. } => write!(
                f,
                "worker {worker} had work to do for {:.0} % of the time, and a core for {:.0} %",
                busy * 100.0,
                on_core * 100.0
            ),
            Self::ShortOfCpu { operation, wait, service } => write!(
                f,
                "{operation}: the generator waited {wait} for a core on average, against a mean service of {service}"
            ),
            Self::BusyMachine { others, cores } => {
                write!(f, "other programs used {others:.2} of this machine's {cores} cores")
            }
            Self::StolenTime { share } => {
                write!(f, "the hypervisor took {:.0} % of this machine's time", share * 100.0)
            }
            Self::ClockStep { gained } => {
                write!(f, "the system clock moved by {gained} against the clock that measures")
            }
            Self::Drift { operation, first, last } => write!(
                f,
                "{operation}: the median response went from {first} in the first third of the window to {last} in the last"
            ),
            Self::StreamLimit { waits } => {
                write!(f, "{waits} requests waited because every connection was at the server's stream limit")
            }
            Self::ConnectionsLost { lost, failures } => {
                write!(f, "{lost} connections were lost")?;
                if *failures > 0 { write!(f, ", {failures} attempts to connect failed") } else { Ok(()) }
            }
            Self::UnevenRequests { most, least } => {
                write!(f, "{} got {} requests per connection, {} only {}", most.0, most.1, least.0, least.1)
            }
            Self::UnevenP99 { slowest: (slowest, slow), fastest: (fastest, fast) } => match slow {
                Tail::Answered(slow) => {
                    write!(f, "the p99 of {slowest} is {slow}, that of {fastest} only {fast}")
                }
                Tail::Unanswered => write!(
                    f,
                    "of {slowest}'s requests, 1 % or more did not succeed, so it has no p99; that of {fastest} is {fast}"
                ),
            },
            Self::WaitedForStream { operation, late: Lateness { of, response, service } } => write!(
                f,
                "{operation}: waiting for a free stream or a connection moves the {of} from {service} to {response}"
            ),
            Self::NotSent { operation, not_sent, offered, .. } => {
                write!(
                    f,
                    "{operation}: {not_sent} of {offered} requests were not sent, the in-flight bound was reached"
                )
            }
            Self::TooFewSamples { expression, offered, needed } => {
                write!(f, "threshold {expression:?} needs {needed} requests, {offered} were offered")
            }
            Self::ServerGone => f.write_str("the server cannot be reached at the end of the run"),
            Self::ServerChanged { before, after } => {
                write!(f, "the server was version {before} at the start and {after} at the end")
            }
            Self::RowsMissing { expected, found } => {
                write!(f, "the collection had {found} rows at the start, {expected} were expected")
            }
            Self::NotIndexed { unindexed, rows, .. } => {
                write!(f, "{unindexed} of {rows} rows were not indexed at the start")
            }
            Self::CollectionChanged { what, before, after } => {
                write!(
                    f,
                    "the collection changed during a run that only reads: {before} {what} at the start, {after} at the end"
                )
            }
            Self::CollectionGrew { before, after, unindexed } => {
                write!(f, "the collection grew from {before} to {after} rows")?;
                unindexed
                    .filter(|&rows| rows > 0)
                    .map_or(Ok(()), |rows| write!(f, ", {rows} of them not indexed"))
            }
            Self::Failures { operation, failed, offered, message } => {
                write!(f, "{operation}: {failed} of {offered} requests failed")?;
                message.as_ref().map_or(Ok(()), |message| write!(f, ", most often with {message:?}"))
            }
            Self::Timeouts { operation, timed_out, offered } => {
                write!(f, "{operation}: {timed_out} of {offered} requests timed out")
            }
            Self::FewHits { operation, expected, returned, short, empty } => {
                write!(
                    f,
                    "{operation}: {short} answers held less than they should, {empty} of them nothing; {returned} of \
                     {expected} hits or rows in all"
                )
            }
            Self::BodiesLate { count } => {
                write!(f, "{count} insert bodies were not ready when they were due")
            }
            Self::CollectorMissing { endpoint } => {
                write!(f, "no collector at {endpoint}, where one was asked for")
            }
            Self::NoCollector { endpoint } => write!(f, "no collector at {endpoint}: traces are not kept"),
            Self::SpansLost { recorded, dropped, failed } => {
                write!(f, "of {recorded} spans, {dropped} were dropped and {failed} not delivered")
            }
            Self::SharedCores => f.write_str("server and generator share this machine's cores"),
            Self::CalibrationFailed { judged, missed: 0, noisy } => {
                write!(f, "calibration: {noisy} of {judged} percentiles are off by this machine's own noise")
            }
            Self::CalibrationFailed { judged, missed, .. } => {
                write!(
                    f,
                    "calibration: {missed} of {judged} percentiles are off by more than bound and noise explain"
                )
            }
            Self::WorkerFailed { reason, after } => {
                write!(f, "the run ended after {after} of measuring, for a worker could not go on: {reason}")
            }
            Self::ShardMissing { missing, of } => {
                let named: Vec<String> = missing.iter().map(u32::to_string).collect();
                write!(f, "of {of} shards, {} missing: {}", missing.len(), named.join(", "))
            }
            Self::RunDied { after } => {
                write!(f, "the run died; of its window, {after} are known")
            }
            Self::Interrupted { after } => write!(f, "the run was stopped after {after} of measuring"),
        }
    }
}
