//! Checks whether each function starts, with which configuration, and whether it runs as the last deployment left it.

use aws::configuration::Probed;
use stack_client::{ALIAS, CallError, ProbeError, Published};

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
    let mut results = vec![result];
    let functions = examined.console.functions();
    results.extend(match (functions.alias(&name).await, functions.published(&name).await) {
        (Ok(None), _) => Some(
            CheckResult::bad(FUNCTION, format!("it has no alias `{ALIAS}`, through which everything invokes it"))
                .mend("deploy this release"),
        ),
        (Ok(Some(alias)), _) if alias.is_moving() => Some(CheckResult::notice(
            FUNCTION,
            format!("a deployment is under way: some invocations go to another version than {}", alias.version),
        )),
        (Ok(Some(alias)), Ok(published)) => unpublished(&alias.version, &published),
        // The probe above reports calls that are refused.
        (Err(_), _) | (_, Err(_)) => None,
    });
    results.into_iter().map(|result| result.about(function)).collect()
}

/// What a deployment changed and the version that runs does not have.
fn unpublished(version: &str, published: &Published) -> Option<CheckResult> {
    match published {
        Published::Same => None,
        Published::OtherProperties(names) => Some(
            CheckResult::bad(
                FUNCTION,
                format!("version {version} runs without what a deployment has changed since: {}", names.join(", ")),
            )
            .mend("a changed parameter alone publishes no version; `gridbell config apply` publishes one"),
        ),
        Published::OtherCode => Some(
            CheckResult::bad(FUNCTION, format!("version {version} runs, which is not the code that was deployed last"))
                .mend("see whether the last deployment went back (CodeDeploy, CloudFormation), and deploy again"),
        ),
    }
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
    fn a_parameter_that_was_changed_without_a_new_version_is_bad() {
        assert!(unpublished("3", &Published::Same).is_none());
        let changed = Published::OtherProperties(vec!["Environment".to_owned(), "MemorySize".to_owned()]);
        let result = unpublished("3", &changed).expect("found");
        assert_eq!(result.verdict, Verdict::Bad);
        let expected = "version 3 runs without what a deployment has changed since: Environment, MemorySize";
        assert_eq!(result.found, expected);
        let code = unpublished("3", &Published::OtherCode).expect("found");
        assert!(code.found.contains("not the code that was deployed last"), "{}", code.found);
    }

    #[test]
    fn a_function_built_for_another_processor_is_named_with_both() {
        let error = ProbeError::Processor { built_for: "arm64", architecture: "x86_64".to_owned() };
        let result = failing(&error);
        assert_eq!(result.verdict, Verdict::Bad);
        assert!(result.found.contains("built for arm64, and the function is x86_64"), "{}", result.found);
    }
}
