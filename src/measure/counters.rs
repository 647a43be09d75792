//! Counting how requests ended: every offered request in exactly one place.

use super::sample::{Outcome, Sample};

/// How many requests ended how. The offered are the sum of the four, by construction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Answered as asked.
    pub succeeded: u64,
    /// Refused by the server or the connection.
    pub failed: u64,
    /// No complete answer in time.
    pub timed_out: u64,
    /// Never sent, because the in-flight bound was reached.
    pub not_sent: u64,
}

impl Counters {
    /// All that were due.
    pub const fn offered(&self) -> u64 {
        self.succeeded + self.failed + self.timed_out + self.not_sent
    }

    /// Offered and not succeeded.
    pub const fn unsuccessful(&self) -> u64 {
        self.failed + self.timed_out + self.not_sent
    }

    pub fn record(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Succeeded { .. } => self.succeeded += 1,
            Outcome::Failed { .. } => self.failed += 1,
            Outcome::TimedOut => self.timed_out += 1,
            Outcome::NotSent => self.not_sent += 1,
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.timed_out += other.timed_out;
        self.not_sent += other.not_sent;
    }
}

/// What the succeeded requests brought back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// Hits or rows that complete answers would have had, or rows sent; of the answers of which that is known.
    pub expected: u64,
    /// Hits or rows returned, or rows taken.
    pub returned: u64,
    /// Answers with nothing in them, unless nothing was expected.
    pub empty: u64,
    /// Answers with less than was expected of each.
    pub short: u64,
    /// Answers of which nobody knows what to expect.
    pub unknown: u64,
}

impl Hits {
    /// Counts one request, if it succeeded.
    pub fn record(&mut self, sample: &Sample) {
        if let Outcome::Succeeded { hits } = sample.outcome {
            self.returned += u64::from(hits);
            self.empty += u64::from(hits == 0 && sample.hits_expected != Some(0));
            match sample.hits_expected {
                Some(expected) => {
                    self.expected += u64::from(expected);
                    self.short += u64::from(hits < expected);
                }
                None => self.unknown += 1,
            }
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.expected = self.expected.saturating_add(other.expected);
        self.returned = self.returned.saturating_add(other.returned);
        self.empty += other.empty;
        self.short += other.short;
        self.unknown += other.unknown;
    }
}

/// Kinds of failures told apart; the rest is counted as other.
pub const ERROR_KINDS: usize = 64;
/// Characters of a message that are kept.
pub const ERROR_MESSAGE: usize = 500;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorKind {
    /// gRPC status code.
    pub grpc: u8,
    /// Milvus's code, 0 where there is none.
    pub milvus: i32,
    pub count: u64,
    /// The first message of the kind that this recorder saw, cut at [`ERROR_MESSAGE`] characters.
    pub message: Box<str>,
}

/// The failed requests by kind: their counts and [`Errors::other`] add up to all that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    kinds: Vec<ErrorKind>,
    other: u64,
}

impl Errors {
    /// Empty, with room for all its kinds.
    pub fn new() -> Self {
        Self { kinds: Vec::with_capacity(ERROR_KINDS), other: 0 }
    }

    /// From kinds that were stored; `None` where there are more than are told apart, or one comes twice.
    pub fn of_kinds(kinds: Vec<ErrorKind>, other: u64) -> Option<Self> {
        if kinds.len() > ERROR_KINDS {
            return None;
        }
        let mut errors = Self { other, ..Self::new() };
        for kind in &kinds {
            errors.add(kind.grpc, kind.milvus, kind.count, &kind.message);
        }
        (errors.kinds.len() == kinds.len()).then_some(errors)
    }

    /// Bytes it occupies at most, messages of four-byte characters included.
    pub const fn memory_bytes() -> usize {
        size_of::<Self>() + ERROR_KINDS * (size_of::<ErrorKind>() + 4 * ERROR_MESSAGE)
    }

    /// Counts one failure. Allocates only for a kind's first message.
    pub fn record(&mut self, grpc: u8, milvus: i32, message: &str) {
        self.add(grpc, milvus, 1, message);
    }

    /// Adds `other`'s; exact while there are at most [`ERROR_KINDS`] kinds, and the total always.
    pub fn merge(&mut self, other: &Self) {
        for kind in &other.kinds {
            self.add(kind.grpc, kind.milvus, kind.count, &kind.message);
        }
        self.other += other.other;
    }

    /// The kinds, most frequent first.
    pub fn kinds(&self) -> Vec<&ErrorKind> {
        let mut kinds: Vec<_> = self.kinds.iter().collect();
        kinds.sort_by_key(|kind| (std::cmp::Reverse(kind.count), kind.grpc, kind.milvus));
        kinds
    }

    /// Failures of kinds for which there was no room.
    pub const fn other(&self) -> u64 {
        self.other
    }

    fn add(&mut self, grpc: u8, milvus: i32, count: u64, message: &str) {
        if let Some(kind) = self.kinds.iter_mut().find(|k| k.grpc == grpc && k.milvus == milvus) {
            kind.count += count;
        } else if self.kinds.len() < ERROR_KINDS {
            let end = message.char_indices().nth(ERROR_MESSAGE).map_or(message.len(), |(end, _)| end);
            self.kinds.push(ErrorKind { grpc, milvus, count, message: message[..end].into() });
        } else {
            self.other += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_a_kind_are_counted_together_under_their_first_message() {
        let mut errors = Errors::new();
        errors.record(14, 0, "connection refused");
        errors.record(0, 65535, "collection not loaded");
        errors.record(0, 65535, "another text");
        let kinds: Vec<_> = errors.kinds().iter().map(|k| (k.milvus, k.count, &*k.message)).collect();
        assert_eq!(kinds, [(65535, 2, "collection not loaded"), (0, 1, "connection refused")]);
    }

    #[test]
    fn a_flood_of_kinds_is_bounded_and_none_is_lost() {
        let mut errors = Errors::new();
        (0..1_000).for_each(|code| errors.record(0, code, &"é".repeat(2_000)));
        assert_eq!(errors.kinds().len(), ERROR_KINDS);
        assert_eq!(errors.kinds()[0].message.chars().count(), ERROR_MESSAGE);
        let mut doubled = errors.clone();
        doubled.merge(&errors);
        let total = doubled.kinds().iter().map(|k| k.count).sum::<u64>() + doubled.other();
        assert_eq!(total, 2_000);
    }
}
