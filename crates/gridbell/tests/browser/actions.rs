//! Every action does what the verb does, asks what the verb asks, and shows what the verb prints.

use super::{Opened, data, open};

fn done(console: &Opened) -> Vec<String> {
    console.stack.data().done.iter().filter(|one| *one != "doctor").cloned().collect()
}

#[test]
fn a_dispatch_is_acknowledged_for_the_version_that_was_seen() {
    let Some(console) = open(data::ordinary()) else { return };
    let tab = &console.tab;
    tab.goto("/now");
    tab.click(".risks a");
    assert_eq!(tab.text("h1"), data::DISPATCH);
    tab.eval("document.querySelector('input[value=accepted]').checked = true; document.querySelector('input[name=detail]').value = 'shift <lead> informed'");
    tab.click("form[action='/dispatch/ack'] button");
    assert!(tab.text(".said.good").contains("✓ voltus-prod/dkmq version 2: accepted"), "{}", tab.text("main"));
    assert_eq!(done(&console), ["ack voltus-prod/dkmq 2 accepted shift <lead> informed"]);
    tab.wait("the number of what was said to leave the address", "!location.search.includes('said')");

    // A newer version was published meanwhile: the answer was meant for the one on the screen.
    tab.eval("document.querySelector('input[value=failed]').checked = true; document.querySelector('input[name=version]').value = '1'");
    tab.click("form[action='/dispatch/ack'] button");
    assert!(
        tab.text(".said.bad").contains("version 1 of voltus-prod/dkmq is not the current one"),
        "{}",
        tab.text("main")
    );
    assert_eq!(done(&console).len(), 1, "nothing was noted");
    tab.goto("/dispatch?key=voltus-prod/dkmq");
    assert_eq!(tab.text(".said"), "", "what came of an action is shown once");
    tab.is_for_everybody("a dispatch after an answer");
    tab.was_good();
}

#[test]
fn an_incident_is_acknowledged_in_a_name() {
    let Some(console) = open(data::ordinary()) else { return };
    let tab = &console.tab;
    tab.goto("/incidents?open=1");
    assert!(!tab.text("main").contains("voltus-prod/early"), "it is resolved: {}", tab.text("main"));
    tab.click("tbody a");
    tab.eval("document.querySelector('input[name=by]').value = 'Ada on duty'");
    tab.click("form[action='/incident/ack'] button");
    assert!(tab.text(".said.good").contains("acknowledged by Ada on duty"), "{}", tab.text("main"));
    assert_eq!(done(&console), [format!("incident {} Ada on duty", data::INCIDENT)]);
    assert!(tab.text("dl").contains("by Ada on duty"));
    assert_eq!(tab.eval("document.querySelector('form[action=\"/incident/ack\"]')"), serde_json::Value::Null, "once");
    tab.was_good();
}

#[test]
fn an_incident_is_snoozed_for_a_while() {
    let Some(console) = open(data::ordinary()) else { return };
    let tab = &console.tab;
    tab.goto(&format!("/incident?name={}", data::INCIDENT));
    tab.eval("document.querySelector('select[name=span]').value = '2h'; document.querySelector('form[action=\"/incident/snooze\"] input[name=by]').value = 'Ada'");
    tab.click("form[action='/incident/snooze'] button");
    assert!(tab.text(".said.good").contains("no reminder and no escalation until"), "{}", tab.text("main"));
    assert_eq!(done(&console), [format!("snooze {} 2026-03-01T14:00:00Z Ada", data::INCIDENT)]);
    assert!(tab.text(".lead").contains("snoozed until 14:00"), "{}", tab.text("main"));
    tab.is_for_everybody("a snoozed incident");
    tab.goto("/incidents?open=1");
    assert!(tab.text("tbody").contains("snoozed until 14:00"), "{}", tab.text("main"));

    // A time that the page does not offer is refused as by the verb.
    tab.goto(&format!("/incident?name={}", data::INCIDENT));
    tab.eval("document.querySelector('select[name=span] option').value = '9d'; document.querySelector('select[name=span]').value = '9d'; document.querySelector('form[action=\"/incident/snooze\"] input[name=by]').value = 'Ada'");
    tab.click("form[action='/incident/snooze'] button");
    assert!(tab.text(".said.bad").contains("from 1m to 24h"), "{}", tab.text("main"));
    assert_eq!(done(&console).len(), 1, "nothing was noted");
    tab.was_good();
}

#[test]
fn a_replay_shows_what_would_come_of_it_first() {
    let Some(console) = open(data::ordinary()) else { return };
    let tab = &console.tab;
    tab.goto("/deliveries");
    tab.eval(&format!("document.querySelector('input[value=\"{}\"]').click(); document.querySelector('input[value=\"dead#m-1\"]').click()", data::QUARANTINED));
    tab.click("form[action='/replay'] button");
    assert!(tab.text("main").contains("2 of 2") || tab.text("#summary").contains("2 of 2"), "{}", tab.text("main"));
    assert_eq!(done(&console), [""; 0], "a preview does nothing");
    tab.click("form[method=post] button");
    assert!(
        tab.text(".said.good").contains(&format!("{0} went in again as new-{0}", data::QUARANTINED)),
        "{}",
        tab.text("main")
    );
    let replayed = done(&console);
    assert_eq!(replayed.len(), 1);
    assert!(replayed[0].contains(data::QUARANTINED) && replayed[0].contains("dead#m-1"), "{replayed:?}");
    tab.goto("/replay?id=nobody");
    assert!(tab.text("main").contains("nothing is stored under nobody"), "{}", tab.text("main"));
}

