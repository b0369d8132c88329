//! Sends a real mail: only then does SES check everything, such as recipients in the sandbox and configuration sets.

use aws::ses::Ses;
use pipeline::{mail::Mail, ports::Mailer};

use super::{Check, CheckResult, Examined};

const MAIL: &str = "test mail";

pub(super) fn checks<'a>(examined: &'a Examined<'a>) -> Vec<(&'static str, Check<'a>)> {
    vec![(MAIL, Box::pin(send(examined)))]
}

async fn send(examined: &Examined<'_>) -> Vec<CheckResult> {
    let contacts = &examined.config.contacts;
    if contacts.email.is_empty() || contacts.from.is_empty() {
        return vec![CheckResult::bad(MAIL, "there are no contacts to send it to")];
    }
    let mail = compose(&examined.console.name, &contacts.from, &contacts.email);
    let to = contacts.email.join(", ");
    // As the alerter sends.
    let configuration_set = examined.stack.parameters.get("MailConfigurationSet").filter(|name| !name.is_empty());
    let ses = Ses::new(&examined.console.aws).with_configuration_set(configuration_set.cloned());
    vec![match ses.send(&mail).await {
        Ok(()) => CheckResult::good(MAIL, format!("SES took a test mail from {} to {to}", contacts.from))
            .mend("see that it has arrived, and not among spam"),
        Err(error) => CheckResult::bad(MAIL, format!("SES takes no mail to {to}: {}", examined.console.refusal(error)))
            .mend(
                "in SES's sandbox each recipient must be verified too; see its identities and their configuration set",
            ),
    }]
}

fn compose(stack: &str, from: &str, to: &[String]) -> Mail {
    let text = format!(
        "This is a test of the stack {stack}, asked for by `gridbell doctor --mail`.\n\n\
         Nothing is wrong and nothing is to be done. Alerts about dispatches come to this address in the same way.\n"
    );
    let html = format!("<p>{}</p>", text.trim_end().replace("\n\n", "</p><p>").replace('`', ""));
    Mail {
        from: from.to_owned(),
        to: to.to_vec(),
        subject: format!("[gridbell] Test mail of the stack {stack}"),
        text,
        html,
        calendar: None,
        thread: "<doctor.gridbell>".to_owned(),
    }
}
