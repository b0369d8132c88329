//! The simulation: all that is outside the pipeline, as tests set it up and look at it.

mod state;

use std::{
    cell::{Ref, RefCell},
    collections::BTreeMap,
};

use jiff::{SignedDuration, Timestamp};
use pipeline::{
    alerts::channels::ChannelHealth,
    config::Config,
    group::{AckLink, AlertGroup},
    hydrate::overlap_view::OverlapViews,
    incident::Incident,
    job::Message,
    mail::Mail,
    polling::{budget::LocalBudgets, state::PollState},
    record::SubjectRecord,
};

pub(crate) use self::state::State;
use crate::{
    Booking, Call, Controller, Fetch, Fifo, Function, Inner, Invocation, Noted, Quarantined, Queued, Reply, Rung, Sent,
    Table, Times, Toxic,
};

/// The default start of a simulation: 2023-12-01T16:40:00Z, the day of the providers' samples.
pub(crate) const BEGINNING: Timestamp = Timestamp::constant(1_701_448_800, 0);

/// The simulation of one test or one seed.
#[derive(Debug)]
pub struct Simulation {
    /// The operator's configuration.
    pub config: Config,
    state: RefCell<State>,
}

/// What a process of the hydrator remembers between invocations.
#[derive(Debug, Default)]
pub struct Process {
    pub(crate) views: OverlapViews,
    pub(crate) local_budgets: LocalBudgets,
}

impl Simulation {
    /// A simulation that starts on the day of the providers' samples.
    pub fn new(seed: u64, config: Config) -> Self {
        let state = State::new(seed, !config.outputs.is_empty());
        Self { config, state: RefCell::new(state) }
    }

