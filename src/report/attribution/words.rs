//! What rows mean, in plain words.

use crate::report::model::RowKind;
use crate::trace::attribution::{Part, Row};

/// Spans by the ends of their names.
const SPANS: [(&str, &str); 9] = [
    ("Delegator-waitTSafe", "the wait for the time tick"),
    ("SegCoreSearch", "segment search"),
    ("SegCoreRetrieve", "segment retrieval"),
    ("AllocTimestamp", "the timestamp oracle"),
    ("GetShardLeaders", "looking up the shards' leaders"),
    ("SendMsg", "the write to the log"),
    ("-PreExecute", "validation and planning"),
    ("-PostExecute", "merging the shards' results"),
    ("-Search-Execute", "the fan-out to the shards"),
];

/// A span's own time before a child whose name ends so, where its own name does.
const BEFORE: [((&str, &str), &str); 3] = [
    (("", "Task"), "the proxy's queue"),
    (("Task", "-PreExecute"), "the proxy's queue"),
    (("", "SegCoreSearch"), "the query node's queue"),
];

/// For a sentence: `the wait for the time tick`.
pub(super) fn words(row: &Row) -> String {
    let (name, part) = match row {
        Row::Lag => return "the generator's own lateness".to_owned(),
        Row::Outside => return "outside Milvus (network)".to_owned(),
        Row::WithAnother => return "searched with another request".to_owned(),
        Row::Span { name, part, .. } => (&**name, part),
    };
    match part {
        Part::Whole => span(name).to_owned(),
        Part::AfterLast => format!("{}, at its end", span(name)),
        Part::Before(next) => {
            let both =
                |((own, before), _): &&((&str, &str), &str)| name.ends_with(own) && next.ends_with(before);
            BEFORE.iter().find(both).map_or_else(
                || format!("{}, before {}", span(name), span(next)),
                |(_, words)| (*words).to_owned(),
            )
        }
    }
}

/// Of a call, which is named with its package and service, the method alone.
fn span(name: &str) -> &str {
    let method = name.rsplit('/').next().unwrap_or(name);
    SPANS.iter().find(|(end, _)| name.ends_with(end)).map_or(method, |(_, words)| words)
}

pub(super) const fn kind(row: &Row) -> RowKind {
    match row {
        Row::Lag => RowKind::Lag,
        Row::Outside => RowKind::OutsideMilvus,
        Row::WithAnother => RowKind::SearchedWithAnother,
        Row::Span { .. } => RowKind::Span,
    }
}

/// What made the generator late, by what the verdict found, the first of these that it did.
const LATENESS: [(&str, &str); 8] = [
    ("generator_stopped", "the process was stopped, or got no core"),
    ("stolen_time", "stolen time: the host of this virtual machine was busy with others"),
    ("busy_machine", "a busy neighbour: other programs held this machine's cores"),
    ("generator_saturated", "too few workers: a worker thread had no time left"),
    ("short_of_cpu", "a busy neighbour: worker threads waited for a core"),
    ("waited_for_stream", "requests waited for a free stream or a connection"),
    ("stream_limit", "requests waited for a free stream"),
    ("bodies_late", "bodies of inserts were not built in time"),
];

/// By the codes of the verdict's findings.
pub(super) fn lateness<'a>(codes: impl Iterator<Item = &'a str> + Clone) -> Option<&'static str> {
    LATENESS.iter().find(|(code, _)| codes.clone().any(|found| found == *code)).map(|(_, words)| *words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::spans::Kind;

    #[test]
    fn spans_of_milvus_are_told_by_what_they_do_and_others_by_their_names() {
        let told = |name: &str, part: Part| {
            words(&Row::Span { service: "standalone".into(), name: name.into(), kind: Kind::Internal, part })
        };
        let before = |next: &str| Part::Before(next.into());
        let call = |method: &str| format!("milvus.proto.milvus.MilvusService/{method}");
        for (found, expected) in [
            (told("Delegator-waitTSafe", Part::Whole), "the wait for the time tick"),
            (told(&call("AllocTimestamp"), Part::Whole), "the timestamp oracle"),
            (told(&call("Search"), before("Proxy-Search")), "Search, before Proxy-Search"),
            (
                told("Proxy-Search", before(&call("AllocTimestamp"))),
                "Proxy-Search, before the timestamp oracle",
            ),
            (told("Proxy-Search", before("SearchTask")), "the proxy's queue"),
            (told("InsertTask", before("Proxy-Insert-PreExecute")), "the proxy's queue"),
            (told("Proxy-Search-Execute", before("SegCoreSearch")), "the query node's queue"),
            (told("Proxy-Search-Execute", Part::AfterLast), "the fan-out to the shards, at its end"),
            (
                told("Proxy-Insert-Execute", before("SendMsg")),
                "Proxy-Insert-Execute, before the write to the log",
            ),
            (told("of a gateway", Part::Whole), "of a gateway"),
        ] {
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn of_several_findings_the_one_that_explains_most_is_told() {
        assert_eq!(lateness(["shared_cores", "failures"].into_iter()), None);
        let told = lateness(["generator_saturated", "stolen_time"].into_iter());
        assert!(told.unwrap().starts_with("stolen time"));
        assert!(
            lateness(["short_of_cpu", "generator_saturated"].into_iter())
                .unwrap()
                .starts_with("too few workers")
        );
    }
}
