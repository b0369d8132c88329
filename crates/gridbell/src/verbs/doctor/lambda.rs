//! Checks Lambda's limits: whether the account allows as many concurrent invocations as the stack may start.

use super::{Check, CheckResult, Examined};

const CONCURRENCY: &str = "concurrency";

/// The queues that functions read.
const READ: [&str; 6] = ["deliveries", "retries", "alerts", "reviews", "signals", "outputs"];

/// The receiver and the sweep run beside the event source mappings, with at least one invocation each.
const BESIDE: u64 = 2;

pub(super) fn checks<'a>(examined: &'a Examined<'a>) -> Vec<(&'static str, Check<'a>)> {
    vec![(CONCURRENCY, Box::pin(concurrency(examined)))]
}

async fn concurrency(examined: &Examined<'_>) -> Vec<CheckResult> {
    let functions = examined.console.functions();
    let queues: Vec<&str> = READ.iter().filter_map(|queue| examined.console.queue_name(queue)).collect();
    let asked = async {
        let most = functions.mappings(&queues).await?.into_iter().map(|mapping| mapping.scaling_config);
        let most: Option<u64> = most.map(|scaling| scaling?.maximum_concurrency).sum();
        Ok::<_, stack_client::CallError>((functions.concurrency().await?, most))
    };
    vec![match asked.await {
        Ok((limit, most)) => compared(limit, most),
        Err(error) => CheckResult::unknown(CONCURRENCY, examined.console.refusal(error).to_string()),
    }]
}

/// `limit` is the account's concurrency, `most` that of all mappings together; none: a mapping is unlimited.
fn compared(limit: u64, most: Option<u64>) -> CheckResult {
    let Some(most) = most else {
        return CheckResult::notice(CONCURRENCY, "a mapping has no bound and may take all that the account runs")
            .mend("deploy the template again: each mapping has a parameter for it");
    };
    let needed = most + BESIDE;
    let found = format!(
        "the queues take up to {most} invocations at once, receiver and sweep {BESIDE}; the account runs {limit}"
    );
    if needed <= limit {
        return CheckResult::good(CONCURRENCY, found);
    }
    CheckResult::bad(CONCURRENCY, format!("{found}: Lambda throttles, and messages wait for two minutes each time")).mend(
        "ask for more (Service Quotas, AWS Lambda, concurrent executions), or lower HydratorConcurrency and the others",
    )
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn an_account_of_ten_runs_the_defaults_and_no_more() {
        let check = |limit, most, expected| assert_eq!(compared(limit, most).verdict, expected, "{most:?} of {limit}");
        check(10, Some(8), Verdict::Good);
        check(10, Some(9), Verdict::Bad);
        check(1_000, Some(22), Verdict::Good);
        check(1_000, None, Verdict::Notice);
    }
}
