//! CPU time and memory, from the operating system.
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is ours and clock_gettime writes nothing else.
    let result = unsafe { libc::clock_gettime(clock, &mut time) };
    assert_eq!(result, 0, "clock_gettime failed");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// CPU of all threads.
pub fn process_cpu_ns() -> u64 {
    clock_ns(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// Resident memory.
pub fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("/proc/self/statm");
    let pages: u64 = statm
        .split(' ')
        .nth(1)
        .and_then(|word| word.parse().ok())
        .expect("statm");
    // SAFETY: sysconf has no preconditions.
    pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64
}

/// Every how many tasks a thread looks at its CPU clock, which costs a system call.
const TASKS_PER_STAMP: u64 = 16;

static WATCHING: AtomicU64 = AtomicU64::new(0);
static LONGEST_NS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static TASKS: Cell<u64> = Cell::new(0);
    static STAMP: Cell<(u64, u64)> = Cell::new((0, 0));
}

/// From now on the longest stretch is watched.
pub fn watch() {
    WATCHING.fetch_add(1, Relaxed);
}

/// The most CPU that a thread used between two stamps: between tasks (16 of them at most), or from
/// going to wait for timers to having fired them.
pub fn longest_ns() -> u64 {
    LONGEST_NS.load(Relaxed)
}

/// A thread parks or unparks.
pub fn stamp() {
    let watching = WATCHING.load(Relaxed);
    if watching == 0 {
        return;
    }
    let now = clock_ns(libc::CLOCK_THREAD_CPUTIME_ID);
    let (since, previous) = STAMP.with(|stamp| stamp.replace((watching, now)));
    if since == watching {
        LONGEST_NS.fetch_max(now - previous, Relaxed);
    }
}

/// A flow's task ran.
pub fn stamp_task() {
    let tasks = TASKS.with(|count| count.replace(count.get() + 1));
    if tasks % TASKS_PER_STAMP == 0 {
        stamp();
    }
}
