//! The distribution of spans of time: an HdrHistogram of fixed size, with exact moments beside it.
//!
//! Range 1 ns to 1 h (0 is kept as 0), 3 significant digits: a value read back is at most 0.1 % above the one recorded, never
//! below it. Longer spans are counted at the upper end *and* in [`Timings::saturated`], so that no count is lost and no
//! reader takes them for one hour.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer, V2Serializer};
use hdrhistogram::{Counter, Histogram};

use super::moments::Moments;
use super::stored;
use crate::units::Nanos;

/// The longest span told apart: one hour.
pub const LONGEST: Nanos = Nanos::from_secs(3_600);
/// Significant digits.
pub(super) const DIGITS: u8 = 3;

/// Spans of time: histogram, exact moments, and how many were beyond the histogram's range.
///
/// `C` is the counter of a bucket: `u64` for a whole run (264 KiB), `u32` for an interval (132 KiB). Recording touches
/// one bucket and never allocates.
#[derive(Clone, Debug)]
pub struct Timings<C: Counter> {
    histogram: Histogram<C>,
    moments: Moments,
    saturated: u64,
}

/// Why a stored histogram could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistogramError {
    #[error("the histogram is not base64 text: {0}")]
    Base64(String),
    /// Not HdrHistogram V2.
    #[error("the histogram is not HdrHistogram V2: {0}")]
    Format(String),
    /// Another range or precision than ours: it could not be merged exactly.
    #[error(
        "the histogram covers {low} to {high} ns with {digits} digits; \
         only 1 to 3600000000000 ns with 3 digits can be merged"
    )]
    Layout {
        /// Lowest value told from 0.
        low: u64,
        /// Highest value.
        high: u64,
        /// Significant digits.
        digits: u8,
    },
    /// A histogram and its moments are not of the same spans.
    #[error("the histogram holds {histogram} times, its moments are those of {moments}")]
    Counts {
        /// In the histogram.
        histogram: u64,
        /// In the moments.
        moments: u64,
    },
    /// More were longer than an hour than are in the last bucket.
    #[error(
        "{saturated} times are said to be longer than one hour, and the histogram has {longest} at its upper end"
    )]
    Saturated {
        /// As told.
        saturated: u64,
        /// In the last bucket.
        longest: u64,
    },
}

impl<C: Counter> Timings<C> {
    /// Empty, with all the memory it will ever need.
    pub fn new() -> Self {
        Self { histogram: empty(), moments: Moments::default(), saturated: 0 }
    }

    /// Bytes that one of these occupies.
    pub fn memory_bytes() -> usize {
        size_of::<Self>() + empty::<C>().distinct_values() * size_of::<C>()
    }

    pub fn record(&mut self, span: Nanos) {
        self.moments.record(span);
        self.saturated += u64::from(span > LONGEST);
        self.histogram.saturating_record(span.min(LONGEST).get());
    }

    /// Takes all of `other` in, exactly.
    pub fn merge(&mut self, other: &Self) {
        add(&mut self.histogram, &other.histogram);
        self.moments.merge(&other.moments);
        self.saturated += other.saturated;
    }

