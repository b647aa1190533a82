//! The same flows as tools/bench/src/workload.ts makes, by number.

/// One direction of a flow, as four words.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FlowKey {
    pub domain_protocol: u32,
    pub source: u32,
    pub destination: u32,
    pub ports: u32,
}

impl std::hash::Hash for FlowKey {
    /// One write of 128 bits costs ahash less than four of 32.
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        let high = (u64::from(self.domain_protocol) << 32) | u64::from(self.source);
        let low = (u64::from(self.destination) << 32) | u64::from(self.ports);
        state.write_u128((u128::from(high) << 64) | u128::from(low));
    }
}

const TCP: u32 = 6;
const OUTSIDE_DOMAIN: u32 = 0x00ff_ffff;

fn mix(n: u32) -> u32 {
    let n = (n ^ (n >> 16)).wrapping_mul(0x045d_9f3b);
    n ^ (n >> 15)
}

pub fn outbound_key(n: u32) -> FlowKey {
    FlowKey {
        domain_protocol: TCP,
        source: 0x0a00_0000 + (n >> 8),
        destination: mix(n),
        ports: ((0x8000 + (n & 0xff)) << 16) | 443,
    }
}

pub fn inbound_key(n: u32) -> FlowKey {
    FlowKey {
        domain_protocol: (OUTSIDE_DOMAIN << 8) | TCP,
        source: mix(n),
        destination: 0xcb00_7100 + (n >> 15),
        ports: (443 << 16) | (0x400 + (n & 0x7fff)),
    }
}

/// xorshift32, as in workload.ts.
pub struct Random(u32);

impl Random {
    pub fn new(seed: u32) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        ((u64::from(self.0) * u64::from(bound)) >> 32) as u32
    }
}

/// The numbers below `count` in random order.
pub fn shuffled(count: u32) -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..count).collect();
    let mut random = Random::new(1);
    for i in (1..numbers.len()).rev() {
        numbers.swap(i, random.below(i as u32 + 1) as usize);
    }
    numbers
}

/// When flows end: up to EXPIRING_MAX of them within `window_ms` from `expire_at_ms` on.
#[derive(Clone, Copy)]
pub struct Deadlines {
    pub expire_at_ms: u64,
    pub window_ms: u32,
}

pub const EXPIRING_MAX: u32 = 1_000_000;
const FAR_MS: u64 = 3_600_000;

impl Deadlines {
    pub fn of(self, n: u32) -> u64 {
        let random16 = n.wrapping_mul(0x9e37_79b1) >> 16;
        let after_ms = (random16 * self.window_ms) >> 16;
        let far = if n < EXPIRING_MAX { 0 } else { FAR_MS };
        self.expire_at_ms + u64::from(after_ms) + far
    }
}