#[test]
fn a_test_of_a_source_asks_before_others_feel_it() {
    let Some(console) = open(data::ordinary()) else { return };
    let tab = &console.tab;
    tab.goto("/sources");
    tab.click("a[href='/source?name=voltus-prod']");
    tab.click("form[action='/source/test'] button");
    tab.wait("the question", "document.querySelector('.alarm') !== null");
    assert!(tab.text(".alarm").contains("a real self-test in production"), "{}", tab.text("main"));
    assert_eq!(done(&console), ["test voltus-prod false"]);
    tab.is_for_everybody("the question before a test");
    tab.click("form[action='/source/test'] button.primary");
    tab.wait("the end of the test", "document.querySelector('#test ~ ul')?.textContent.includes('Published for')");
    assert_eq!(done(&console), ["test voltus-prod false", "test voltus-prod true"]);
    tab.was_good();
}

#[test]
fn a_test_of_an_output_asks_and_shows_the_answer() {
    let Some(console) = open(data::ordinary()) else { return };
    let tab = &console.tab;
    tab.goto("/outputs");
    assert!(tab.text("main").contains("3 outputs, 2 with problems"), "{}", tab.text("main"));
    tab.click("a[href='/output?name=historian']");
    tab.click("form[action='/output/test'] button");
    tab.wait("the question", "document.querySelector('.alarm') !== null");
    assert!(tab.text(".alarm").contains("historian would get an event"), "{}", tab.text("main"));
    assert_eq!(done(&console), ["test output historian false"]);
    tab.is_for_everybody("the question before a test of an output");
    tab.click("form[action='/output/test'] button.primary");
    tab.wait(
        "the answer",
        "document.querySelector('#test ~ ul')?.textContent.includes('took the test event in 41 ms')",
    );
    assert_eq!(done(&console), ["test output historian false", "test output historian true"]);

    tab.goto(&format!("/output?name={}", data::OUTPUT));
    tab.click("form[action='/output/test'] button");
    tab.wait("the question", "document.querySelector('#test ~ .alarm') !== null");
    tab.click("form[action='/output/test'] button.primary");
    tab.wait(
        "the failure",
        "document.querySelector('#test ~ .alarm')?.textContent.includes('did not take the test event')",
    );
    tab.goto("/output?name=nobody");
    assert!(tab.text("main").contains("There is no output nobody"), "{}", tab.text("main"));
}

#[test]
fn a_replay_of_an_output_shows_what_would_come_of_it_first() {
    let Some(console) = open(data::ordinary()) else { return };
    let tab = &console.tab;
    tab.goto(&format!("/output?name={}", data::OUTPUT));
    tab.click("a.button");
    assert!(tab.text("main").contains("1 of 2 signals would be delivered"), "{}", tab.text("main"));
    assert!(tab.text("tbody").contains("dropped: the output has taken a newer version"), "{}", tab.text("main"));
    assert_eq!(done(&console), [""; 0], "a preview does nothing");
    tab.click("form[action='/output/replay'] button");
    let said = tab.text(".said.good");
    assert!(said.contains("voltus-prod/dkmq#7.4 went back into delivery"), "{}", tab.text("main"));
    assert!(said.contains("voltus-prod/dkmq#7.2 is dropped"), "{}", tab.text("main"));
    assert_eq!(done(&console), [format!("replay output {}", data::OUTPUT)]);
    assert_eq!(tab.eval("document.querySelector('a.button')"), serde_json::Value::Null, "nothing is kept any more");
    tab.goto("/output/replay?name=historian");
    assert_eq!(tab.eval("document.querySelector('form[action=\"/output/replay\"] button')"), serde_json::Value::Null);
    tab.was_good();
}

#[test]
fn the_doctor_checks_again_when_asked() {
    let Some(console) = open(data::ordinary()) else { return };
    let tab = &console.tab;
    let checked = || console.stack.data().done.iter().filter(|one| *one == "doctor").count();
    tab.goto("/doctor");
    tab.wait("the checks", "document.querySelector('table') !== null");
    assert!(tab.text(".lead").contains("1 check failed"), "{}", tab.text("main"));
    tab.goto("/doctor");
    assert_eq!(checked(), 1, "to look is not to check again");
    tab.wait("the checks", "document.querySelector('table') !== null");
    tab.click("form[action='/doctor'] button");
    tab.wait("the checks", "document.querySelector('table') !== null");
    assert_eq!(checked(), 2);
    tab.was_good();
}
