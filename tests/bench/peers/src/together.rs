//! Some clients at once.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use crate::Result;

/// Each client works in a thread of its own; what comes of it, and the seconds from their common start to the last end.
pub fn at_once<C: Send, T: Send>(
    clients: &mut [C],
    work: impl Fn(usize, &mut C) -> Result<T> + Sync,
) -> Result<(Vec<T>, f64)> {
    let start = Barrier::new(clients.len() + 1);
    let (start, work) = (&start, &work);
    thread::scope(|scope| {
        let worker = |(number, client)| {
            scope.spawn(move || {
                start.wait();
                work(number, client)
            })
        };
        let threads: Vec<_> = clients.iter_mut().enumerate().map(worker).collect();
        start.wait();
        let began = Instant::now();
        let results: Result<Vec<T>> =
            threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked")?).collect();
        Ok((results?, began.elapsed().as_secs_f64()))
    })
}

/// The value that such a part of all is not above: 0.5 is the median.
pub fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * part).round() as usize).copied().unwrap_or(f64::NAN)
}
