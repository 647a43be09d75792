//! Traces of which no spans are held: it was decided that they are not kept, or they were evicted before that. And whether the server's root span of each has come.
//!
//! An ID is known for [`LIFE`] to twice as long: spans come up to 6 s after their request's end.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long an ID is remembered at least, unless there are too many.
const LIFE: Duration = Duration::from_secs(15);
/// IDs in one of the two sets: some 10 MB.
pub(super) const MOST: usize = 200_000;
/// Whatever comes of a trace has come by then.
pub(super) const COMPLETE: Duration = Duration::from_secs(6);

/// What is remembered of a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fate {
    /// The server answered, so that there must be a root span of it.
    pub(super) is_expected: bool,
    /// The server's root span has come.
    pub(super) has_root: bool,
    /// It was not decided on, and spans of it were evicted: those that come later are too.
    pub(super) is_evicted: bool,
}

/// Two sets that take turns: the younger is filled, the older is forgotten as a whole.
#[derive(Debug)]
pub(super) struct Decided {
    young: HashMap<u128, Fate>,
    old: HashMap<u128, Fate>,
    /// When the younger was begun.
    begun: Instant,
    most: usize,
    /// Roots that were expected and had not come when their IDs were forgotten.
    lost: u64,
    /// IDs were forgotten before their roots must have come.
    is_lost_unknown: bool,
}

impl Decided {
    pub(super) fn new(now: Instant, most: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), begun: now, most, lost: 0, is_lost_unknown: false }
    }

    pub(super) fn add(&mut self, id: u128, fate: Fate, now: Instant) {
        let age = now.saturating_duration_since(self.begun);
        if self.young.len() >= self.most || age >= LIFE {
            let forgotten = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            let missing = forgotten.values().filter(|fate| fate.is_expected && !fate.has_root).count() as u64;
            // The youngest of them was decided on when the set that is now the older was begun.
            self.is_lost_unknown |= missing > 0 && age < COMPLETE;
            self.lost += missing;
            self.begun = now;
        }
        self.young.insert(id, fate);
    }

    /// To be changed; `None`: not known, or no longer.
    pub(super) fn get(&mut self, id: u128) -> Option<&mut Fate> {
        // Both have to be looked into by a reference that may be returned.
        match self.young.get_mut(&id) {
            Some(fate) => Some(fate),
            None => self.old.get_mut(&id),
        }
    }

    pub(super) fn remove(&mut self, id: u128) -> Option<Fate> {
        let young = self.young.remove(&id);
        young.or_else(|| self.old.remove(&id))
    }

    /// Roots that were expected and never came, since last asked; `None`: that cannot be said.
    pub(super) fn take_lost(&mut self) -> Option<u64> {
        let mut lost = std::mem::take(&mut self.lost);
        for fate in self.young.values_mut().chain(self.old.values_mut()) {
            lost += u64::from(fate.is_expected && !fate.has_root);
            fate.is_expected = false;
        }
        (!std::mem::take(&mut self.is_lost_unknown)).then_some(lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: Fate = Fate { is_expected: true, has_root: false, is_evicted: false };

    fn known(decided: &mut Decided) -> Vec<u128> {
        (1..=9).filter(|id| decided.get(*id).is_some()).collect()
    }

    #[test]
    fn an_id_is_known_for_the_life_of_a_set_and_forgotten_after_two() {
        let start = Instant::now();
        let mut decided = Decided::new(start, MOST);
        decided.add(1, EXPECTED, start);
        decided.add(2, EXPECTED, start + LIFE);
        assert_eq!(known(&mut decided), [1, 2]);
        decided.add(3, EXPECTED, start + 2 * LIFE);
        assert_eq!(known(&mut decided), [2, 3]);
        decided.get(2).unwrap().has_root = true;
        assert_eq!(decided.take_lost(), Some(2), "1, which was forgotten, and 3");
        assert_eq!(decided.take_lost(), Some(0), "each is told once");
    }

    #[test]
    fn where_ids_are_forgotten_for_want_of_room_nobody_claims_to_know_what_was_lost() {
        let start = Instant::now();
        let mut decided = Decided::new(start, 2);
        (1..=5).for_each(|id| decided.add(id, EXPECTED, start));
        assert_eq!(known(&mut decided), [3, 4, 5]);
        assert_eq!(decided.take_lost(), None);
        assert_eq!(decided.take_lost(), Some(0), "from here on it is known again");
    }
}
