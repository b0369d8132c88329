//! Running one invocation, several at once, or everything until nothing is left to do.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use jiff::{SignedDuration, Timestamp};
use pipeline::{
    alerts::Page,
    conditions::Condition,
    config::Source,
    deadlines::ARMED_AHEAD,
    health::sweep::Swept,
    ingest::receive::{HttpAnswer, Incoming},
    job::Message,
    record::SubjectRecord,
};

use crate::{Function, Inner, Invocation, Simulation, Standard, Toxic, fault, sim::State};

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended<T> {
    /// With this answer.
    Answered(T),
    /// The process died.
    Crashed,
}

impl<T> Ended<T> {
    /// The answer, if there is one.
    pub fn answer(self) -> Option<T> {
        match self {
            Self::Answered(answer) => Some(answer),
            Self::Crashed => None,
        }
    }
}

/// The state at the end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The internal queues are empty and no signal is pending in the outbox.
    Drained,
    /// Work was left when the time was up.
    TimeUp,
}

/// The most batches that run at the same time.
const MOST_AT_ONCE: u64 = 3;

/// The most turns of an invocation. One that takes more waits for something that never happens.
const MOST_TURNS: usize = 10_000_000;

/// The interval of the sweep.
const SWEEP_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// The future of a running batch.
type Task<'a> = Pin<Box<dyn Future<Output = Vec<String>> + 'a>>;

