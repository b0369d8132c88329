//! Checks which webhooks the providers have registered.

use anyhow::Result;

use super::{Check, CheckResult, Examined};
use crate::{
    console::Place,
    endpoint::{Opened, Standing},
    verbs::webhook::{self, Listing, Registered},
};

const REGISTERED: &str = "registered";

pub(super) fn checks<'a>(examined: &'a Examined<'a>) -> Vec<(&'static str, Check<'a>)> {
    let sources = examined.config.sources.keys();
    sources.map(|name| (REGISTERED, Box::pin(source(examined, name)) as Check<'a>)).collect()
}

/// Reads the provider's list with the source's key, which changes nothing.
async fn source(examined: &Examined<'_>, name: &str) -> Vec<CheckResult> {
    let found = match Opened::of(examined.console, examined.config, name) {
        Ok(opened) => of(&opened, matches!(examined.console.place, Place::Local { .. })).await,
        Err(error) => Err(error),
    };
    vec![found.unwrap_or_else(|error| CheckResult::unknown(REGISTERED, format!("{error:#}"))).about(name)]
}

async fn of(opened: &Opened, local: bool) -> Result<CheckResult> {
    Ok(match webhook::registered(opened).await? {
        Listing::Webhooks(registered) => judged(opened, &registered, local),
        Listing::Unknown { found, mend } => {
            let result = CheckResult::unknown(REGISTERED, found);
            match mend {
                Some(mend) => result.mend(mend),
                None => result,
            }
        }
    })
}

fn judged(opened: &Opened, registered: &[Registered], local: bool) -> CheckResult {
    let has = |wanted: Standing| registered.iter().find(|one| one.standing == wanted);
    let register = format!("gridbell webhook register {}", opened.name);
    if let Some(here) = has(Standing::Here) {
        return match here.lacks.as_slice() {
            [] => {
                CheckResult::good(REGISTERED, format!("{} goes to this address, with a token that opens it", here.what))
            }
            lacks => CheckResult::bad(REGISTERED, format!("{} goes here without {}", here.what, lacks.join(" and ")))
                .mend(format!("`gridbell webhook unregister {}`, then `{register}`", opened.name)),
        };
    }
    if let Some(locked) = has(Standing::Locked) {
        let found = format!("{} goes to this address with a token that does not open it: it gets 404", locked.what);
        return CheckResult::bad(REGISTERED, found).mend(format!("`{register}`"));
    }
    if let Some(front) = has(Standing::InFront) {
        let found = format!("{} goes to {}, with a token that opens this source", front.what, front.host);
        return CheckResult::notice(REGISTERED, found)
            .mend(format!("fine where that is a tunnel or a domain in front of this stack; else `{register}`"));
    }
    let others = registered.len();
    let found = match others {
        0 => format!("{} has no webhook registered", opened.provider),
        _ => format!("no webhook of {} goes to this address, {others} go elsewhere", opened.provider),
    };
    if local {
        return CheckResult::notice(REGISTERED, found)
            .mend(format!("`gridbell trigger` needs none; from outside: `{register} --url https://…` with a tunnel"));
    }
    CheckResult::bad(REGISTERED, found).mend(format!("`{register}`"))
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn what_the_provider_has_registered_is_judged_by_where_it_goes() {
        let one = |standing, lacks: &[&'static str]| Registered {
            what: "w1".to_owned(),
            host: "https://tunnel.example".to_owned(),
            standing,
            lacks: lacks.to_vec(),
        };
        let opened = crate::endpoint::opened("voltus-prod", "https://stack.example", &[]);
        let check = |registered: &[Registered], local, expected, words: &str| {
            let result = judged(&opened, registered, local);
            assert!(result.verdict == expected && result.found.contains(words), "{result:?}");
            assert_eq!(result.mend.is_some(), expected != Verdict::Good, "{result:?}");
        };
        check(
            &[one(Standing::Foreign, &[]), one(Standing::Here, &[])],
            false,
            Verdict::Good,
            "w1 goes to this address",
        );
        check(&[one(Standing::Here, &["dispatch.update"])], false, Verdict::Bad, "without dispatch.update");
        check(&[one(Standing::Locked, &[])], false, Verdict::Bad, "does not open it");
        check(&[one(Standing::InFront, &[])], false, Verdict::Notice, "https://tunnel.example");
        check(&[one(Standing::Foreign, &[])], false, Verdict::Bad, "1 go elsewhere");
        check(&[], false, Verdict::Bad, "no webhook registered");
        check(&[], true, Verdict::Notice, "no webhook registered");
    }
}
