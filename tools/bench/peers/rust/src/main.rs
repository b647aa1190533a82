//! flowstore-bench-peer <flows> <lookups> <allowance ms>
//!
//! Runs the phases of tools/bench/src/measure.ts and prints the same figures as one line of JSON.
mod meter;
mod table;
mod workload;

use meter::{process_cpu_ns, resident_bytes};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::Arc;
use std::time::Duration;
use table::Table;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;
use workload::{inbound_key, outbound_key, shuffled, Deadlines, FlowKey, Random, EXPIRING_MAX};

/// Inserts between two turns of the scheduler, and lookups between two looks at the clock.
const BATCH: usize = 256;
const LOOKUPS_PER_CLOCK: usize = 64;
const HOT_FLOWS: usize = 64;
const WORKERS: usize = 2;
/// A million a second.
const EXPIRING_PER_MS: u32 = 1_000;
/// After so long beyond their deadlines, flows that are left are a mistake.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() {
    let numbers: Vec<u64> = std::env::args()
        .skip(1)
        .map(|text| text.parse().expect("a number"))
        .collect();
    assert!(
        numbers.len() == 3,
        "usage: flowstore-bench-peer <flows> <lookups> <allowance ms>"
    );
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_time()
        .on_thread_park(meter::stamp)
        .on_thread_unpark(meter::stamp)
        .build()
        .expect("a runtime");
    measure(&runtime, numbers[0] as u32, numbers[1] as usize, numbers[2]);
    // The tasks of flows that never expired need not be taken apart.
    std::process::exit(0);
}

fn measure(runtime: &Runtime, flows: u32, lookups: usize, allowance_ms: u64) {
    let order = shuffled(flows);
    let mut random = Random::new(2);
    let asked: Vec<u32> = (0..lookups).map(|_| random.below(flows)).collect();
    let hot: Vec<u32> = (0..lookups).map(|i| asked[i % HOT_FLOWS]).collect();
    let missing: Vec<u32> = asked.iter().map(|n| n + flows).collect();
    let expiring = u64::from(flows.min(EXPIRING_MAX));

    let rss_before = resident_bytes();
    let start = Instant::now();
    let table = Arc::new(Table::new(start));
    let deadlines = Deadlines {
        expire_at_ms: allowance_ms,
        window_ms: (expiring as u32 + EXPIRING_PER_MS - 1) / EXPIRING_PER_MS,
    };

    let cpu = process_cpu_ns();
    runtime.block_on(insert_all(table.clone(), order, deadlines));
    let insert_ns = per(process_cpu_ns() - cpu, u64::from(flows));
    let bytes = per(resident_bytes() - rss_before, u64::from(flows));
    if table.now_ms() >= allowance_ms {
        println!("{{\"lateMs\":{}}}", table.now_ms() - allowance_ms);
        return;
    }
    assert_eq!(table.len(), 2 * flows as usize, "flows are missing");

    let touch = |numbers: &[u32], found: bool| {
        let cpu = process_cpu_ns();
        touch_all(&table, numbers, deadlines, found);
        per(process_cpu_ns() - cpu, numbers.len() as u64)
    };
    let random_ns = touch(&asked, true);
    let hot_ns = touch(&hot, true);
    let miss_ns = touch(&missing, false);
    let busy_ms = table.now_ms();
    if busy_ms >= allowance_ms {
        println!("{{\"lateMs\":{}}}", busy_ms - allowance_ms);
        return;
    }

    meter::watch();
    let cpu = process_cpu_ns();
    runtime.block_on(all_expired(&table, expiring, allowance_ms));
    let expire_ns = per(process_cpu_ns() - cpu, expiring);
    let stall_ms = meter::longest_ns() as f64 / 1e6;
    std::hint::black_box(table.checksum(&outbound_key(flows - 1)));
    println!(
        "{{\"flows\":{flows},\"insertCpuNs\":{insert_ns:.1},\"lookupTouchNs\":{random_ns:.1},\
         \"lookupTouchAloneNs\":{random_ns:.1},\
         \"lookupTouchHotNs\":{hot_ns:.1},\"lookupMissNs\":{miss_ns:.1},\
         \"bytesPerFlow\":{bytes:.1},\"expireCpuNs\":{expire_ns:.1},\"maxStallMs\":{stall_ms:.3},\
         \"busyMs\":{busy_ms}}}"
    );
}

fn per(total: u64, count: u64) -> f64 {
    total as f64 / count as f64
}

/// On a worker, as packets would: tasks are then spawned and first run where they are cheapest.
async fn insert_all(table: Arc<Table>, order: Vec<u32>, deadlines: Deadlines) {
    let flows = order.len() as u64;
    let inserting = table.clone();
    let task = tokio::spawn(async move {
        for batch in order.chunks(BATCH) {
            let now_ms = inserting.now_ms();
            for n in batch {
                inserting.insert(*n, now_ms, deadlines.of(*n));
            }
            tokio::task::yield_now().await;
        }
        // Given back after the measurement, as the others do.
        order
    });
    let order = task.await.expect("inserting");
    while table.armed.load(Relaxed) < flows {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    std::mem::forget(order);
}

fn touch_all(table: &Table, numbers: &[u32], deadlines: Deadlines, found: bool) {
    for batch in numbers.chunks(LOOKUPS_PER_CLOCK) {
        let now_ms = table.now_ms();
        for (i, n) in batch.iter().enumerate() {
            let key: FlowKey = if i & 1 == 0 {
                outbound_key(*n)
            } else {
                inbound_key(*n)
            };
            let is_found = table.touch(&key, now_ms, deadlines.of(*n));
            // Too late is told by the caller.
            assert!(
                is_found == found || now_ms >= deadlines.expire_at_ms,
                "lookup of {n}"
            );
        }
    }
}

async fn all_expired(table: &Table, expiring: u64, expire_at_ms: u64) {
    let limit = Duration::from_millis(expire_at_ms + 1_000) + PATIENCE;
    while table.removed.load(Relaxed) < expiring {
        assert!(
            u128::from(table.now_ms()) < limit.as_millis(),
            "flows did not expire"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