impl Simulation {
    /// Posts a webhook.
    pub fn post<'a>(&self, request: impl Into<Incoming<'a>>) -> Ended<HttpAnswer> {
        self.run(Function::Receiver, async |invocation| invocation.receive(request.into()).await)
    }

    /// Posts a controller's acknowledgement.
    pub fn acknowledge(&self, token: &str, body: &str) -> Ended<HttpAnswer> {
        self.run(Function::Retrier, async |invocation| invocation.acknowledge(token, body.as_bytes()).await)
    }

    /// Passes a batch to the hydrator.
    pub fn hydrate(&self, messages: Vec<Message>) -> Ended<Vec<String>> {
        self.run(Function::Hydrator, async |invocation| invocation.hydrate(messages).await)
    }

    /// Passes a batch to the retrier.
    pub fn retry(&self, messages: Vec<Message>) -> Ended<Vec<String>> {
        self.run(Function::Retrier, async |invocation| invocation.retry(messages).await)
    }

    /// Passes a batch to the alerter.
    pub fn alert(&self, messages: Vec<Message>) -> Ended<Vec<String>> {
        self.run(Function::Alerter, async |invocation| invocation.alert(messages).await)
    }

    /// Opens the link of a mail.
    pub fn follow(&self, method: &str, url: &str) -> Ended<Page> {
        self.press(method, url, "")
    }

    /// The same with a form, as a browser sends it.
    pub fn press(&self, method: &str, url: &str, form: &str) -> Ended<Page> {
        let secret = url.rsplit('/').next().unwrap_or_default();
        self.run(Function::Alerter, async |invocation| invocation.follow(method, secret, form).await)
    }

    /// Runs the scheduled sweep.
    pub fn sweep(&self) -> Ended<Swept> {
        self.run(Function::Sweeper, async |invocation| Box::pin(invocation.sweep()).await)
    }

    /// Runs any task that needs ports, alone, to its end.
    pub fn run<T>(&self, function: Function, task: impl AsyncFnOnce(&Invocation<'_>) -> T) -> Ended<T> {
        let invocation = Invocation::new(self, function);
        let mut future = pin!(task(&invocation));
        for _ in 0..MOST_TURNS {
            if let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return Ended::Answered(answer);
            }
            if invocation.is_dead() {
                return Ended::Crashed;
            }
        }
        stuck(function)
    }

    /// The longest chain of invocations that led to one of the messages.
    pub(crate) fn chain_of(&self, messages: &[Message]) -> u32 {
        self.with(|state| state.queues.values().map(|queue| queue.chain_of(messages)).max().unwrap_or(0))
    }

    /// Runs batches at the same time; the seed decides whose turn it is. Returns one answer for each, in the same
    /// order.
    pub fn at_once(&self, batches: Vec<(Function, Vec<Message>)>) -> Vec<Ended<Vec<String>>> {
        let functions: Vec<Function> = batches.iter().map(|(function, _)| *function).collect();
        let invocations: Vec<Invocation<'_>> = batches
            .iter()
            .map(|(function, messages)| Invocation::following(self, *function, self.chain_of(messages)))
            .collect();
        let mut tasks: Vec<(usize, Task<'_>)> = invocations
            .iter()
            .zip(batches)
            .map(|(invocation, (function, messages))| task(invocation, function, messages))
            .enumerate()
            .collect();
        let mut ended: Vec<Option<Ended<Vec<String>>>> = tasks.iter().map(|_| None).collect();
        for _ in 0..MOST_TURNS {
            if tasks.is_empty() {
                return ended.into_iter().map(|ended| ended.unwrap_or(Ended::Crashed)).collect();
            }
            let turn = self.with(|state| state.seed.place(tasks.len()));
            let (number, task) = &mut tasks[turn];
            match task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(failed) => ended[*number] = Some(Ended::Answered(failed)),
                Poll::Pending if invocations[*number].is_dead() => ended[*number] = Some(Ended::Crashed),
                Poll::Pending => continue,
            }
            drop(tasks.swap_remove(turn));
        }
        stuck(functions.first().copied().unwrap_or(Function::Hydrator))
    }

    /// Runs everything, waiting for delayed messages, until nothing is left or the time is up. An open incident alone
    /// is nothing to do: see [`Simulation::pass`].
    pub fn settle(&self, within: SignedDuration) -> Settled {
        self.go_on(within, false)
    }

    /// Lets time pass, with a sweep every minute.
    pub fn pass(&self, within: SignedDuration) {
        let until = self.now() + within;
        self.go_on(within, true);
        self.with(|state| state.now = state.now.max(until));
    }

    fn go_on(&self, within: SignedDuration, sweeps: bool) -> Settled {
        let until = self.now() + within;
        let polls = self.config.sources.values().any(Source::is_polled);
        while self.now() <= until {
            if self.with(State::sweep_is_due) {
                self.sweep();
                continue;
            }
            if self.courier_works() {
                continue;
            }
            let batches = self.batches();
            if !batches.is_empty() {
                self.work_off(batches);
                continue;
            }
            match self.with(|state| state.next_at(polls || sweeps)) {
                None => return Settled::Drained,
                Some(next_at) if next_at > until => return Settled::TimeUp,
                Some(next_at) => self.with(|state| state.now = state.now.max(next_at)),
            }
        }
        Settled::TimeUp
    }

    /// Passes a batch of `signals` to the courier, if there is one and something to deliver.
    fn courier_works(&self) -> bool {
        if self.config.outputs.is_empty() || self.with(|state| state.stopped.contains(&Function::Courier)) {
            return false;
        }
        let batch = self.with(State::receive_signals);
        if batch.is_empty() {
            return false;
        }
        let messages = batch.iter().map(|grouped| grouped.message.clone()).collect();
        let ended = self.run(Function::Courier, async |invocation| invocation.deliver(messages).await);
        self.with(|state| match &ended {
            Ended::Answered(failed) => state.signals_done(&batch, |id| failed.iter().any(|failed| failed == id)),
            Ended::Crashed => state.signals_done(&batch, |_| true),
        });
        true
    }

    /// The queues that functions read.
    fn queues(&self) -> &'static [Inner] {
        // Without outputs the seed draws as it did before there was a courier.
        if self.config.outputs.is_empty() { &Inner::READ } else { &Inner::READ_WITH_COURIER }
    }

    /// Batches of visible messages, from queues that the seed picks.
    fn batches(&self) -> Vec<(Inner, Vec<Message>)> {
        let queues = self.queues();
        self.with(|state| {
            let mut batches = Vec::new();
            for _ in 0..=state.seed.up_to(MOST_AT_ONCE - 1) {
                let queue = queues[state.seed.place(queues.len())];
                batches.extend(state.receive(queue).map(|batch| (queue, batch)));
            }
            if batches.is_empty() {
                // The seed picked only empty queues: take the first that has a message.
                let any = queues.iter().find_map(|queue| Some((*queue, state.receive(*queue)?)));
                batches.extend(any);
            }
            batches
        })
    }

    /// Runs batches at the same time and deletes the processed messages.
    fn work_off(&self, batches: Vec<(Inner, Vec<Message>)>) {
        let runs = batches.iter().filter_map(|(queue, messages)| Some((Function::of(*queue)?, messages.clone())));
        let ended = self.at_once(runs.collect());
        for ((queue, messages), ended) in batches.into_iter().zip(ended) {
            let Ended::Answered(failed) = ended else { continue };
            self.with(|state| {
                if state.deletion_fails(queue) {
                    return;
                }
                for message in messages.iter().filter(|message| !failed.contains(&message.id)) {
                    state.queue(queue).delete(&message.id);
                }
            });
        }
    }
}

