//! Jobs spread over a few threads; the first error ends them all.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Runs every job on one of `workers` threads and returns what came of each, in the order of the jobs. `worker` makes
/// what a thread needs for itself, given the thread's number.
///
/// # Errors
///
/// The first error of any job; jobs that have not begun are left out then.
pub(super) fn run<J, T, W>(
    workers: usize,
    jobs: Vec<J>,
    worker: impl Fn(usize) -> anyhow::Result<W> + Sync,
) -> anyhow::Result<Vec<(J, T)>>
where
    J: Clone + Send,
    T: Send,
    W: FnMut(J) -> anyhow::Result<T>,
{
    let workers = workers.clamp(1, jobs.len().max(1));
    let waiting: Mutex<VecDeque<(usize, J)>> = Mutex::new(jobs.iter().cloned().enumerate().collect());
    let done = Mutex::new(Vec::new());
    let results: Vec<anyhow::Result<()>> = thread::scope(|scope| {
        let (waiting, done, worker) = (&waiting, &done, &worker);
        let life = move |number: usize| {
            let result = (|| {
                let mut work = worker(number)?;
                while let Some((place, job)) = lock(waiting).pop_front() {
                    let outcome = work(job)?;
                    lock(done).push((place, outcome));
                }
                Ok(())
            })();
            if result.is_err() {
                lock(waiting).clear();
            }
            result
        };
        let threads: Vec<_> = (0..workers).map(|number| scope.spawn(move || life(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    results.into_iter().collect::<anyhow::Result<()>>()?;
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(place, _)| *place);
    Ok(jobs.into_iter().zip(done.into_iter().map(|(_, outcome)| outcome)).collect())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A job that panicked ends the process anyhow: `run` passes the panic on.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_come_in_the_order_of_the_jobs_and_an_error_ends_all() {
        let squares = run(3, (0..20).collect(), |_| Ok(|job: u64| Ok(job * job))).unwrap();
        assert_eq!(squares, (0..20).map(|job| (job, job * job)).collect::<Vec<_>>());
        let failed = run(2, (0..20).collect(), |_| {
            Ok(|job: u64| if job == 3 { Err(anyhow::anyhow!("job {job}")) } else { Ok(()) })
        });
        assert_eq!(failed.unwrap_err().to_string(), "job 3");
        assert!(run(2, Vec::<u64>::new(), |_| Ok(|_| Ok(()))).unwrap().is_empty());
    }
}
