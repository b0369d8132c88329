//! What only `CloudWatch` knows: the age of a queue's oldest message, and the state of alarms.

use aws::signed::CallError;
use aws_config::SdkConfig;
use jiff::{SignedDuration, Timestamp};
use roxmltree::Document;

use crate::query::Query;

/// How far back to search: SQS measures once a minute, and the value appears a few minutes later.
const LOOKED_BACK: SignedDuration = SignedDuration::from_mins(10);

/// `CloudWatch` in one region.
#[derive(Debug, Clone)]
pub struct CloudWatch(Query);

/// The most alarms of one request.
const ALARMS: usize = 100;

/// An alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: AlarmState,
    /// Why it is in that state.
    pub reason: String,
}

/// The state of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlarmState {
    /// All is well.
    Ok,
    /// It is raised.
    Raised,
    /// There is not enough data, as after a deployment.
    NoData,
}

impl CloudWatch {
    pub(crate) fn new(http: reqwest::Client, aws: &SdkConfig) -> Self {
        Self(Query::new(http, aws, "monitoring", "2010-08-01"))
    }

    /// The latest measured age of the oldest message, in seconds; none if there is no measurement.
    pub async fn oldest_s(&self, queue: &str, now: Timestamp) -> Result<Option<i64>, CallError> {
        let form = [
            ("Namespace", "AWS/SQS".to_owned()),
            ("MetricName", "ApproximateAgeOfOldestMessage".to_owned()),
            ("Dimensions.member.1.Name", "QueueName".to_owned()),
            ("Dimensions.member.1.Value", queue.to_owned()),
            ("StartTime", format!("{:.0}", now.checked_sub(LOOKED_BACK).unwrap_or(now))),
            ("EndTime", format!("{now:.0}")),
            ("Period", "60".to_owned()),
            ("Statistics.member.1", "Maximum".to_owned()),
        ];
        let form = form.map(|(name, value)| (name.to_owned(), value));
        self.0.call("GetMetricStatistics", &form).await.map(|xml| latest(&xml))
    }

    /// The alarms of these names, as far as they exist.
    pub async fn alarms(&self, names: &[String]) -> Result<Vec<Alarm>, CallError> {
        let mut found = Vec::new();
        for names in names.chunks(ALARMS) {
            let members =
                names.iter().zip(1..).map(|(name, number)| (format!("AlarmNames.member.{number}"), name.clone()));
            let most = ("MaxRecords".to_owned(), ALARMS.to_string());
            let xml = self.0.call("DescribeAlarms", &members.chain([most]).collect::<Vec<_>>()).await?;
            found.extend(alarms(&xml));
        }
        Ok(found)
    }
}

/// The alarms in an answer. One without a name or a known state is left out, and so counts as missing.
fn alarms(xml: &str) -> Vec<Alarm> {
    let Ok(document) = Document::parse(xml) else { return Vec::new() };
    let list = document.descendants().find(|node| node.tag_name().name() == "MetricAlarms");
    let members = list.into_iter().flat_map(|list| list.children().filter(|node| node.tag_name().name() == "member"));
    let alarm = members.filter_map(|member| {
        let text = |name: &str| member.children().find(|child| child.tag_name().name() == name)?.text();
        let state = match text("StateValue")? {
            "OK" => AlarmState::Ok,
            "ALARM" => AlarmState::Raised,
            "INSUFFICIENT_DATA" => AlarmState::NoData,
            _ => return None,
        };
        let reason = text("StateReason").unwrap_or_default().to_owned();
        Some(Alarm { name: text("AlarmName")?.to_owned(), state, reason })
    });
    alarm.collect()
}

/// The latest point; the points are unordered.
fn latest(xml: &str) -> Option<i64> {
    let document = Document::parse(xml).ok()?;
    let points = document.descendants().filter(|node| node.tag_name().name() == "member");
    let point = points.filter_map(|point| {
        let text = |name: &str| point.children().find(|child| child.tag_name().name() == name)?.text();
        let age_s: f64 = text("Maximum")?.parse().ok()?;
        #[expect(clippy::cast_possible_truncation, reason = "whole seconds, at most fourteen days")]
        Some((text("Timestamp")?.parse::<Timestamp>().ok()?, age_s as i64))
    });
    point.max_by_key(|(at, _)| *at).map(|(_, age_s)| age_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_point_counts() {
        let point = |at: &str, age: &str| {
            format!("<member><Unit>Seconds</Unit><Maximum>{age}</Maximum><Timestamp>{at}</Timestamp></member>")
        };
        let points = [point("2026-03-01T12:01:00Z", "95.0"), point("2026-03-01T12:00:00Z", "35.0")].concat();
        let answer = |points: &str| {
            format!(
                "<GetMetricStatisticsResponse xmlns='http://x'><GetMetricStatisticsResult><Datapoints>{points}</Datapoints></GetMetricStatisticsResult></GetMetricStatisticsResponse>"
            )
        };
        assert_eq!(latest(&answer(&points)), Some(95));
        assert_eq!(latest(&answer("")), None);
        assert_eq!(latest("{}"), None);
    }

    #[test]
    fn alarms_are_read_with_their_state() {
        let alarm = |name: &str, state: &str| {
            format!(
                "<member><AlarmName>{name}</AlarmName><Dimensions><member><Name>a</Name></member></Dimensions><StateValue>{state}</StateValue><StateReason>why</StateReason></member>"
            )
        };
        let list = [alarm("a", "OK"), alarm("b", "ALARM"), alarm("c", "INSUFFICIENT_DATA"), alarm("d", "?")].concat();
        let xml = format!(
            "<DescribeAlarmsResponse xmlns='http://x'><DescribeAlarmsResult><MetricAlarms>{list}</MetricAlarms></DescribeAlarmsResult></DescribeAlarmsResponse>"
        );
        let read: Vec<_> = alarms(&xml).into_iter().map(|alarm| (alarm.name, alarm.state)).collect();
        let expected = [("a", AlarmState::Ok), ("b", AlarmState::Raised), ("c", AlarmState::NoData)];
        assert_eq!(read, expected.map(|(name, state)| (name.to_owned(), state)));
        assert_eq!(alarms("{}"), []);
    }
}
