//! Measurements as lines of the log in CloudWatch's embedded metric format, from which CloudWatch makes metrics without
//! a call: one line for each invocation that measured something.
//!
//! A line has one value of each dimension, so an invocation that asked several sources, or retried for several reasons,
//! writes a line for each further one.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::{
    collections::{BTreeMap, btree_map::Entry},
    io::{self, Write as _},
    mem,
    sync::{Mutex, OnceLock, PoisonError},
};

use jiff::Timestamp;
use pipeline::ports::Measurement;
use serde_json::{Map, Value, json};

use crate::{dynamo::word, telemetry::Escaped};

/// The namespace of all metrics.
const NAMESPACE: &str = "gridbell";

/// The values of one metric in one line, at most.
const MAX_VALUES: usize = 100;

/// The metrics of this process; nothing if they are off.
static METRICS: OnceLock<Recorder> = OnceLock::new();

/// Begins to measure, with this value of the dimension `Stack`.
pub(crate) fn start(stack: String) {
    METRICS.get_or_init(|| Recorder { stack, values: Mutex::default() });
}

/// Takes a measurement of the current invocation.
pub(crate) fn measure(measurement: Measurement<'_>) {
    if let Some(metrics) = METRICS.get() {
        metrics.measure(measurement);
    }
}

/// Writes the lines of the invocation that ends.
pub(crate) fn write(now: Timestamp) {
    let lines = METRICS.get().map(|metrics| metrics.lines(now)).unwrap_or_default();
    for line in lines {
        // A log that cannot be written cannot say so.
        let _ = Escaped(io::stdout()).write_all(format!("{line}\n").as_bytes());
    }
}

#[derive(Debug)]
struct Recorder {
    stack: String,
    values: Mutex<Values>,
}

/// The values of an invocation by metric and dimension.
type Values = BTreeMap<(Metric, String), Vec<i64>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Metric {
    Accepted,
    WebhookToSignal,
    DeadlineMargin,
    Retries,
    ProviderLatency,
    ProviderErrors,
    Notifications,
    HeartbeatAge,
}

impl Metric {
    fn name(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::WebhookToSignal => "WebhookToSignal",
            Self::DeadlineMargin => "DeadlineMargin",
            Self::Retries => "Retries",
            Self::ProviderLatency => "ProviderLatency",
            Self::ProviderErrors => "ProviderErrors",
            Self::Notifications => "Notifications",
            Self::HeartbeatAge => "HeartbeatAge",
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::WebhookToSignal | Self::ProviderLatency => "Milliseconds",
            Self::DeadlineMargin | Self::HeartbeatAge => "Seconds",
            Self::Accepted | Self::Retries | Self::ProviderErrors | Self::Notifications => "Count",
        }
    }

    /// Its dimension besides `Stack`.
    fn dimension(self) -> Option<&'static str> {
        match self {
            Self::Retries => Some("Reason"),
            Self::ProviderLatency | Self::ProviderErrors => Some("Source"),
            _ => None,
        }
    }

    /// A count is one number, however often it is counted.
    fn is_count(self) -> bool {
        self.unit() == "Count"
    }
}

impl Recorder {
    fn measure(&self, measurement: Measurement<'_>) {
        match measurement {
            Measurement::Accepted => self.add(Metric::Accepted, "", 1),
            Measurement::WebhookToSignal { took_ms } => self.add(Metric::WebhookToSignal, "", took_ms),
            Measurement::DeadlineMargin { left_s } => self.add(Metric::DeadlineMargin, "", left_s),
            Measurement::Retry { reason } => self.add(Metric::Retries, &word(&reason), 1),
            Measurement::Provider { source, took_ms, has_failed } => {
                self.add(Metric::ProviderLatency, source, took_ms);
                self.add(Metric::ProviderErrors, source, has_failed.into());
            }
            Measurement::Notification => self.add(Metric::Notifications, "", 1),
            Measurement::HeartbeatAge { age_s } => self.add(Metric::HeartbeatAge, "", age_s),
        }
    }

    fn add(&self, metric: Metric, dimension: &str, value: i64) {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let series = match values.entry((metric, dimension.to_owned())) {
            Entry::Vacant(entry) => {
                entry.insert(vec![value]);
                return;
            }
            Entry::Occupied(entry) => entry.into_mut(),
        };
        let is_full = series.len() >= MAX_VALUES;
        match series.last_mut() {
            Some(sum) if metric.is_count() => *sum = sum.saturating_add(value),
            // So that a maximum stays true, whatever is left out.
            Some(last) if is_full => *last = value.max(*last),
            _ => series.push(value),
        }
    }

    /// The lines of what was measured since the last call.
    fn lines(&self, now: Timestamp) -> Vec<Value> {
        let values = mem::take(&mut *self.values.lock().unwrap_or_else(PoisonError::into_inner));
        let mut lines: Vec<Line> = Vec::new();
        for ((metric, dimension), series) in values {
            let fitting = lines.iter_mut().find(|line| line.takes(metric, &dimension));
            match fitting {
                Some(line) => line.add(metric, dimension, series),
                None => {
                    let mut line = Line::default();
                    line.add(metric, dimension, series);
                    lines.push(line);
                }
            }
        }
        lines.into_iter().map(|line| line.into_json(&self.stack, now)).collect()
    }
}

/// One line: metrics with at most one value of each dimension.
#[derive(Debug, Default)]
struct Line {
    dimensions: BTreeMap<&'static str, String>,
    metrics: BTreeMap<Metric, Vec<i64>>,
}

impl Line {
    fn takes(&self, metric: Metric, dimension: &str) -> bool {
        let same = |name| self.dimensions.get(name).is_none_or(|known| known == dimension);
        !self.metrics.contains_key(&metric) && metric.dimension().is_none_or(same)
    }

    fn add(&mut self, metric: Metric, dimension: String, series: Vec<i64>) {
        if let Some(name) = metric.dimension() {
            self.dimensions.insert(name, dimension);
        }
        self.metrics.insert(metric, series);
    }

    fn into_json(self, stack: &str, now: Timestamp) -> Value {
        let mut directives: BTreeMap<Option<&str>, Vec<Value>> = BTreeMap::new();
        for metric in self.metrics.keys() {
            let described = json!({ "Name": metric.name(), "Unit": metric.unit() });
            directives.entry(metric.dimension()).or_default().push(described);
        }
        let directives = directives.into_iter().map(|(dimension, metrics)| {
            let dimensions: Vec<&str> = ["Stack"].into_iter().chain(dimension).collect();
            json!({ "Namespace": NAMESPACE, "Dimensions": [dimensions], "Metrics": metrics })
        });
        let about = json!({ "Timestamp": now.as_millisecond(), "CloudWatchMetrics": directives.collect::<Vec<_>>() });
        let mut line = Map::from_iter([("_aws".to_owned(), about), ("Stack".to_owned(), json!(stack))]);
        line.extend(self.dimensions.into_iter().map(|(name, value)| (name.to_owned(), json!(value))));
        line.extend(self.metrics.into_iter().map(|(metric, series)| {
            let value = if let [one] = series[..] { json!(one) } else { json!(series) };
            (metric.name().to_owned(), value)
        }));
        Value::Object(line)
    }
}

#[cfg(test)]
mod tests;
