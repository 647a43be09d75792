//! `milvus-load`: load for the Milvus vector database, latency measured from the intended start, and a trace for
//! every slow request.
//!
//! This page is the map of the crate. How to use the tool is in README.md; the binary is a page over this library, and
//! the library makes no promises to other programs: what people may rely on is the command line, the workload file and
//! report.json.
//!
//! # The way of the data
//!
//! ```text
//! workload.toml -> Workload -> Plan -> workers -> Sample -> Recorder -> Interval -> RunReport -> renderings
//!                               |        |          \-> slowest, exemplars -> spans, links -> attribution
//!                           Schedule   Transport
//! ```
//!
//! A file, the environment and the flags become one [`Workload`](workload::Workload), valid by construction. With a
//! server that is ready it becomes a [`Plan`](engine::Plan): all requests framed, all numbers drawn, before the clock
//! starts. Each worker is a thread with its own runtime, connections and recorder; it asks its share of the
//! [`Schedule`](engine::Schedule) when the next request is due, sends it, and turns what happened into one
//! [`Sample`](measure::Sample). Recorders are merged after the run, judged, and become one
//! [`RunReport`](report::RunReport), from which everything that is shown is rendered.
//!
//! Three moments of a request are told apart everywhere, and never only "latency": *intended* (when it was due), *sent*
//! (just before it goes to a connection with room) and *done* (its answer is whole). Response = done - intended,
//! service = done - sent, lag = sent - intended.
//!
//! # Rooms
//!
//! A room may use those named here and no others; `rooms_use_only_what_the_table_allows` reads this table.
//!
//! | room | answers | may use |
//! |---|---|---|
//! | [`units`] | in what unit | nothing |
//! | [`clock`] | when it is | units |
//! | [`random`] | what a seed means | nothing |
//! | [`grpc`] | what a status code means | nothing |
//! | [`workload`] | *what* to do | units, data |
//! | [`data`] | *which* vectors | random, units |
//! | [`milvus`] | *how* to talk to Milvus | units, workload, data, grpc |
//! | [`trace`] | *which* request it was | units, grpc |
//! | [`measure`] | *what* happened | units, trace, random |
//! | [`record`] | how a record is stored | units, trace, measure, random |
//! | [`engine`] | *when* to do it | units, clock, random, grpc, workload, data, milvus, trace, measure |
//! | [`truth`] | what the right numbers are | units, clock, random, workload, milvus |
//! | [`stats`] | what it *means* | random |
//! | [`report`] | *how* to show it | units, random, grpc, workload, trace, measure, stats |
//! | [`calibrate`] | whether the numbers are true | units, clock, random, workload, truth, measure, report |
//! | [`run`] | what *one run* is | units, clock, random, grpc, workload, data, milvus, trace, measure, record, engine, report |
//! | [`experiment`] | which runs answer a question | units, random, workload, milvus, trace, measure, engine, run, stats, report |
//! | [`doctor`] | why no trace shows up | units, grpc, workload, milvus, trace, engine, run, report |
//! | [`cli`] | what can be typed | units, workload, report, experiment, commands |
//! | [`commands`] | one file per subcommand | everything |
//!
//! **[`units`]**: spans of time, rates, fractions; parsing and showing them. *Not here:* any clock.
//! *Invariant:* a value that cannot be (a rate of 0, a fraction of 2) cannot be made, and what is shown carries its unit.
//! Guarded by `rates_and_fractions_refuse_the_impossible` and `durations_need_a_unit_and_are_exact_to_the_nanosecond`.
//!
//! **[`clock`]**, **[`random`]**, **[`grpc`]**: the run's clock and its alarm, the one hash behind every seed, gRPC's codes.
//! *Not here:* what they are used for. *Invariant:* no alarm fires early. Guarded by `it_never_wakes_early` and
//! `it_is_the_published_generator`.
//!
//! **[`workload`]**: the file's keys, precedence, and every reason why a workload cannot be run. *Not here:* what a
//! server says, when requests are sent. *Invariant:* nothing that was said is ignored: it is in force, or an error names
//! place, key and fix. Guarded by `wrong_files_are_refused_with_place_key_and_remedy` and
//! `flag_then_environment_then_file_then_default_whatever_the_order`.
//!
//! **[`data`]**: what a row or a query holds. *Not here:* its bytes on the wire. *Invariant:* every value is a pure
//! function of the seed and its place. Guarded by `a_vector_depends_on_seed_and_row_alone`.
//!
//! **[`milvus`]**: messages, the control session, pre-framed requests, the measured transport, errors, ownership,
//! readiness, the embedded server. *Not here:* when to send, and what the times mean. *Invariants:* the measured path
//! never retries and never decodes more than it needs; a collection is ours only by the mark that it carries, never by
//! its name, and what is another owner's is never changed unless that is asked for. Guarded by
//! `only_the_mark_makes_a_collection_ours`, `a_collection_of_another_owner_is_read_where_it_fits_and_never_changed` and
//! `a_search_reply_gives_the_sum_of_its_hits`.
//!
//! **[`trace`]**: IDs, sampling, headers, spans, their export, what Jaeger knows of them, traces that are kept, as files, and where a
//! request's time went by its trace. *Not here:* workloads; of Milvus no more than words in attributes and names of spans.
//! *Invariants:* tracing neither delays nor fails a request; every span is counted, also of those that others export to us, in bounded
//! memory; a kept trace is read back as it was; a request's rows sum to its response. Guarded by
//! `every_span_is_accounted_for_when_the_collector_hangs`, `every_span_is_booked_once_whatever_comes_in_whatever_order`,
//! `every_decision_is_the_sdks`, `what_is_kept_is_read_back_without_loss` and `every_nanosecond_is_told_as_the_rules_say`.
//!
//! **[`measure`]**: recording in fixed memory, percentiles, what is shown meanwhile, resources, the verdict. *Not here:* Milvus, the
//! workload file, any clock, anything that serializes. *Invariants:* offered = succeeded + failed + timed out + not sent;
//! intervals, stages and slots sum to the run; merged workers equal one that did it all; an unknown number has a reason and is
//! never 0; what is shown meanwhile are the response times of the report. Guarded by
//! `every_request_is_counted_once_and_in_its_phase`, `intervals_sum_to_the_run_exactly`,
//! `stages_sum_to_the_run_exactly`, `slots_sum_to_the_run_exactly`, `ten_million_requests_take_under_60_mb_and_less_than_1_mb_more_than_a_million`,
//! `merged_workers_equal_one_worker_that_did_it_all`, `the_times_shown_are_response_times_and_those_of_the_report` and
//! `a_failed_request_moves_every_percentile_up`.
//!
//! **[`record`]**: a record as lines of a file, and which records are the shards of one run. *Not here:* what a run is.
//! *Invariants:* what is read is what was written, and shards of any samples, written, read and merged in any order, equal one
//! recorder; bytes of unknown origin are read or refused with their line, in bounded memory. Guarded by
//! `shards_written_read_and_merged_in_any_order_equal_one_recorder` and
//! `a_record_with_other_bytes_in_it_is_read_or_refused`.
//!
//! **[`engine`]**: the schedule, the workers, the phases of a run. *Not here:* bytes, and percentiles.
//! *Invariants:* the same seed gives the same arrivals and operations whatever the number of shards and workers, each stage the
//! integral of its rate, each request is treated as the slot in which it was due says, and the traces that are kept are those of
//! the requests that the record names. Guarded by
//! `arrivals_operations_and_queries_are_the_same_for_any_number_of_workers`,
//! `shards_of_any_number_and_unequal_workers_send_together_what_one_process_sends`,
//! `constant_arrivals_of_a_stage_are_the_integral_of_its_rate`, `what_is_kept_is_what_the_merged_recorders_keep` and
//! `under_a_backlog_every_request_has_the_header_and_the_span_of_the_slot_in_which_it_was_due`.
//!
//! **[`truth`]**: a server on loopback whose delays and stalls are known beforehand. *Not here:* anything that
//! measures a client. *Invariant:* no answer leaves before its law says so, and the server logs by how much later.
//! Guarded by `answers_leave_when_the_law_says_or_as_much_later_as_the_log_admits`.
//!
//! **[`report`]**: the report's shape, where it is kept, thresholds, why slow requests were slow, one file per format. *Not here:* servers, clocks,
//! the environment. *Invariants:* what is written fits the published schema, within `/1` fields are only added, and
//! only [`report::model`] serializes for it. Guarded by `every_report_that_is_written_fits_the_published_schema`,
//! `every_null_has_a_reason_and_every_reason_a_null` and `the_committed_example_is_read_and_fits_the_schema`. In a page, no foreign
//! text is markup or followed unless it is a link to the web: `no_foreign_text_is_markup_wherever_it_stands`. Whatever lies in a
//! directory of reports, its index is bounded, there whole or not at all, and over nobody else's file:
//! `of_two_thousand_reports_the_newest_are_read_and_the_page_stays_small`, `of_many_at_once_none_is_missed_and_nothing_partial_is_left` and
//! `a_page_of_somebody_else_is_never_written_over`.
//!
//! **[`calibrate`]**: servers of known delays, what a perfect measurement of them would say, and the judging of a real one
//! against it and this machine's own noise. *Not here:* driving the engine. *Invariant:* nothing that was measured goes
//! into a truth. Guarded by `the_truth_is_that_of_the_published_closed_forms`.
//!
//! **[`run`]**: a server, a collection made ready on it, the load, what was seen, the report. *Not here:* arguments, exit codes, a
//! terminal. *Invariants:* runs that follow each other on one collection share what was made for them, and nothing
//! is prepared twice; two runs of one user on this machine never work on one collection. Guarded by
//! `two_runs_follow_each_other_on_one_server_and_nothing_is_prepared_again` and
//! `a_second_run_on_a_collection_is_told_who_has_it_and_touches_nothing`.
//!
//! **[`stats`]**: intervals, comparisons, designs. *Not here:* clocks, input and output, Milvus. *Invariant:* every error rate
//! and coverage that is claimed is simulated.
//!
//! **[`experiment`]**: which runs, in which order, and what is asked of their reports. *Not here:* statistics themselves. *Invariant:*
//! the order of all that is compared is drawn from a seed that is told. Guarded by
//! `each_pair_holds_both_and_each_comes_first_equally_often` and `every_point_is_run_with_its_settings_in_an_order_that_is_drawn`.
//!
//! **[`doctor`]**: the way of a trace checked link by link, every cause with its signal and its one fix. *Not here:* how it is shown.
//! *Invariants:* each cause is told apart by a signal of its own; nothing of a server's settings but `trace` is kept. Guarded by
//! `where_nothing_comes_each_signal_has_its_cause`, `each_way_not_to_be_a_collector_has_its_cause` and
//! `the_keys_of_trace_are_read_in_every_spelling_and_no_other_is`.
//!
//! **[`cli`]** and **[`commands`]**: definitions, and one sentence per subcommand over the other rooms. *Not here:*
//! anything that another command could need too. *Invariant:* errors come back as values, and only `main` exits (and
//! the second Ctrl-C); where several exit codes apply, one order decides. Guarded by
//! `signals_prevail_over_distrust_and_distrust_over_thresholds`.
//!
//! # Where to start
//!
//! - **A key of the workload file**: its row in `workload/keys.rs` (type, range, default, sentence: errors, schema,
//!   `init` and `--dry-run` draw on it), then `workload/build/` and [`workload::Workload`].
//! - **An operation** (`query`, `delete`): a file in `workload/operations/` (what the workload says of it), its keys in
//!   `workload/keys.rs`, and a file in `milvus/ops/` (its frames and its answer). Nothing else tells operations apart.
//! - **A vector type**: a file in `data/vectors/` (its bytes and its source), a line in `milvus/vectors.rs` (its wire form) and
//!   in `workload/vector.rs` (its metrics and indexes).
//! - **Something that makes numbers doubtful**: a variant of [`measure::Finding`] with cause and remedy, the value it is
//!   judged by in [`measure::Evidence`], the rule in `measure/verdict.rs` or `measure/surroundings.rs`, the gathering in
//!   `run/evidence.rs`, its row in docs/findings.md.
//! - **A cause that `doctor` finds**: a variant of [`doctor::Cause`] with code, problem and fix, the signal in the file of `doctor/` that
//!   sees it, its row in docs/doctor.md.
//! - **A number in the report**: its field in [`report::model`] with unit and meaning (and a default, so that older
//!   reports are still read), filled in `report/from_recorded.rs` or `report/from_run.rs`, then the renderers.
//! - **A format of the report**: a file beside `report/csv.rs` that sees a [`report::RunReport`] and a writer, run over
//!   all of `report/samples.rs`; then [`cli::Format`] and `commands/report.rs`.
//! - **A part of a page**: a file in `report/html/run/` or `report/html/experiment/`, of the parts in `report/html/`; colours in `style.css` alone.
//! - **A column of the index**: its field in `report/index/run.rs`, its cell in `report/html/index/row.rs`.
//!
//! # What holds everywhere
//!
//! - Deciding is pure (schedule, verdict, thresholds, renderers); doing is thin (pacer, transport, files).
//! - While measuring, no worker waits for another, and nobody for a terminal: the live counters and the queue of spans are
//!   written without waiting, and all that is read of other workers is the newest write's timestamp (for session consistency).
//!   Guarded by `a_terminal_that_takes_nothing_stops_nobody_and_is_given_whole_drawings_later`.
//! - A secret ([`workload::Secret`]) has no way into a `Debug`, a message, a span or a report.
//! - The words of a server or a collector reach a terminal through [`report::terminal::clean`] alone. Guarded by
//!   `nothing_that_is_left_steers_whatever_comes_in`.
//! - Tests of numbers have an oracle of their own: published constants, brute force, or [`truth`].

pub mod calibrate;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod data;
pub mod doctor;
pub mod engine;
pub mod experiment;
pub mod grpc;
pub mod measure;
pub mod milvus;
pub mod random;
pub mod record;
pub mod report;
pub mod run;
pub mod stats;
pub mod trace;
pub mod truth;
pub mod units;
pub mod workload;
