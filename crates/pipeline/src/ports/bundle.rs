//! All ports of one environment as one type.

use super::{
    Clock, CourierQueue, Deliveries, Depths, Dispatches, Health, Incidents, IngestQueue, JobQueue, Mailer, Metrics,
    OpenIncidentIndex, OutputTargets, Outputs, ProviderApi, Random, Ringer, SignalStream,
};

/// The types of the ports in one environment, such as AWS or the simulation, so that a use case has one type parameter.
/// Each use case has only the ports that it needs.
pub trait Ports {
    /// Clock, random numbers and measurements.
    type Host: Clock + Random + Metrics;
    /// The queue `deliveries`, as the receiver uses it.
    type IngestQueue: IngestQueue;
    /// The inner queues.
    type JobQueue: JobQueue;
    /// The queue `signals`.
    type SignalStream: SignalStream;
    /// The depth of the queues.
    type Depths: Depths;
    /// The table `dispatches`.
    type Dispatches: Dispatches;
    /// The table `deliveries`.
    type Deliveries: Deliveries + Health;
    /// The table `alerts`.
    type Incidents: Incidents + OpenIncidentIndex;
    /// The providers' APIs.
    type ProviderApi: ProviderApi;
    /// SES.
    type Mailer: Mailer;
    /// The channels besides mail.
    type Ringer: Ringer;
    /// The table `outputs`.
    type Outputs: Outputs;
    /// The queue `outputs`.
    type CourierQueue: CourierQueue;
    /// The targets of the outputs.
    type OutputTargets: OutputTargets;
}
