//! Measures: each bench runs until its figure is steady, and has one line of a table. With `--times N` it runs just so
//! often, for tools that count instructions.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// A batch takes at least so long: less is lost in what a clock can tell.
const BATCH: Duration = Duration::from_millis(20);
/// Of so many batches the median counts. Two more come first, which fill caches.
const BATCHES: usize = 15;

/// What the command line asks for.
pub struct Bench {
    /// Only what has one of these in its name.
    words: Vec<String>,
    /// So often, and nothing is measured.
    times: Option<u64>,
}

impl Bench {
    /// `cargo bench` gives `--bench`; without it, as of `cargo test`, everything is only tried once.
    pub fn from_args() -> Bench {
        let mut bench = Bench { words: Vec::new(), times: Some(1) };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--bench" => bench.times = None,
                "--times" => bench.times = args.next().map(|times| times.parse().expect("--times NUMBER")),
                word => bench.words.push(word.to_string()),
            }
        }
        if bench.times.is_none() {
            println!("{:<44} {:>12} {:>8} {:>14}", "", "median", "spread", "");
        }
        bench
    }

    /// Whether anything of these names is asked for.
    pub fn wants(&self, names: &[&str]) -> bool {
        let has = |word: &String| names.iter().any(|name| name.contains(word.as_str()));
        self.words.is_empty() || self.words.iter().any(has)
    }

    /// Measures one thing.
    pub fn run<T>(&self, name: &str, work: impl FnMut() -> T) {
        self.run_with_bytes(name, 0, work);
    }

    /// Measures one thing that moves so many bytes.
    pub fn run_with_bytes<T>(&self, name: &str, bytes: u64, mut work: impl FnMut() -> T) {
        if !self.wants(&[name]) {
            return;
        }
        let mut timed = |times: u64| {
            let start = Instant::now();
            (0..times).for_each(|_| drop(black_box(work())));
            start.elapsed()
        };
        if let Some(times) = self.times {
            timed(times);
            return println!("{name}: ran {times} times");
        }
        let mut times = 1;
        while timed(times) < BATCH {
            times *= 2;
        }
        timed(times);
        let mut batches: Vec<f64> = (0..BATCHES).map(|_| timed(times).as_nanos() as f64 / times as f64).collect();
        batches.sort_by(f64::total_cmp);
        let (median, quarter) = (batches[BATCHES / 2], BATCHES / 4);
        let spread = 100.0 * (batches[BATCHES - 1 - quarter] - batches[quarter]) / median;
        let speed = if bytes == 0 { String::new() } else { format!("{:.0} MB/s", bytes as f64 * 1000.0 / median) };
        println!("{name:<44} {:>12} {spread:>6.1} % {speed:>14}", shown(median));
    }
}

/// Nanoseconds, as people write them.
fn shown(nanoseconds: f64) -> String {
    match nanoseconds {
        less if less < 10e3 => format!("{less:.0} ns"),
        less if less < 10e6 => format!("{:.1} us", less / 1e3),
        more => format!("{:.1} ms", more / 1e6),
    }
}
