//! Checks of AWS: mail, queues, clock.

use std::time::Duration;

use jiff::{Timestamp, fmt::rfc2822};
use pipeline::ports::Clock;
use stack_client::{Counts, MailQuota, MailState};

use super::{Check, CheckResult, Examined};
use crate::show::countdown;

const MAIL: &str = "mail";
const QUEUE: &str = "queue";
const TIME: &str = "clock";

/// Fewer remaining mails than these, or than this share of the quota (a fifth), are soon used up by many incidents.
const FEW_MAILS: u64 = 50;
const FEW_MAILS_SHARE: u64 = 5;

/// AWS accepts a signature whose time is off by at most five minutes.
const SIGNATURE_HOLDS_S: i64 = 300;
/// A larger clock difference affects deadlines.
const NOTICED_S: i64 = 5;
/// More messages in a queue mean a jam: each queue is emptied within seconds.
const JAM: u64 = 100;
/// A message older than a visibility timeout, in seconds, was delivered and not processed.
const STUCK_S: i64 = 300;

pub(super) fn checks<'a>(examined: &'a Examined<'a>) -> Vec<(&'static str, Check<'a>)> {
    let mut checks: Vec<(&'static str, Check<'a>)> =
        vec![(MAIL, Box::pin(sender(examined))), (MAIL, Box::pin(account(examined)))];
    for (name, url) in &examined.console.queues {
        checks.push((QUEUE, Box::pin(queue(examined, name, url))));
    }
    checks.push((TIME, Box::pin(time(examined))));
    checks
}

async fn sender(examined: &Examined<'_>) -> Vec<CheckResult> {
    let from = &examined.config.contacts.from;
    if from.is_empty() {
        // Another check already reports that there are no contacts.
        return Vec::new();
    }
    let verify = "aws sesv2 create-email-identity --email-identity";
    vec![match examined.console.mail_sender().state(from).await {
        Ok(MailState::Verified) => CheckResult::good(MAIL, format!("SES sends in the name of {from}")),
        Ok(MailState::Unverified) => CheckResult::bad(MAIL, format!("{from} is not confirmed, so SES sends nothing"))
            .mend(format!("follow the link in the mail that AWS sent to {from}, or set its domain's DNS records")),
        Ok(MailState::Unknown) => CheckResult::bad(MAIL, format!("SES does not know {from}, so it sends nothing"))
            .mend(format!("{verify} {from}")),
        Err(error) => CheckResult::unknown(MAIL, examined.console.refusal(error).to_string()),
    }]
}

/// Whether SES sends to any address, and how many mails it may still send today.
async fn account(examined: &Examined<'_>) -> Vec<CheckResult> {
    let account = match examined.console.mail_sender().account().await {
        Ok(account) => account,
        Err(error) => return vec![CheckResult::unknown(MAIL, examined.console.refusal(error).to_string())],
    };
    let sandbox = if account.production {
        CheckResult::good(MAIL, "SES is out of its sandbox")
    } else {
        CheckResult::bad(MAIL, "SES is in its sandbox: it writes to verified addresses only, 200 a day")
            .mend("ask for production access: aws sesv2 put-account-details --production-access-enabled …")
    };
    [sandbox].into_iter().chain(account.quota.map(quota)).collect()
}

fn quota(MailQuota { most, sent }: MailQuota) -> CheckResult {
    let left = most.saturating_sub(sent);
    let found = format!("{left} of {most} mails in 24 hours are left");
    let mend = "ask for more: Service Quotas, Amazon SES, sending quota; beyond it SES refuses every mail";
    match left {
        0 => CheckResult::bad(MAIL, found).mend(mend),
        _ if left < FEW_MAILS || left * FEW_MAILS_SHARE < most => CheckResult::notice(MAIL, found).mend(mend),
        _ => CheckResult::good(MAIL, found),
    }
}

async fn queue(examined: &Examined<'_>, name: &str, url: &str) -> Vec<CheckResult> {
    let result = match examined.console.counting().counts(url).await {
        Ok(counts) => {
            let oldest_s =
                if counts.waiting + counts.in_hand == 0 { None } else { oldest_s(examined, name, url).await };
            counted(name, counts, oldest_s, reader(examined))
        }
        Err(error) => CheckResult::unknown(QUEUE, examined.console.refusal(error).to_string()),
    };
    vec![result.about(name)]
}

/// The oldest message's age: of a dead letter from the message, of others from `CloudWatch`, which an emulator lacks.
async fn oldest_s(examined: &Examined<'_>, name: &str, url: &str) -> Option<i64> {
    if name.ends_with("_dead") {
        let letters = examined.console.counting().dead_letters(url).await.ok()?;
        let oldest = letters.into_iter().map(|letter| letter.sent_at).min()?;
        return Some(examined.clock.now.duration_since(oldest).as_secs());
    }
    examined.console.cloudwatch().oldest_s(url.rsplit('/').next()?, examined.clock.now).await.ok()?
}

/// What reads the queue `signals`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// A controller, and its reading counts.
    Controller,
    /// A controller, which acknowledges what it has read.
    AcknowledgingController,
    /// The courier.
    Courier,
}

fn reader(examined: &Examined<'_>) -> Reader {
    match (examined.config.outputs.is_empty(), examined.config.deadlines.acknowledge) {
        (false, _) => Reader::Courier,
        (true, true) => Reader::AcknowledgingController,
        (true, false) => Reader::Controller,
    }
}

