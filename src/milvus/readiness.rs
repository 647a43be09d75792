//! Whether a collection is *really* ready.
//!
//! "Index finished" and "load progress 100" are said by 2.3 all along, even with every row still pending. The sound gate
//! is what the parts say together: rows indexed as expected and none pending, and the query nodes holding only sealed
//! segments, indexed where they are large enough to be, whose rows sum to what was inserted.

use std::fmt;

use super::Session;
use super::described::DescribedIndex;
use super::errors::MilvusError;
use super::proto::common::SegmentState;
use super::proto::milvus::{IndexDescription, QuerySegmentInfo};

/// Milvus never indexes a segment with fewer rows (`indexCoord.segment.minSegmentNumRowsToEnableIndex`).
const MIN_ROWS_TO_INDEX: i64 = 1024;

/// Segments as the query nodes hold them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segments {
    pub sealed: u64,
    pub growing: u64,
    /// Sealed, and with an index or too small for one.
    pub indexed: u64,
    /// Rows in all of them.
    pub rows: u64,
}

impl Segments {
    /// Counts what GetQuerySegmentInfo lists.
    pub fn count(infos: &[QuerySegmentInfo]) -> Self {
        let mut segments = Self::default();
        for info in infos {
            // A server may tell anything.
            segments.rows = segments.rows.saturating_add(info.num_rows.max(0) as u64);
            if info.state() == SegmentState::Sealed {
                segments.sealed += 1;
                segments.indexed +=
                    u64::from(!info.index_name.is_empty() || info.num_rows < MIN_ROWS_TO_INDEX);
            } else {
                segments.growing += 1;
            }
        }
        segments
    }

    /// With this index: under one that compares with every row, no segment lacks anything.
    fn under(self, index: Option<&IndexDescription>) -> Self {
        if index.is_some_and(is_brute_force) { Self { indexed: self.sealed, ..self } } else { self }
    }
}

/// Index types that compare with every row: "built" at once, and nothing that a query node could load.
const BRUTE_FORCE: [&str; 2] = ["FLAT", "BIN_FLAT"];

fn is_brute_force(index: &IndexDescription) -> bool {
    let kind = index.params.iter().find(|pair| pair.key == "index_type");
    kind.is_some_and(|kind| BRUTE_FORCE.contains(&kind.value.as_str()))
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexProgress {
    /// Rows in the index.
    pub indexed: u64,
    /// Rows there are.
    pub total: u64,
    /// Rows waiting.
    pub pending: u64,
}

impl IndexProgress {
    /// What DescribeIndex says.
    pub fn of(index: &IndexDescription) -> Self {
        let count = |rows: i64| rows.max(0) as u64;
        Self {
            indexed: count(index.indexed_rows),
            total: count(index.total_rows),
            pending: count(index.pending_index_rows),
        }
    }

    /// Whether `rows` rows are indexed and none waits.
    pub const fn is_complete(&self, rows: u64) -> bool {
        self.indexed >= rows && self.total >= rows && self.pending == 0
    }
}

/// What is known of a collection's readiness at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readiness {
    pub expected_rows: u64,
    /// How far the vector field's index is; `None` where it has none.
    pub index: Option<IndexProgress>,
    /// That index, as the server describes it.
    pub described: Option<DescribedIndex>,
    /// Load and refresh progress, 0 to 100.
    pub loading: (i64, i64),
    /// `None` where the server does not tell.
    pub segments: Option<Segments>,
}

/// Something a collection still lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    Index,
    /// Rows not indexed yet.
    IndexedRows(IndexProgress, u64),
    /// Not loaded yet: load and refresh progress.
    Loading(i64, i64),
    /// Segments that still grow.
    Growing(u64),
    /// Sealed segments without their index.
    Unindexed(u64),
    /// Rows on the query nodes, and rows wanted.
    Rows(u64, u64),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index => write!(f, "no index on the vector field"),
            Self::IndexedRows(index, rows) => {
                write!(f, "{} of {rows} rows indexed, {} pending", index.indexed, index.pending)
            }
            Self::Loading(progress, refresh) => write!(f, "loaded {progress} %, refreshed {refresh} %"),
            Self::Growing(segments) => write!(f, "{segments} segment(s) still growing on the query node"),
            Self::Unindexed(segments) => write!(f, "{segments} sealed segment(s) without their index"),
            Self::Rows(found, wanted) => write!(f, "{found} of {wanted} rows on the query node"),
        }
    }
}

impl Readiness {
    /// Asks the server. Of several indexes, that of the field `vector` counts and no other: nothing else is searched.
    ///
    /// # Errors
    /// See [`MilvusError`]; a server without GetQuerySegmentInfo is not an error.
    pub async fn ask(
        session: &Session,
        (collection, vector): (&str, &str),
        expected_rows: u64,
    ) -> Result<Self, MilvusError> {
        let indexes = session.describe_indexes(collection).await?;
        let index = index_of(&indexes, vector);
        let segments = match session.query_segments(collection).await {
            Ok(infos) => Some(Segments::count(&infos).under(index)),
            Err(error) if error.is_unimplemented() => None,
            // 2.3 answers so while the collection is not loaded.
            Err(error) if error.is_retriable() => Some(Segments::default()),
            Err(error) => return Err(error),
        };
        Ok(Self {
            expected_rows,
            index: index.map(IndexProgress::of),
            described: index.map(DescribedIndex::of),
            loading: session.loading_progress(collection).await?,
            segments,
        })
    }

