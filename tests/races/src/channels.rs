//! In the place of crossbeam's channels, as far as they are used here: with locks at which another thread may come first.
//! A time that is bounded ends after some turns of the others; a deadline never comes.

use crate::locks::{Condvar, Mutex, MutexGuard, lock};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// So often the others may come before a time is over.
const TURNS: usize = 3;

pub struct Sender<T>(Arc<Shared<T>>);

pub struct Receiver<T>(Arc<Shared<T>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<T> {
    Full(T),
    Disconnected(T),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecvError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryRecvError {
    Empty,
    Disconnected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecvTimeoutError {
    Timeout,
    Disconnected,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    queue: VecDeque<T>,
    room: usize,
    /// Who waits for something: so many more find room where there is none.
    takers: usize,
    senders: usize,
    receivers: usize,
}

pub fn bounded<T>(room: usize) -> (Sender<T>, Receiver<T>) {
    let state = State { queue: VecDeque::new(), room, takers: 0, senders: 1, receivers: 1 };
    let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
    (Sender(shared.clone()), Receiver(shared))
}

pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    bounded(usize::MAX)
}

impl<T> Sender<T> {
    pub fn try_send(&self, thing: T) -> Result<(), TrySendError<T>> {
        let mut state = self.0.lock();
        match state.receivers {
            0 => Err(TrySendError::Disconnected(thing)),
            _ if !state.has_room() => Err(TrySendError::Full(thing)),
            _ => {
                state.queue.push_back(thing);
                self.0.changed.notify_all();
                Ok(())
            }
        }
    }

    pub fn send(&self, thing: T) -> Result<(), SendError<T>> {
        let mut state = self.0.lock();
        assert!(state.room > 0, "nobody here waits for who takes it");
        while state.receivers > 0 && !state.has_room() {
            state = self.0.wait(state);
        }
        if state.receivers == 0 {
            return Err(SendError(thing));
        }
        state.queue.push_back(thing);
        self.0.changed.notify_all();
        Ok(())
    }

    pub fn send_deadline(&self, thing: T, _: Instant) -> Result<(), SendError<T>> {
        self.send(thing)
    }
}

impl<T> Receiver<T> {
    pub fn recv(&self) -> Result<T, RecvError> {
        let mut state = self.0.lock();
        while state.queue.is_empty() && state.senders > 0 {
            state.takers += 1;
            state = self.0.wait(state);
            state.takers -= 1;
        }
        self.taken(state).ok_or(RecvError)
    }

    pub fn recv_timeout(&self, _: Duration) -> Result<T, RecvTimeoutError> {
        let mut state = self.0.lock();
        for _ in 0..TURNS {
            if !state.queue.is_empty() || state.senders == 0 {
                break;
            }
            state.takers += 1;
            drop(state);
            shuttle::thread::yield_now();
            state = self.0.lock();
            state.takers -= 1;
        }
        let has_ended = state.senders == 0;
        self.taken(state).ok_or(if has_ended { RecvTimeoutError::Disconnected } else { RecvTimeoutError::Timeout })
    }

    pub fn recv_deadline(&self, _: Instant) -> Result<T, RecvTimeoutError> {
        self.recv().map_err(RecvTimeoutError::from)
    }

    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        let state = self.0.lock();
        let has_ended = state.senders == 0;
        self.taken(state).ok_or(if has_ended { TryRecvError::Disconnected } else { TryRecvError::Empty })
    }

    pub fn len(&self) -> usize {
        self.0.lock().queue.len()
    }

    fn taken(&self, mut state: MutexGuard<'_, State<T>>) -> Option<T> {
        let thing = state.queue.pop_front();
        if thing.is_some() {
            self.0.changed.notify_all();
        }
        thing
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        lock(&self.state)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn has_room(&self) -> bool {
        self.queue.len() < self.room.max(self.takers)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Sender(self.0.clone())
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.0.lock().receivers += 1;
        Receiver(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.lock().senders -= 1;
        self.0.changed.notify_all();
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.receivers -= 1;
        // What nobody will take any more is gone; who waits for an answer in it hears so.
        let rest = if state.receivers == 0 { std::mem::take(&mut state.queue) } else { VecDeque::new() };
        drop(state);
        self.0.changed.notify_all();
        drop(rest);
    }
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}

pub struct IntoIter<T>(Receiver<T>);

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter(self)
    }
}

impl From<RecvError> for RecvTimeoutError {
    fn from(_: RecvError) -> Self {
        RecvTimeoutError::Disconnected
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver")
    }
}