fn counted(name: &str, counts: Counts, oldest_s: Option<i64>, reader: Reader) -> CheckResult {
    let Counts { waiting, in_hand, delayed } = counts;
    let oldest = oldest_s.map_or_else(String::new, |age_s| format!(", the oldest for {}", countdown(age_s)));
    let found = format!("{waiting} waiting, {in_hand} in flight, {delayed} delayed{oldest}");
    if name == "outputs_dead" && waiting + in_hand > 0 {
        return CheckResult::notice(QUEUE, format!("{} dead letters{oldest}", waiting + in_hand)).mend(
            "the courier crashed over them, and the sweep has their signals tried again; read the courier's log",
        );
    }
    if name.ends_with("_dead") {
        return match waiting + in_hand {
            0 => CheckResult::good(QUEUE, "empty"),
            dead => CheckResult::bad(QUEUE, format!("{dead} dead letters{oldest}")).mend(
                "`gridbell delivery list --kind dead-letter` shows them; after a mend: `gridbell delivery replay --kind dead-letter`",
            ),
        };
    }
    match name {
        "signals" if waiting > 0 && in_hand == 0 && reader != Reader::AcknowledgingController => {
            let who = if reader == Reader::Courier { "the courier's mapping and log" } else { "the controller" };
            CheckResult::notice(QUEUE, format!("{found}: nothing seems to read it")).mend(format!("look at {who}"))
        }
        "signals" => CheckResult::good(QUEUE, found),
        _ if waiting > JAM || oldest_s.is_some_and(|age_s| age_s > STUCK_S) => {
            CheckResult::notice(QUEUE, format!("{found}: it does not empty"))
                .mend("look at the function's errors and throttles in the console")
        }
        _ => CheckResult::good(QUEUE, found),
    }
}

/// Compares AWS's clock with this machine's.
async fn time(examined: &Examined<'_>) -> Vec<CheckResult> {
    let region = examined.console.aws.region().map_or("us-east-1", AsRef::as_ref);
    let ping = || format!("https://dynamodb.{region}.amazonaws.com/ping");
    let url = examined.console.aws.endpoint_url().map_or_else(ping, str::to_owned);
    let answer = examined.console.http().get(url).timeout(Duration::from_secs(5)).send().await;
    let Ok(answer) = answer else { return vec![CheckResult::unknown(TIME, "AWS does not answer")] };
    let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
    let theirs = date.and_then(|date| rfc2822::parse(date).ok()).map(|date| date.timestamp());
    let Some(theirs) = theirs else { return vec![CheckResult::unknown(TIME, "the answer bears no date")] };
    vec![skew(theirs, aws::host::Host.now())]
}

fn skew(theirs: Timestamp, ours: Timestamp) -> CheckResult {
    let off_s = ours.duration_since(theirs).as_secs();
    let found = format!("this machine is {} s {}", off_s.abs(), if off_s < 0 { "behind" } else { "ahead" });
    let mend = "let the system keep its time: timedatectl set-ntp true";
    match off_s.abs() {
        SIGNATURE_HOLDS_S.. => CheckResult::bad(TIME, format!("{found}: AWS takes no signature of it")).mend(mend),
        NOTICED_S.. => CheckResult::notice(TIME, found).mend(mend),
        _ => CheckResult::good(TIME, "this machine agrees with AWS"),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn a_clock_that_is_off_is_told_by_how_much_it_matters() {
        let at = |text: &str| text.parse::<Timestamp>().expect("an instant");
        let check = |ours: &str, expected| {
            assert_eq!(skew(at("2026-03-01T12:00:00Z"), at(ours)).verdict, expected, "{ours}");
        };
        check("2026-03-01T12:00:02Z", Verdict::Good);
        check("2026-03-01T11:59:40Z", Verdict::Notice);
        check("2026-03-01T12:06:00Z", Verdict::Bad);
    }

    #[test]
    fn few_mails_left_are_noticed_and_none_is_bad() {
        let check = |most, sent, expected| assert_eq!(quota(MailQuota { most, sent }).verdict, expected, "{sent}");
        check(50_000, 39_999, Verdict::Good);
        check(50_000, 40_001, Verdict::Notice);
        check(200, 150, Verdict::Good);
        check(200, 151, Verdict::Notice);
        check(200, 201, Verdict::Bad);
        assert_eq!(quota(MailQuota { most: 200, sent: 151 }).found, "49 of 200 mails in 24 hours are left");
    }

    #[test]
    fn what_lies_in_a_queue_is_judged_by_whose_it_is() {
        let counts = |waiting, in_hand| Counts { waiting, in_hand, delayed: 0 };
        let (controller, acknowledging) = (Reader::Controller, Reader::AcknowledgingController);
        let check = |name, counts, reader, expected| {
            assert_eq!(counted(name, counts, Some(5), reader).verdict, expected, "{name}");
        };
        check("retries_dead", counts(0, 0), controller, Verdict::Good);
        check("retries_dead", counts(1, 0), controller, Verdict::Bad);
        check("outputs_dead", counts(0, 0), Reader::Courier, Verdict::Good);
        check("outputs_dead", counts(1, 0), Reader::Courier, Verdict::Notice);
        check("signals", counts(5, 0), controller, Verdict::Notice);
        check("signals", counts(5, 1), controller, Verdict::Good);
        check("signals", counts(5, 0), acknowledging, Verdict::Good);
        check("signals", counts(5, 0), Reader::Courier, Verdict::Notice);
        check("deliveries", counts(5_000, 0), controller, Verdict::Notice);
        check("deliveries", counts(5, 0), controller, Verdict::Good);
        let stuck = counted("deliveries", counts(1, 0), Some(900), controller);
        assert!(stuck.verdict == Verdict::Notice && stuck.found.contains("the oldest for 15 min: "), "{}", stuck.found);
        assert_eq!(
            counted("retries_dead", counts(2, 0), Some(7_200), controller).found,
            "2 dead letters, the oldest for 2 h"
        );
    }
}
