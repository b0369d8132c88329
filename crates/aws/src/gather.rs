//! Groups concurrent calls into as few batches as possible: while one batch is sent, the next one fills. There is no
//! timer, so a single item is sent at once.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use tokio::sync::{Mutex as Turn, oneshot};

/// The limits of one batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The number of items.
    pub(crate) items: usize,
    /// The bytes of all items.
    pub(crate) bytes: usize,
}

/// Queued items, each with its own answer.
#[derive(Debug)]
pub(crate) struct Gather<T, A> {
    limits: Limits,
    waiting: Mutex<VecDeque<Waiting<T, A>>>,
    /// Sends one batch at a time.
    turn: Turn<()>,
}

#[derive(Debug)]
struct Waiting<T, A> {
    item: T,
    bytes: usize,
    answer: oneshot::Sender<A>,
}

impl<T, A> Gather<T, A> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, waiting: Mutex::new(VecDeque::new()), turn: Turn::new(()) }
    }

    /// Sends an item, in one batch with others if there are any; the caller that has the turn sends for all. `send`
    /// answers its items in order. None if the caller that sent it was cancelled: then it is unknown whether the item
    /// was sent.
    pub(crate) async fn send(&self, item: T, bytes: usize, send: impl AsyncFn(Vec<T>) -> Vec<A>) -> Option<A> {
        let (answer, mut mine) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(Waiting { item, bytes, answer });
        loop {
            let _turn = self.turn.lock().await;
            match mine.try_recv() {
                Ok(answer) => return Some(answer),
                Err(oneshot::error::TryRecvError::Closed) => return None,
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
            let (items, answers): (Vec<T>, Vec<oneshot::Sender<A>>) = self.next_batch().into_iter().unzip();
            for (waiting, answer) in answers.into_iter().zip(send(items).await) {
                // The receiver of this answer was cancelled.
                let _ = waiting.send(answer);
            }
        }
    }

    fn next_batch(&self) -> Vec<(T, oneshot::Sender<A>)> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = 0;
        let fitting = waiting.iter().take(self.limits.items).take_while(|next| {
            bytes += next.bytes;
            bytes <= self.limits.bytes
        });
        // An item that exceeds the limit is sent alone, and the service refuses it.
        let count = fitting.count().max(1).min(waiting.len());
        waiting.drain(..count).map(|next| (next.item, next.answer)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, future::Future, pin::pin, task::Poll, time::Duration};

    use super::*;

    /// Sends those items at the same time; returns the batches, and whether each item got its own answer.
    async fn batches(sizes: &[usize]) -> Vec<Vec<usize>> {
        let gather = Gather::new(Limits { items: 3, bytes: 100 });
        let sent = RefCell::new(Vec::new());
        let carry = async |items: Vec<usize>| {
            tokio::time::sleep(Duration::from_millis(5)).await;
            sent.borrow_mut().push(items.clone());
            items
        };
        let mut all: Vec<_> = sizes.iter().map(|size| Box::pin(gather.send(*size, *size, &carry))).collect();
        let mut answers = vec![None; sizes.len()];
        std::future::poll_fn(|context| {
            for (future, answer) in all.iter_mut().zip(&mut answers).filter(|(_, answer)| answer.is_none()) {
                if let Poll::Ready(ready) = future.as_mut().poll(context) {
                    *answer = Some(ready);
                }
            }
            if answers.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        assert_eq!(answers, sizes.iter().map(|size| Some(Some(*size))).collect::<Vec<_>>());
        drop(all);
        sent.into_inner()
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_while_one_is_under_way_goes_together_within_the_limits() {
        assert_eq!(batches(&[1]).await, [vec![1]]);
        assert_eq!(batches(&[1, 2, 3, 4, 5, 6]).await, [vec![1], vec![2, 3, 4], vec![5, 6]]);
        assert_eq!(batches(&[1, 60, 50, 500, 1]).await, [vec![1], vec![60], vec![50], vec![500], vec![1]]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_sender_leaves_no_caller_waiting() {
        let gather = Gather::new(Limits { items: 3, bytes: 100 });
        let never = async |_: Vec<u8>| std::future::pending::<Vec<u8>>().await;
        {
            let mut stopped = pin!(gather.send(1, 1, never));
            assert!(tokio::time::timeout(Duration::from_secs(1), stopped.as_mut()).await.is_err());
        }
        assert_eq!(gather.send(2, 1, async |items: Vec<u8>| items).await, Some(2));
    }
}
