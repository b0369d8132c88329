//! Checks whether each function starts, and with which configuration.

use aws::configuration::Probed;
use stack_client::{CallError, ProbeError};

use super::{Check, CheckResult, Examined};
use crate::verbs::config::names;

const FUNCTION: &str = "function";

pub(super) fn checks<'a>(examined: &'a Examined<'a>) -> Vec<(&'static str, Check<'a>)> {
    let check =
        |(function, name): (&'static str, String)| (FUNCTION, Box::pin(probe(examined, function, name)) as Check<'a>);
    names(examined.stack).into_iter().map(check).collect()
}

async fn probe(examined: &Examined<'_>, function: &str, name: String) -> Vec<CheckResult> {
    let result = match examined.console.functions().probe(&name).await {
        Ok(probed) => probed_as(&probed, examined.version.map(|version| (version.number, version.digest.as_str()))),
        Err(ProbeError::Call(error @ (CallError::Credentials(_) | CallError::Refused { status: 403, .. }))) => {
            // This identity may lack a permission that the queues and the HTTP API have.
            CheckResult::unknown(FUNCTION, examined.console.refusal(error).to_string())
        }
        Err(error) => failing(&error),
    };
    vec![result.about(function)]
}

/// Compares the function's configuration with the applied one.
fn probed_as(probed: &Probed, applied: Option<(u64, &str)>) -> CheckResult {
    let mend = "`gridbell config apply` restarts it and waits until it runs with what is applied";
    match (&probed.problem, probed.number, applied) {
        (Some(problem), ..) => CheckResult::bad(FUNCTION, problem.clone()).mend(mend),
        (None, Some(number), Some((_, digest))) if probed.digest.as_deref() == Some(digest) => CheckResult::good(
            FUNCTION,
            format!("release {} runs with version {number} of the configuration", probed.release),
        ),
        (None, Some(number), Some((applied, _))) => {
            CheckResult::bad(FUNCTION, format!("it runs with version {number}, and version {applied} is applied"))
                .mend(mend)
        }
        (None, Some(number), None) => {
            CheckResult::bad(FUNCTION, format!("it runs with version {number}, and none is applied")).mend(mend)
        }
        (None, None, _) => CheckResult::bad(FUNCTION, "it runs with no configuration").mend(mend),
    }
}

fn failing(error: &ProbeError) -> CheckResult {
    match error {
        ProbeError::Processor { architecture, .. } => CheckResult::bad(FUNCTION, error.to_string()).mend(format!(
            "build it on a machine with {architecture}, or deploy with Architecture of the machine that builds; `gridbell config check --build target/sam` compares them before a deployment"
        )),
        ProbeError::Unknown => {
            CheckResult::bad(FUNCTION, error.to_string()).mend("cd infra && sam build && sam deploy")
        }
        ProbeError::Failed(_) => CheckResult::bad(FUNCTION, error.to_string()).mend("look at its log (`aws logs tail`)"),
        ProbeError::Call(_) => CheckResult::unknown(FUNCTION, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn a_function_that_runs_with_something_else_is_bad() {
        let probed = |number, digest: &str| Probed {
            function: "receiver".to_owned(),
            release: "0.1.0".to_owned(),
            number: Some(number),
            digest: Some(digest.to_owned()),
            problem: None,
        };
        let check = |probed: &Probed, applied, verdict, found: &str| {
            let result = probed_as(probed, applied);
            assert_eq!((result.verdict, result.found.as_str()), (verdict, found));
        };
        let applied = Some((4, "new"));
        check(&probed(4, "new"), applied, Verdict::Good, "release 0.1.0 runs with version 4 of the configuration");
        // A restored version has another number and the same content.
        check(&probed(2, "new"), applied, Verdict::Good, "release 0.1.0 runs with version 2 of the configuration");
        check(&probed(3, "old"), applied, Verdict::Bad, "it runs with version 3, and version 4 is applied");
        check(&probed(3, "old"), None, Verdict::Bad, "it runs with version 3, and none is applied");
        let none =
            Probed { number: None, digest: None, problem: Some("nothing is applied".to_owned()), ..probed(0, "") };
        check(&none, applied, Verdict::Bad, "nothing is applied");
    }

    #[test]
    fn a_function_built_for_another_processor_is_named_with_both() {
        let error = ProbeError::Processor { built_for: "arm64", architecture: "x86_64".to_owned() };
        let result = failing(&error);
        assert_eq!(result.verdict, Verdict::Bad);
        assert!(result.found.contains("built for arm64, and the function is x86_64"), "{}", result.found);
    }
}