    /// Takes all of a packed one in, exactly.
    pub fn merge_packed(&mut self, packed: &Packed) {
        if let Some(histogram) = packed.histogram() {
            add(&mut self.histogram, &histogram);
        }
        self.moments.merge(&packed.moments);
        self.saturated += packed.saturated;
    }

    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        if self.moments.count() > 0 {
            self.histogram.reset();
            self.moments = Moments::default();
            self.saturated = 0;
        }
    }

    /// What is left without `part`, exactly, but for its shortest and longest, which are the upper ends of their buckets; `None`
    /// where `part` is no part of it.
    pub fn less(&self, part: &Self) -> Option<Self> {
        let mut histogram = self.histogram.clone();
        histogram.subtract(&part.histogram).ok()?;
        let ends = |bucket: Option<u64>| Nanos::new(bucket.unwrap_or(0)).min(LONGEST);
        let shortest = ends(histogram.iter_recorded().next().map(|bucket| bucket.value_iterated_to()));
        let longest = ends(histogram.iter_recorded().last().map(|bucket| bucket.value_iterated_to()));
        let moments = self.moments.less(&part.moments, shortest, longest)?;
        let saturated = self.saturated.checked_sub(part.saturated)?;
        (histogram.len() == moments.count()).then_some(Self { histogram, moments, saturated })
    }

    /// How many spans were recorded, the saturated ones included.
    pub const fn count(&self) -> u64 {
        self.moments.count()
    }

    /// How many were longer than one hour.
    pub const fn saturated(&self) -> u64 {
        self.saturated
    }

    /// Exact count, minimum, maximum, mean and deviation.
    pub const fn moments(&self) -> &Moments {
        &self.moments
    }

    /// The span of the given ranks (from 1, ascending, none above [`Timings::count`]), each at most 0.1 % too high; in
    /// one pass. A rank among the saturated gives [`LONGEST`].
    pub fn at_ranks(&self, ranks: &[u64]) -> Vec<Nanos> {
        debug_assert!(ranks.is_sorted() && ranks.iter().all(|&r| r >= 1 && r <= self.count()));
        let mut found = Vec::with_capacity(ranks.len());
        let (mut value, mut below) = (0, 0);
        let mut buckets = self.histogram.iter_recorded();
        for &rank in ranks {
            while below < rank {
                let Some(bucket) = buckets.next() else { break };
                below += bucket.count_at_value().as_u64();
                value = bucket.value_iterated_to();
            }
            let exact_max = self.moments.max().unwrap_or(LONGEST);
            found.push(Nanos::new(value).min(exact_max).min(LONGEST));
        }
        found
    }

    /// The shortest and the longest span that are not told from this one.
    pub fn bucket(&self, span: Nanos) -> (Nanos, Nanos) {
        let span = span.min(LONGEST).get();
        (
            Nanos::new(self.histogram.lowest_equivalent(span)),
            Nanos::new(self.histogram.highest_equivalent(span)),
        )
    }

    /// The buckets that hold anything: highest span of the bucket, count.
    pub fn buckets(&self) -> impl Iterator<Item = (Nanos, u64)> + '_ {
        self.histogram
            .iter_recorded()
            .map(|b| (Nanos::new(b.value_iterated_to()), b.count_at_value().as_u64()))
    }

    /// HdrHistogram's V2 form, deflated, as base64 text; `None` where it is empty.
    pub fn to_base64(&self) -> Option<String> {
        (self.count() > 0).then(|| {
            let mut bytes = Vec::new();
            // Cannot fail: writing to a Vec does not, and no count comes near 2^63.
            V2DeflateSerializer::new()
                .serialize(&self.histogram, &mut bytes)
                .expect("a Vec takes every byte");
            BASE64.encode(bytes)
        })
    }

    /// Packs it with the counts as varints, a few kilobytes; `scratch` is reused from call to call.
    pub fn pack(&self, scratch: &mut PackScratch) -> Packed {
        scratch.bytes.clear();
        if self.count() > 0 {
            // Cannot fail, as above.
            scratch
                .serializer
                .serialize(&self.histogram, &mut scratch.bytes)
                .expect("a Vec takes every byte");
        }
        Packed { bytes: scratch.bytes.as_slice().into(), moments: self.moments, saturated: self.saturated }
    }
}

impl Timings<u64> {
    /// From base64 text as [`Timings::to_base64`] writes it. Moments are those of the buckets' upper ends, so only
    /// the histogram is exact; `saturated` must be told by whoever stored the text.
    ///
    /// # Errors
    /// Where the text is not such a histogram, or has another range or precision.
    pub fn from_base64(text: &str, saturated: u64) -> Result<Self, HistogramError> {
        let histogram: Histogram<u64> = stored::decode(text)?;
        let mut moments = Moments::default();
        for bucket in histogram.iter_recorded() {
            moments.record_n(Nanos::new(bucket.value_iterated_to()), bucket.count_at_value());
        }
        Ok(Self { histogram, moments, saturated })
    }
}

impl<C: Counter> Timings<C> {
    /// From all that was stored of it: exact. The text is that of [`Timings::to_base64`].
    ///
    /// # Errors
    /// Where the text is not such a histogram, or the three do not fit together.
    pub fn from_stored(text: Option<&str>, moments: Moments, saturated: u64) -> Result<Self, HistogramError> {
        let histogram = text.map_or_else(|| Ok(empty::<C>()), stored::decode)?;
        if histogram.len() != moments.count() {
            return Err(HistogramError::Counts { histogram: histogram.len(), moments: moments.count() });
        }
        let longest = histogram.count_at(LONGEST.get()).as_u64();
        if saturated > longest {
            return Err(HistogramError::Saturated { saturated, longest });
        }
        Ok(Self { histogram, moments, saturated })
    }
}

impl<C: Counter> Default for Timings<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C: Counter> PartialEq for Timings<C> {
    fn eq(&self, other: &Self) -> bool {
        self.moments == other.moments
            && self.saturated == other.saturated
            && self.histogram == other.histogram
    }
}

/// Buffers for [`Timings::pack`].
#[derive(Default)]
pub struct PackScratch {
    serializer: V2Serializer,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for PackScratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackScratch").finish_non_exhaustive()
    }
}

/// A [`Timings`] put away: the same content in a few kilobytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    bytes: Box<[u8]>,
    moments: Moments,
    saturated: u64,
}

impl Packed {
    pub const fn count(&self) -> u64 {
        self.moments.count()
    }

    /// Exact count, minimum, maximum, mean and deviation.
    pub const fn moments(&self) -> &Moments {
        &self.moments
    }

    /// How many were longer than one hour.
    pub const fn saturated(&self) -> u64 {
        self.saturated
    }

    /// Bytes it occupies beyond its own size.
    pub const fn memory_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The same content, ready to be read and merged.
    pub fn unpack(&self) -> Timings<u64> {
        let mut timings = Timings::new();
        timings.merge_packed(self);
        timings
    }

    fn histogram<C: Counter>(&self) -> Option<Histogram<C>> {
        (!self.bytes.is_empty()).then(|| {
            // The bytes were written by `pack` in this very process and cannot be damaged.
            Deserializer::new().deserialize(&mut &*self.bytes).expect("bytes of our own making")
        })
    }
}

