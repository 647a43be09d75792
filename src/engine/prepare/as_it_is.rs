//! `prepare = "never"`: a collection is taken as it is. What must be known of it is read, and nothing is changed.

use super::{Action, PrepareError, Prepared, Setup};
use crate::data::{ScalarSource, Vectors};
use crate::milvus::proto::common::{KeyValuePair, LoadState};
use crate::milvus::proto::milvus::IndexDescription;
use crate::milvus::proto::schema::{CollectionSchema, DataType, FieldSchema};
use crate::milvus::{Readiness, RowLayout, index_of, vector_type};
use crate::workload::{Access, Metric, Scalar, ScalarKind, VectorType, vector_rules};

impl Setup<'_> {
    /// `prepare = "never"`: reads what it must know and changes nothing.
    pub(super) async fn take_as_it_is(&mut self) -> Result<Prepared, PrepareError> {
        let name = &self.workload.collection.name;
        let described = self.call("inspect", async |s| s.describe_collection(name).await).await?;
        let schema = described.schema.unwrap_or_default();
        if self.call("inspect", async |s| s.load_state(name).await).await? != LoadState::Loaded {
            return Err(PrepareError::NotLoaded(name.clone()));
        }
        let indexes = self.call("inspect", async |s| s.describe_indexes(name).await).await?;
        let layout = self.described_layout(&schema)?;
        let index = index_of(&indexes, &layout.vector);
        let metric = self.described_metric(layout.vectors.kind(), index)?;
        let rows = self.call("count", async |s| s.count(name, "").await).await?;
        let of = (name.as_str(), layout.vector.as_str());
        let readiness = self.call("inspect", async |s| Readiness::ask(s, of, rows).await).await?;
        Ok(Prepared {
            action: Action::TakenAsItIs,
            rows,
            extra_rows: 0,
            first_free_row: self.free_row_of_foreign(&layout).await?,
            layout,
            metric,
            segments: readiness.segments,
            missing: readiness.missing(),
        })
    }

    /// The first row that may be written: its number is its key.
    pub(super) async fn first_free_row(&mut self, key: &str, from: u64) -> Result<u64, PrepareError> {
        let name = &self.workload.collection.name;
        let free = self.call("count", async |s| s.first_free_key(name, key, from).await).await?;
        if free >= i64::MAX as u64 {
            let problem = "it has rows up to the largest key that there is, so that none can be written above them; use operations that read";
            return Err(self.schema_problem(problem.to_owned()));
        }
        Ok(free)
    }

    /// Only asked where the workload writes and the keys are the client's.
    async fn free_row_of_foreign(&mut self, layout: &RowLayout) -> Result<u64, PrepareError> {
        let (Some(key), true) = (&layout.key, self.workload.has(Access::Writes)) else { return Ok(0) };
        self.first_free_row(key, 0).await
    }

    fn described_layout(&self, schema: &CollectionSchema) -> Result<RowLayout, PrepareError> {
        let (collection, data) = (&self.workload.collection, &self.workload.data);
        let wanted = collection.vector_name_given.then_some(collection.vector.name.as_str());
        let (vector, kind) = schema
            .fields
            .iter()
            .filter(|f| wanted.is_none_or(|name| f.name == name))
            .filter_map(|f| Some((f, vector_type(f.data_type())?)))
            .find(|(_, kind)| !collection.vector_type_given || *kind == collection.vector.kind)
            .ok_or_else(|| {
                self.schema_problem(
                    "it has no vector field of the name and type in collection.vector; name one that it has"
                        .to_owned(),
                )
            })?;
        let dim: u32 = parameter(&vector.type_params, "dim").and_then(|dim| dim.parse().ok()).unwrap_or(0);
        if dim == 0 || (collection.dim_given && dim != collection.vector.dim) {
            let given = collection.vector.dim;
            return Err(self.schema_problem(format!(
                "its field {} has {dim} dimensions, the workload says {given}; set collection.vector.dim = {dim}",
                vector.name
            )));
        }
        let key = schema.fields.iter().find(|field| field.is_primary_key);
        let key = key.filter(|key| !key.auto_id && key.data_type() == DataType::Int64);
        let others = schema.fields.iter().filter(|f| !f.is_primary_key && f.name != vector.name);
        let scalars = others.enumerate().map(|(i, field)| self.described_scalar(i, field));
        Ok(RowLayout {
            key: key.map(|key| key.name.clone()),
            vector: vector.name.clone(),
            vectors: Vectors::clustered(kind, data.seed, dim, data.clusters, data.spread),
            scalars: self.filterable(scalars.collect::<Result<Vec<_>, _>>()?),
        })
    }

    /// The workload's own scalars come first, in its order: filters refer to them by place.
    fn filterable(&self, described: Vec<(Scalar, ScalarSource)>) -> Vec<(Scalar, ScalarSource)> {
        let given = &self.workload.collection.scalars;
        let seed = self.workload.data.seed;
        let ours = given.iter().enumerate();
        let mut all: Vec<_> =
            ours.map(|(i, s)| (s.clone(), ScalarSource::new(seed, i as u64, s.distinct))).collect();
        all.extend(described.into_iter().filter(|(s, _)| given.iter().all(|g| g.name != s.name)));
        all
    }

    fn described_scalar(
        &self,
        place: usize,
        field: &FieldSchema,
    ) -> Result<(Scalar, ScalarSource), PrepareError> {
        /// Values that a field gets of which the workload says nothing.
        const DISTINCT: u64 = 1000;
        let kind = match field.data_type() {
            DataType::Bool => ScalarKind::Bool,
            DataType::Int8 | DataType::Int16 | DataType::Int32 => ScalarKind::Int32,
            DataType::Int64 => ScalarKind::Int64,
            DataType::Float => ScalarKind::Float,
            DataType::Double => ScalarKind::Double,
            // What is only read needs no values: the type does not matter then.
            _ => ScalarKind::Varchar,
        };
        let distinct = if kind == ScalarKind::Bool { 2 } else { DISTINCT };
        let writes = self.workload.has(Access::Writes);
        if writes && kind == ScalarKind::Varchar && field.data_type() != DataType::VarChar {
            let kind = field.data_type().as_str_name();
            return Err(self.schema_problem(format!("inserting into it needs values for its field {} of type {kind}, which is not built yet; use operations that read", field.name)));
        }
        let scalar = Scalar { name: field.name.clone(), kind, distinct };
        Ok((scalar, ScalarSource::new(self.workload.data.seed, place as u64, distinct)))
    }

    fn described_metric(
        &self,
        kind: VectorType,
        index: Option<&IndexDescription>,
    ) -> Result<Metric, PrepareError> {
        let metrics = vector_rules(kind).metrics;
        let Some(name) = index.and_then(|index| parameter(&index.params, "metric_type")) else {
            let said = self.workload.collection.vector.metric;
            return Ok(if metrics.contains(&said) { said } else { metrics[0] });
        };
        let known = || metrics.iter().map(|metric| metric.wire_name()).collect::<Vec<_>>().join(", ");
        metrics.iter().copied().find(|metric| metric.wire_name().eq_ignore_ascii_case(name)).ok_or_else(
            || {
                let known = known();
                self.schema_problem(format!(
                "its index has the metric {name}, which its vectors cannot be searched with here ({known})"
            ))
            },
        )
    }

    fn schema_problem(&self, problem: String) -> PrepareError {
        PrepareError::Schema { collection: self.workload.collection.name.clone(), problem }
    }
}

fn parameter<'a>(pairs: &'a [KeyValuePair], key: &str) -> Option<&'a str> {
    pairs.iter().find(|pair| pair.key == key).map(|pair| pair.value.as_str())
}
