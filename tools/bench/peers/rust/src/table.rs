//! What the flow table's ancestors did, as well as it can be done: one record for both directions
//! behind an Arc, and a task per flow that sleeps until the flow's deadline.
use crate::meter;
use crate::workload::{inbound_key, outbound_key, FlowKey};
use dashmap::DashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use tokio::time::{sleep_until, Duration, Instant};

const ACTIVE: u8 = 0;
const EXPIRED: u8 = 1;

pub struct Flow {
    outbound: FlowKey,
    inbound: FlowKey,
    generation: u64,
    nonce: u32,
    flags: AtomicU32,
    status: AtomicU8,
    seen_ms: AtomicU64,
    deadline_ms: AtomicU64,
    packets: [AtomicU64; 2],
    bytes: [AtomicU64; 2],
}

pub struct Table {
    start: Instant,
    flows: DashMap<FlowKey, Arc<Flow>, ahash::RandomState>,
    /// Timers that were started, and flows that were taken out.
    pub armed: AtomicU64,
    pub removed: AtomicU64,
}

impl Table {
    pub fn new(start: Instant) -> Self {
        Self {
            start,
            flows: DashMap::with_hasher(ahash::RandomState::new()),
            armed: AtomicU64::new(0),
            removed: AtomicU64::new(0),
        }
    }

    pub fn now_ms(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// Stores the flow under both keys and starts its timer; whatever held a key is replaced.
    pub fn insert(self: &Arc<Self>, n: u32, now_ms: u64, deadline_ms: u64) {
        let flow = Arc::new(Flow {
            outbound: outbound_key(n),
            inbound: inbound_key(n),
            generation: 1_700_000_000_000_000 + u64::from(n),
            nonce: n,
            flags: AtomicU32::new(1),
            status: AtomicU8::new(ACTIVE),
            seen_ms: AtomicU64::new(now_ms),
            deadline_ms: AtomicU64::new(deadline_ms),
            packets: Default::default(),
            bytes: Default::default(),
        });
        let weak = Arc::downgrade(&flow);
        self.flows.insert(flow.outbound, flow.clone());
        self.flows.insert(flow.inbound, flow);
        tokio::spawn(expire(self.clone(), weak));
    }

    /// Looks a flow up by either key, checks its deadline, and notes that it was seen.
    pub fn touch(&self, key: &FlowKey, now_ms: u64, deadline_ms: u64) -> bool {
        let flow = match self.flows.get(key) {
            Some(flow) => flow,
            None => return false,
        };
        if now_ms >= flow.deadline_ms.load(Relaxed) {
            return false;
        }
        flow.seen_ms.store(now_ms, Relaxed);
        flow.deadline_ms.store(deadline_ms, Relaxed);
        true
    }

    /// Takes this very flow out, and not one that replaced it.
    fn remove(&self, flow: &Arc<Flow>) {
        flow.status.store(EXPIRED, Relaxed);
        self.flows
            .remove_if(&flow.outbound, |_, held| Arc::ptr_eq(held, flow));
        self.flows
            .remove_if(&flow.inbound, |_, held| Arc::ptr_eq(held, flow));
        self.removed.fetch_add(1, Relaxed);
    }

    /// Reads every field once, so that none can be optimised away. For the end of a run.
    pub fn checksum(&self, key: &FlowKey) -> u64 {
        self.flows.get(key).map_or(0, |flow| {
            flow.generation
                ^ u64::from(flow.nonce)
                ^ u64::from(flow.flags.load(Relaxed))
                ^ u64::from(flow.status.load(Relaxed))
                ^ flow.seen_ms.load(Relaxed)
                ^ flow.packets[0].load(Relaxed)
                ^ flow.bytes[1].load(Relaxed)
        })
    }
}

/// A flow's timer. It holds the flow weakly, so that a removed flow is freed at once, and sleeps
/// again when it finds the deadline extended.
async fn expire(table: Arc<Table>, flow: Weak<Flow>) {
    table.armed.fetch_add(1, Relaxed);
    loop {
        let deadline_ms = match flow.upgrade() {
            Some(flow) => flow.deadline_ms.load(Relaxed),
            None => return,
        };
        if table.now_ms() >= deadline_ms {
            break;
        }
        sleep_until(table.start + Duration::from_millis(deadline_ms)).await;
        meter::stamp_task();
    }
    if let Some(flow) = flow.upgrade() {
        table.remove(&flow);
    }
}