fn empty<C: Counter>() -> Histogram<C> {
    // The bounds are constants that satisfy low >= 1, high >= 2 * low and digits <= 5.
    Histogram::new_with_bounds(1, LONGEST.get(), DIGITS).expect("constant bounds are valid")
}

fn add<C: Counter>(to: &mut Histogram<C>, from: &Histogram<C>) {
    // Every histogram here has the bounds of `empty`; adding fails only where the other one is larger.
    to.add(from).expect("equal bounds can be added");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[u64]) -> Timings<u64> {
        let mut timings = Timings::new();
        values.iter().for_each(|&v| timings.record(Nanos::new(v)));
        timings
    }

    #[test]
    fn spans_beyond_an_hour_are_counted_and_told_exactly() {
        let timings = of(&[1_000, 2 * LONGEST.get()]);
        assert_eq!((timings.count(), timings.saturated()), (2, 1));
        assert_eq!(timings.moments().max(), Some(Nanos::new(2 * LONGEST.get())));
        assert_eq!(of(&[LONGEST.get()]).saturated(), 0, "one hour itself is within the range");
    }

    #[test]
    fn an_empty_one_has_no_text_and_packs_to_nothing() {
        assert_eq!(of(&[]).to_base64(), None);
        assert_eq!(of(&[]).pack(&mut PackScratch::default()), Packed::default());
    }

    #[test]
    fn its_text_is_what_other_tools_expect() {
        // "HISTFAAA" is how the V2 deflate cookie 0x1c849314 begins in base64, in every HdrHistogram port.
        assert!(of(&[5]).to_base64().unwrap().starts_with("HISTFAAA"));
    }

    #[test]
    fn foreign_text_is_refused() {
        assert!(matches!(Timings::from_base64("%%%", 0), Err(HistogramError::Base64(_))));
        assert!(matches!(Timings::from_base64("AAAAAAAA", 0), Err(HistogramError::Format(_))));
        let mut bytes = Vec::new();
        let coarse: Histogram<u64> = Histogram::new_with_bounds(1, 1_000_000, 2).unwrap();
        V2DeflateSerializer::new().serialize(&coarse, &mut bytes).unwrap();
        let refused = Timings::from_base64(&BASE64.encode(bytes), 0);
        assert_eq!(refused.unwrap_err(), HistogramError::Layout { low: 1, high: 1_000_000, digits: 2 });
    }

    #[test]
    fn stated_memory_is_that_of_the_counters() {
        assert_eq!(Timings::<u64>::memory_bytes() / 1024, 264);
        assert_eq!(Timings::<u32>::memory_bytes() / 1024, 132);
    }

    fn spans() -> impl Strategy<Value = Vec<u64>> {
        // Exponents, so that every magnitude and the range beyond an hour are met.
        prop::collection::vec((0u32..44, 0u64..1 << 20).prop_map(|(e, m)| (m << e) >> 20), 1..200)
    }

    proptest! {
        #[test]
        fn a_value_at_a_rank_is_the_sorted_one_or_up_to_a_thousandth_more(values in spans()) {
            let timings = of(&values);
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let ranks: Vec<u64> = (1..=values.len() as u64).collect();
            for (truth, got) in sorted.iter().zip(timings.at_ranks(&ranks)) {
                let truth = (*truth).min(LONGEST.get());
                prop_assert!(got.get() >= truth && got.get() as f64 <= truth as f64 * 1.001, "{} {}", truth, got.get());
            }
        }

        #[test]
        fn merging_equals_recording_everything_in_one(a in spans(), b in spans()) {
            let mut merged = of(&a);
            merged.merge(&of(&b));
            prop_assert_eq!(merged, of(&[a, b].concat()));
        }

        #[test]
        fn packing_loses_nothing(values in spans()) {
            let mut narrow: Timings<u32> = Timings::new();
            values.iter().for_each(|&v| narrow.record(Nanos::new(v)));
            prop_assert_eq!(narrow.pack(&mut PackScratch::default()).unpack(), of(&values));
        }

        #[test]
        fn what_is_stored_is_read_back_exactly(values in spans()) {
            let timings = of(&values);
            let (text, saturated) = (timings.to_base64(), timings.saturated());
            let read = Timings::<u64>::from_stored(text.as_deref(), *timings.moments(), saturated);
            prop_assert_eq!(read.unwrap(), timings.clone());
            let narrow = Timings::<u32>::from_stored(text.as_deref(), *timings.moments(), saturated).unwrap();
            prop_assert_eq!(narrow.pack(&mut PackScratch::default()).unpack(), timings);
        }

        #[test]
        fn text_keeps_every_bucket(values in spans()) {
            let timings = of(&values);
            let read = Timings::from_base64(&timings.to_base64().unwrap(), timings.saturated()).unwrap();
            prop_assert_eq!(read.buckets().collect::<Vec<_>>(), timings.buckets().collect::<Vec<_>>());
            prop_assert_eq!((read.count(), read.saturated()), (timings.count(), timings.saturated()));
        }
    }
}
