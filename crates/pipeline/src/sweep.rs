//! Every minute: send what is owed and was not sent, because a function died between its write and its send.

use jiff::SignedDuration;

use crate::{
    hydrate::{Outcome, publish},
    ports::{Clock, Dispatches, PortError, SignalStream},
};

/// Younger debts are most likely being paid right now.
const PATIENCE: SignedDuration = SignedDuration::from_secs(20);

/// The sweep.
#[derive(Debug)]
pub struct Sweep<'a, T, S, C> {
    /// `dispatches`.
    pub table: &'a T,
    /// `signals`.
    pub stream: &'a S,
    /// The time.
    pub world: &'a C,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Subjects that owed signals.
    pub owing: usize,
    /// Of those, how many were paid off here.
    pub sent: usize,
    /// Of those, how many could not be.
    pub failed: usize,
}

impl<T: Dispatches, S: SignalStream, C: Clock> Sweep<'_, T, S, C> {
    /// Pays off what is owed. One subject that fails does not keep the others waiting.
    pub async fn run(&self) -> Result<Swept, PortError> {
        let mut swept = Swept::default();
        for subject in self.table.unsent(self.world.now() - PATIENCE).await? {
            swept.owing += 1;
            // The index lags behind the table: what stands there now counts.
            let outcome = match self.table.read(&subject).await {
                Ok(Some(record)) => publish(self.table, self.stream, &record).await,
                Ok(None) => Ok(Outcome::Nothing),
                Err(error) => Err(error),
            };
            match outcome {
                Ok(Outcome::Sent) => swept.sent += 1,
                Ok(Outcome::Nothing | Outcome::Overtaken) => {}
                Err(error) => {
                    tracing::error!(dispatch.subject = %subject, %error, "an owed signal could not be sent");
                    swept.failed += 1;
                }
            }
        }
        Ok(swept)
    }
}