fn task<'a>(invocation: &'a Invocation<'_>, function: Function, messages: Vec<Message>) -> Task<'a> {
    match function {
        Function::Hydrator => Box::pin(invocation.hydrate(messages)),
        Function::Retrier => Box::pin(invocation.retry(messages)),
        Function::Alerter => Box::pin(invocation.alert(messages)),
        Function::Courier => Box::pin(invocation.deliver_again(messages)),
        Function::Receiver | Function::Sweeper => Box::pin(async { Vec::new() }),
    }
}

#[expect(clippy::panic, reason = "a test that would wait for ever must end")]
fn stuck(function: Function) -> ! {
    panic!("{function:?} waits for something that never happens")
}

impl State {
    pub(crate) fn receive(&mut self, queue: Inner) -> Option<Vec<Message>> {
        if !self.reads(queue) {
            return None;
        }
        let now = self.now;
        let Self { seed, queues, rules, .. } = self;
        let of = queues.entry(queue).or_default();
        let (mut batch, mut worn_out) = of.receive(now, seed, queue.max_receives());
        if !rules.allows_loops {
            worn_out.extend(of.take_loops(&mut batch));
        }
        let keeps = self.rules.keeps_receives;
        for message in worn_out {
            if let Some(into) = queue.redrives_into() {
                let receives = if keeps { message.receives.min(queue.max_receives()) } else { 0 };
                self.queue(into).redriven(message, now, receives);
            }
        }
        (!batch.is_empty()).then_some(batch)
    }

    /// Whether a running function reads the queue. A dead-letter queue counts as read.
    fn reads(&self, queue: Inner) -> bool {
        Function::of(queue).is_none_or(|function| !self.stopped.contains(&function))
    }

    pub(crate) fn has_unsent(&self) -> bool {
        self.dispatches.rows().any(|record| !record.outbox.is_empty())
    }

    /// Whether a mail is waiting to be sent.
    pub(crate) fn has_mail_waiting(&self) -> bool {
        self.incidents.rows().any(|incident| incident.waiting.is_some() || incident.has_message_waiting())
    }

    /// Whether an open incident already reports what the record's deadline would report.
    pub(crate) fn is_covered(&self, record: &SubjectRecord) -> bool {
        let dispatch = || record.subject.clone();
        let conditions = [
            Condition::NotAcknowledged { dispatch: dispatch() },
            Condition::ControllerFailed { dispatch: dispatch() },
            Condition::NotCompliant { subject: dispatch() },
            Condition::NoEnd { dispatch: dispatch() },
        ];
        let is_open =
            |condition: &Condition| self.incidents.get(&condition.incident()).is_some_and(|row| row.is_reviewed());
        record.look_at().is_some_and(|at| at <= self.now) && conditions.iter().any(is_open)
    }

    fn sweep_is_due(&mut self) -> bool {
        let due = self.now >= self.next_sweep && !self.stopped.contains(&Function::Sweeper);
        while self.now >= self.next_sweep {
            self.next_sweep += SWEEP_EVERY;
        }
        due
    }

    /// When the next step is due: a message becomes visible, or a sweep publishes, monitors deadlines or polls.
    fn next_at(&mut self, polls: bool) -> Option<Timestamp> {
        let sweep =
            (polls || self.has_unsent() || self.has_heartbeat || self.has_mail_waiting()).then_some(self.next_sweep);
        let due =
            self.dispatches.rows().filter(|record| !self.is_covered(record)).filter_map(SubjectRecord::look_at).min();
        let deadline = due.map(|at| self.next_sweep.max(at - ARMED_AHEAD));
        // Without outputs, a controller reads `signals` itself.
        let signals = self.next_signals_at().filter(|_| self.has_courier);
        let lanes = self.lanes.rows().filter_map(|lane| lane.next_at).min();
        let lanes = lanes.map(|at| self.next_sweep.max(at));
        let queues = Inner::READ_WITH_COURIER
            .map(|queue| self.queues.get(&queue).filter(|_| self.reads(queue)).and_then(Standard::next_at));
        queues.into_iter().chain([sweep, deadline, signals, lanes]).flatten().min()
    }

    /// Whether the mapping fails to delete processed messages; then all of them come again.
    fn deletion_fails(&mut self, queue: Inner) -> bool {
        let function = Function::of(queue).unwrap_or(Function::Hydrator);
        let call = fault::Call { at: self.now, function, invocation: 0, port: "mapping.delete", toxic: None };
        self.strike(call).is_some_and(|toxic| !matches!(toxic, Toxic::LoseAnswer | Toxic::Repeat))
    }
}
