//! Calls that are made at the same time, as few as can be: while one batch is under way, the next one gathers. Nothing waits for
//! a timer, and what comes alone goes alone.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use tokio::sync::{Mutex as Turn, oneshot};

/// What one batch may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// So many items.
    pub(crate) items: usize,
    /// So many bytes together.
    pub(crate) bytes: usize,
}

/// Items on their way, each with an answer of its own.
#[derive(Debug)]
pub(crate) struct Gather<T, A> {
    limits: Limits,
    waiting: Mutex<VecDeque<Waiting<T, A>>>,
    /// One batch at a time.
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

    /// Sends an item, with others where there are any; whoever has the turn sends for all. `send` answers its items in order.
    /// None where the one who sent it was stopped meanwhile: whether it is out is then not known.
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
                // Who is not there any more does not want to know.
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
        // One that is too large by itself goes alone, to be refused.
        let count = fitting.count().max(1).min(waiting.len());
        waiting.drain(..count).map(|next| (next.item, next.answer)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, future::Future, pin::pin, task::Poll, time::Duration};

    use super::*;

    /// Sends those items at once; the batches that they went in, and whether each got the answer to itself.
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
    async fn who_is_stopped_while_sending_leaves_no_one_waiting() {
        let gather = Gather::new(Limits { items: 3, bytes: 100 });
        let never = async |_: Vec<u8>| std::future::pending::<Vec<u8>>().await;
        {
            let mut stopped = pin!(gather.send(1, 1, never));
            assert!(tokio::time::timeout(Duration::from_secs(1), stopped.as_mut()).await.is_err());
        }
        assert_eq!(gather.send(2, 1, async |items: Vec<u8>| items).await, Some(2));
    }
}
