//! Some clients at once.

use std::sync::{Barrier, OnceLock};
use std::thread;
use std::time::Instant;

use crate::Result;

/// Each client works in a thread of its own, told when the first of them began; what comes of it, and the seconds from then
/// until the last has ended. Who shares the processors with a server may well get one late.
pub fn at_once<C: Send, T: Send>(
    clients: &mut [C],
    work: impl Fn(usize, &mut C, Instant) -> Result<T> + Sync,
) -> Result<(Vec<T>, f64)> {
    let (start, first) = (Barrier::new(clients.len()), OnceLock::new());
    let (start, first, work) = (&start, &first, &work);
    thread::scope(|scope| {
        let worker = |(number, client)| {
            scope.spawn(move || {
                start.wait();
                let began = *first.get_or_init(Instant::now);
                work(number, client, began).map(|result| (result, began.elapsed()))
            })
        };
        let threads: Vec<_> = clients.iter_mut().enumerate().map(worker).collect();
        let results: Result<Vec<_>> =
            threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked")?).collect();
        let (results, times): (Vec<_>, Vec<_>) = results?.into_iter().unzip();
        Ok((results, times.into_iter().max().unwrap_or_default().as_secs_f64()))
    })
}

/// The value that such a part of all is not above: 0.5 is the median.
pub fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * part).round() as usize).copied().unwrap_or(f64::NAN)
}