    /// All that is missing; empty means ready.
    pub fn missing(&self) -> Vec<Missing> {
        let rows = self.expected_rows;
        let mut missing = Vec::new();
        match self.index {
            None => missing.push(Missing::Index),
            Some(index) if !index.is_complete(rows) => missing.push(Missing::IndexedRows(index, rows)),
            Some(_) => {}
        }
        let (progress, refresh) = self.loading;
        if progress < 100 || refresh < 100 {
            missing.push(Missing::Loading(progress, refresh));
        }
        if let Some(segments) = self.segments {
            // An empty collection keeps one empty growing segment or none.
            if segments.growing > 0 && rows > 0 {
                missing.push(Missing::Growing(segments.growing));
            }
            if segments.indexed < segments.sealed {
                missing.push(Missing::Unindexed(segments.sealed - segments.indexed));
            }
            if segments.rows != rows {
                missing.push(Missing::Rows(segments.rows, rows));
            }
        }
        missing
    }
}

/// The index of a field, among those of a collection.
pub fn index_of<'a>(indexes: &'a [IndexDescription], field: &str) -> Option<&'a IndexDescription> {
    indexes.iter().find(|index| index.field_name == field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::milvus::proto::common::KeyValuePair;

    fn segment(rows: i64, state: SegmentState, index: &str) -> QuerySegmentInfo {
        QuerySegmentInfo {
            num_rows: rows,
            state: state as i32,
            index_name: index.to_owned(),
            ..QuerySegmentInfo::default()
        }
    }

    fn ready() -> Readiness {
        let index = IndexProgress { indexed: 5_500, total: 5_500, pending: 0 };
        let infos = [segment(5_000, SegmentState::Sealed, "v"), segment(500, SegmentState::Sealed, "")];
        Readiness {
            expected_rows: 5_500,
            index: Some(index),
            described: None,
            loading: (100, 100),
            segments: Some(Segments::count(&infos)),
        }
    }

    #[test]
    fn small_segments_need_no_index() {
        assert_eq!(ready().missing(), []);
    }

    #[test]
    fn each_part_is_missed() {
        let base = ready();
        let growing = Segments::count(&[segment(5_500, SegmentState::Growing, "")]);
        let unindexed = Segments::count(&[segment(5_500, SegmentState::Sealed, "")]);
        let short = Segments { rows: 5_000, ..base.segments.unwrap() };
        let pending = IndexProgress { indexed: 5_500, total: 5_500, pending: 5_000 };
        let table = [
            (Readiness { index: None, ..base.clone() }, Missing::Index),
            (Readiness { index: Some(pending), ..base.clone() }, Missing::IndexedRows(pending, 5_500)),
            (Readiness { loading: (50, 100), ..base.clone() }, Missing::Loading(50, 100)),
            (Readiness { loading: (100, 0), ..base.clone() }, Missing::Loading(100, 0)),
            (Readiness { segments: Some(growing), ..base.clone() }, Missing::Growing(1)),
            (Readiness { segments: Some(unindexed), ..base.clone() }, Missing::Unindexed(1)),
            (Readiness { segments: Some(short), ..base.clone() }, Missing::Rows(5_000, 5_500)),
        ];
        for (readiness, missing) in table {
            assert_eq!(readiness.missing(), [missing]);
        }
    }

    /// Measured on 2.3.5: a sealed segment under FLAT never gets an index name.
    #[test]
    fn under_an_index_that_compares_with_every_row_no_segment_lacks_its_index() {
        let unindexed = Segments::count(&[segment(5_500, SegmentState::Sealed, "")]);
        let missing = |kind: &str| {
            let pair = |key: &str, value: &str| KeyValuePair { key: key.to_owned(), value: value.to_owned() };
            let params = vec![pair("metric_type", "FLAT"), pair("index_type", kind)];
            let index = IndexDescription { params, ..IndexDescription::default() };
            Readiness { segments: Some(unindexed.under(Some(&index))), ..ready() }.missing()
        };
        for (kind, expected) in [
            ("FLAT", vec![]),
            ("BIN_FLAT", vec![]),
            ("IVF_FLAT", vec![Missing::Unindexed(1)]),
            ("BIN_IVF_FLAT", vec![Missing::Unindexed(1)]),
            ("HNSW", vec![Missing::Unindexed(1)]),
        ] {
            assert_eq!(missing(kind), expected, "{kind}");
        }
        assert_eq!(unindexed.under(None), unindexed);
    }

    #[test]
    fn rows_that_a_server_tells_cannot_overflow_their_sum() {
        let most = segment(i64::MAX, SegmentState::Sealed, "v");
        let segments =
            Segments::count(&[most.clone(), most.clone(), most, segment(-1, SegmentState::Growing, "")]);
        assert_eq!((segments.rows, segments.sealed, segments.growing), (u64::MAX, 3, 1));
    }

    #[test]
    fn a_server_that_does_not_list_segments_is_judged_by_the_rest() {
        assert_eq!(Readiness { segments: None, ..ready() }.missing(), []);
    }
}
