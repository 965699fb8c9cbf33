// SPDX-License-Identifier: Apache-2.0
//! Get, and put on a miss, as `cachebench run` does it, on moka or quick_cache.
//! Arguments: which, threads, keys, capacity, value bytes, exponent. Reads seconds from standard input, a number a
//! line, works for as long each time, and prints operations, processor seconds of the process, hits.
use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;

const REQUESTS: usize = 1 << 20;
type Key = [u8; 16];
type Value = Arc<[u8]>;

trait Peer: Sync {
    fn get(&self, key: &Key) -> Option<Value>;
    fn put(&self, key: Key, value: Value);
}
impl Peer for moka::sync::Cache<Key, Value> {
    fn get(&self, key: &Key) -> Option<Value> {
        self.get(key)
    }
    fn put(&self, key: Key, value: Value) {
        self.insert(key, value)
    }
}
impl Peer for quick_cache::sync::Cache<Key, Value> {
    fn get(&self, key: &Key) -> Option<Value> {
        self.get(key)
    }
    fn put(&self, key: Key, value: Value) {
        self.insert(key, value)
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);
impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e3779b97f4a7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d049bb133111eb);
        z ^ (z >> 31)
    }
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// User and system time of the process, in seconds (its threads that have ended included).
fn cpu_seconds() -> f64 {
    #[repr(C)]
    struct Timespec {
        seconds: i64,
        nanoseconds: i64,
    }
    extern "C" {
        fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
    }
    let mut time = Timespec { seconds: 0, nanoseconds: 0 };
    unsafe { clock_gettime(2, &mut time) }; // CLOCK_PROCESS_CPUTIME_ID
    time.seconds as f64 + time.nanoseconds as f64 / 1e9
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let threads: usize = args[2].parse().unwrap();
    let count: usize = args[3].parse().unwrap();
    let capacity: usize = args[4].parse().unwrap();
    let value_bytes: usize = args[5].parse().unwrap();
    let exponent: f64 = args[6].parse().unwrap();
    let keys: Vec<Key> = (0..count).map(|i| format!("{:016x}", i).into_bytes().try_into().unwrap()).collect();
    let mut cdf = Vec::with_capacity(count);
    let mut sum = 0.0;
    for i in 0..count {
        sum += ((i + 1) as f64).powf(-exponent);
        cdf.push(sum);
    }
    let mut random = Random(1);
    let mut ranks: Vec<u32> = (0..count as u32).collect();
    for i in (1..count).rev() {
        ranks.swap(i, (random.next() % (i as u64 + 1)) as usize);
    }
    let requests: Vec<Vec<u32>> = (0..threads)
        .map(|t| {
            let mut random = Random(t as u64 + 7);
            (0..REQUESTS)
                .map(|_| {
                    let drawn = random.unit() * sum;
                    ranks[cdf.partition_point(|&c| c < drawn).min(count - 1)]
                })
                .collect()
        })
        .collect();
    let cache: Box<dyn Peer> = match args[1].as_str() {
        "moka" => Box::new(moka::sync::Cache::<Key, Value>::new(capacity as u64)),
        "quick_cache" => Box::new(quick_cache::sync::Cache::<Key, Value>::new(capacity)),
        other => panic!("{other} is not known"),
    };
    let mut next = vec![0usize; threads];
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let seconds: f64 = line.unwrap().trim().parse().unwrap();
        let stop = AtomicBool::new(false);
        let operations = AtomicU64::new(0);
        let hits = AtomicU64::new(0);
        let start = cpu_seconds();
        std::thread::scope(|scope| {
            for (mine, at) in requests.iter().zip(next.iter_mut()) {
                let (stop, operations, hits, keys, cache) = (&stop, &operations, &hits, &keys, &*cache);
                scope.spawn(move || {
                    let (mut all, mut found) = (0u64, 0u64);
                    while !stop.load(Ordering::Relaxed) {
                        for _ in 0..64 {
                            let number = mine[*at & (REQUESTS - 1)] as usize;
                            // Fetching keys is not what is measured.
                            #[cfg(target_arch = "x86_64")]
                            unsafe {
                                use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
                                let ahead = mine[(*at + 8) & (REQUESTS - 1)] as usize;
                                _mm_prefetch(keys[ahead].as_ptr() as *const i8, _MM_HINT_T0);
                            }
                            *at += 1;
                            match cache.get(&keys[number]) {
                                Some(value) => {
                                    found += 1;
                                    assert!(value[0] == number as u8);
                                }
                                None => {
                                    let mut value = vec![0u8; value_bytes];
                                    value[0] = number as u8;
                                    cache.put(keys[number], value.into());
                                }
                            }
                        }
                        all += 64;
                    }
                    operations.fetch_add(all, Ordering::Relaxed);
                    hits.fetch_add(found, Ordering::Relaxed);
                });
            }
            std::thread::sleep(std::time::Duration::from_secs_f64(seconds));
            stop.store(true, Ordering::Relaxed);
        });
        println!("{} {:.6} {}", operations.into_inner(), cpu_seconds() - start, hits.into_inner());
        std::io::stdout().flush().unwrap();
    }
}