    /// Reads or changes the state. The borrow never lasts across an await, so it never overlaps another.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.borrow_mut())
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        self.state.borrow().now
    }

    /// Lets time pass.
    pub fn advance(&self, by: SignedDuration) {
        self.with(|state| state.now += by);
    }

    /// Sets the answers to requests of that source that contain `about`, in order; the last one repeats.
    pub fn answers(&self, source: &str, about: &str, replies: impl IntoIterator<Item = Reply>) {
        self.with(|state| state.providers.put(source, about, replies.into_iter().collect()));
    }

    /// The requests to the providers.
    pub fn fetches(&self) -> Vec<Fetch> {
        self.state.borrow().providers.fetches.clone()
    }

    /// Sets whether the rest of the daily mail quota is small.
    pub fn short_of_mails(&self, short: bool) {
        self.with(|state| state.is_short_of_mails = short);
    }

    /// Lets calls of a port fail, such as `signals.send`; [`Simulation::calls`] shows the names.
    pub fn fault(&self, port: &'static str, toxic: Toxic, times: Times) {
        self.with(|state| state.faults.on_port(port, toxic, times));
    }

    /// Lets the call with that number fail, counted over all functions from 0.
    pub fn fault_at(&self, call: usize, toxic: Toxic) {
        self.with(|state| state.faults.at_call(call, toxic));
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.with(|state| state.faults.heal());
    }

    /// Limits a signal's body.
    pub fn limit_signals(&self, bytes: usize) {
        self.with(|state| state.signal_limit_bytes = bytes);
    }

    /// Replaces the idle processes of the hydrator and returns them. An empty list is a restart.
    pub fn swap_hydrators(&self, processes: Vec<Process>) -> Vec<Process> {
        self.with(|state| std::mem::replace(&mut state.idle_hydrators, processes))
    }

    /// Stops a function: its queue is not read and its schedule does not run.
    pub fn stop(&self, function: Function) {
        self.with(|state| state.stopped.push(function));
    }

    /// Starts the function again.
    pub fn start(&self, function: Function) {
        self.with(|state| state.stopped.retain(|stopped| *stopped != function));
    }

    /// Each sweep sends heartbeats to the hydrator and checks for dead letters. There is then always something to do,
    /// so the simulation never settles.
    pub fn send_heartbeats(&self) {
        self.with(|state| state.has_heartbeat = true);
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.state.borrow().faults.calls().to_vec()
    }

    /// Every measurement so far, in words.
    pub fn measured(&self) -> Vec<String> {
        self.with(|state| state.measured.clone())
    }

    /// Every message in the queue `signals`.
    pub fn signals(&self) -> Vec<Sent> {
        self.state.borrow().signals.sent().to_vec()
    }

    /// Sets whether the controller reads the queue `signals`.
    pub fn controller(&self, controller: Controller) {
        self.with(|state| state.controller = controller);
    }

    /// Reads the queue `signals` as a controller does.
    pub fn signals_queue<T>(&self, read: impl FnOnce(&mut Fifo) -> T) -> T {
        self.with(|state| read(&mut state.signals))
    }

    /// Every message in an internal queue, visible or not.
    pub fn queued(&self, queue: Inner) -> Vec<Queued> {
        self.with(|state| state.queue(queue).messages().to_vec())
    }

    /// The ports of a function, outside any batch.
    pub fn ports(&self) -> Invocation<'_> {
        Invocation::new(self, Function::Retrier)
    }

    /// Receives a batch of visible messages from an internal queue and hides them; empty if there are none.
    pub fn receive(&self, queue: Inner) -> Vec<Message> {
        self.with(|state| state.receive(queue)).unwrap_or_default()
    }

    /// Deletes a message from an internal queue.
    pub fn delete(&self, queue: Inner, id: &str) {
        self.with(|state| state.queue(queue).delete(id));
    }

    /// Removes the visible messages from an internal queue, oldest first, for the test to pass on.
    pub fn take(&self, queue: Inner) -> Vec<Message> {
        self.with(|state| {
            let now = state.now;
            state.queue(queue).take(now)
        })
    }

    /// Puts a message into an internal queue, as another sender would.
    pub fn put(&self, queue: Inner, body: &str) {
        self.with(|state| state.send(queue, body, 0, 0));
    }

    /// The table `dispatches`.
    pub fn dispatches(&self) -> Ref<'_, Table<SubjectRecord>> {
        Ref::map(self.state.borrow(), |state| &state.dispatches)
    }

    /// The table `alerts`.
    pub fn incidents(&self) -> Ref<'_, Table<Incident>> {
        Ref::map(self.state.borrow(), |state| &state.incidents)
    }

    /// The polling state of each source.
    pub fn polls(&self) -> Ref<'_, Table<PollState>> {
        Ref::map(self.state.borrow(), |state| &state.polls)
    }

    /// The links of the mails, in the table `alerts`.
    pub fn links(&self) -> Ref<'_, Table<AckLink>> {
        Ref::map(self.state.borrow(), |state| &state.links)
    }

    /// The scheduled retries, by what they fetch.
    pub fn bookings(&self) -> BTreeMap<String, Booking> {
        self.state.borrow().bookings.clone()
    }

    /// The alert groups, in the table `alerts`.
    pub fn groups(&self) -> Ref<'_, Table<AlertGroup>> {
        Ref::map(self.state.borrow(), |state| &state.groups)
    }

    /// Whether each channel besides mail works, in the table `alerts`.
    pub fn channel_states(&self) -> Ref<'_, Table<ChannelHealth>> {
        Ref::map(self.state.borrow(), |state| &state.channels)
    }

    /// The events that people are notified of, by incident and stage.
    pub fn events(&self) -> BTreeMap<(String, String), Noted> {
        self.state.borrow().events.clone()
    }

    /// A person has replayed the quarantined job of that name.
    pub fn replayed(&self, name: &str) {
        self.with(|state| {
            for noted in state.events.values_mut() {
                noted.quarantined.remove(name);
            }
        });
    }

    /// The quarantined jobs, by name.
    pub fn quarantined(&self) -> BTreeMap<String, Quarantined> {
        self.state.borrow().quarantined.clone()
    }

    /// The messages that the channels besides mail accepted.
    pub fn rings(&self) -> Vec<Rung> {
        self.state.borrow().rings.clone()
    }

    /// The mails and when each was sent.
    pub fn mails(&self) -> Vec<(Timestamp, Mail)> {
        self.state.borrow().mails.clone()
    }
}
