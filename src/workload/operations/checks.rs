//! What several kinds of operations have to hold.

use crate::workload::problem::Problems;
use crate::workload::section::Section;
use crate::workload::suggest::{either, nearest};
use crate::workload::{Collection, Filter, PRIMARY_KEY, Prepare, filter};

/// A gRPC message that Milvus takes has at most so many bytes.
const MESSAGE_BYTES: u64 = 64 << 20;

/// So many vectors in one request.
pub(super) fn message_fits(
    section: &Section,
    key: &'static str,
    vectors: u64,
    collection: &Collection,
    problems: &mut Problems<'_>,
) {
    let of_one = collection.vector.bytes() as u64;
    if vectors.saturating_mul(of_one) > MESSAGE_BYTES {
        let message = format!(
            "{vectors} vectors of {} dimensions are more than the 64 MiB that Milvus takes in one request",
            collection.vector.dim
        );
        let fix = format!("write less than {}", MESSAGE_BYTES / of_one);
        problems.add(section.shown(key), section.place(key), message, fix);
    }
}

pub(super) fn filter_of(
    section: &Section,
    collection: &Collection,
    problems: &mut Problems<'_>,
) -> Option<Filter> {
    const KEY: &str = "operations[].filter";
    let text = section.text(KEY)?;
    match filter::parse(&text, &collection.scalars) {
        Ok(filter) => Some(filter),
        Err(error) => {
            problems.add(
                section.shown(KEY),
                section.place(KEY),
                error.to_string(),
                error.fix(&collection.scalars),
            );
            None
        }
    }
}

/// `also` are names that are no fields and may be asked for all the same. Under `never` the server may have fields that the
/// file does not tell.
pub(super) fn fields_are_known(
    section: &Section,
    fields: &[String],
    also: &[&str],
    collection: &Collection,
    problems: &mut Problems<'_>,
) {
    const KEY: &str = "operations[].output_fields";
    let mut known = vec![PRIMARY_KEY, collection.vector.name.as_str(), "*"];
    known.extend(collection.scalars.iter().map(|scalar| scalar.name.as_str()));
    known.extend(also);
    for field in fields {
        if collection.prepare != Prepare::Never && !known.contains(&field.as_str()) {
            let fix = match nearest(field, known.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("the collection has {}", either(&known)),
            };
            problems.add(section.shown(KEY), section.place(KEY), format!("there is no field {field:?}"), fix);
        }
    }
}
