//! The one value about a queue that only `CloudWatch` has: the age of its oldest message.

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
}
