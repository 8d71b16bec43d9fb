//! What fails, falls behind, ends, or is hostile.

use crate::jobs::{crowded, failing, hashtags, slow};
use crate::visitor::Browser;

/// T-264: the texts of a failed stage and task, the cell with the error
#[test]
fn a_failed_batch_says_why() {
    let job = failing();
    job.clock.advance_batches(3);
    let seen = Browser::at(&job.url);
    seen.until_shown("3 completed batches, 1 failed");
    let completed = seen.table("Completed batches");
    let status: Vec<&str> = completed.iter().map(|row| &*row[6]).collect();
    assert_eq!((status, &*completed[1][5]), (vec!["–", "failed", "–"], "1/2"));
    seen.until_shown("Failures and warnings, newest first");
    seen.run("document.querySelector('main a[href=\"#/batch/2000\"]').click()");
    seen.until_shown("Output 1: ");
    seen.until_shown("is no good");
    let outputs = "[...document.querySelectorAll('main h3')].filter(of => of.innerText.startsWith('Output '))
        .map(of => of.parentElement.querySelector('p').innerText.split(',')[0])";
    assert_eq!(seen.value(outputs), serde_json::json!(["succeeded", "failed"]));
    // A job that went well, and the one whose stage failed, with the text of its task.
    seen.until(
        "[...document.querySelectorAll('td details pre')].some(of => of.textContent.includes('is no good'))",
    );
    // What the record wrote is no element.
    assert_eq!(seen.value("document.querySelectorAll('main b').length"), 0);
}

#[test]
fn a_job_that_falls_behind_says_which_stage_holds_it_back() {
    let (job, go) = slow();
    let seen = Browser::at(&job.url);
    seen.until("document.getElementById('banner').hidden");
    job.clock.tick_without_waiting();
    // Its job is at work before the time goes on.
    let jobs = "(await (await fetch('/api/batches/1000')).json()).batch.jobs";
    seen.until(&format!("{jobs}[0].stages.length > 0"));
    for _ in 0..3 {
        job.clock.tick_without_waiting();
    }
    seen.until("!document.getElementById('banner').hidden");
    seen.until(
        "document.getElementById('banner').innerText.startsWith('The job does not keep up: 3 batches wait')",
    );
    seen.until("/goes into \\w+ at .*jobs.rs:\\d+/.test(document.getElementById('banner').innerText)");
    assert_eq!(seen.value("document.getElementById('banner').getAttribute('role')"), "alert");
    assert_eq!((seen.table("Running batches").len(), seen.table("Waiting batches").len()), (1, 3));
    // Once it is let go it catches up, and the banner goes.
    drop(go);
    job.clock.advance_batches(4);
    seen.until_shown("8 completed batches");
    seen.until("document.getElementById('banner').hidden || document.getElementById('banner').innerText.includes('on average')");
}

/// What is short, and what is done about it, is in the banner, with the figures below.
#[test]
fn a_job_that_is_short_of_memory_says_so() {
    let (job, go) = crowded();
    let seen = Browser::at(&job.url);
    let banner = "document.getElementById('banner').innerText";
    seen.until(&format!("{banner}.includes('Memory is short: data is on disk')"));
    assert_eq!(seen.value("document.getElementById('banner').hidden"), false);
    let memory = seen.table("Memory of data");
    let row = |what: &str| memory.iter().find(|row| row[0].starts_with(what)).unwrap()[1].clone();
    assert!(row("received blocks").ends_with("KiB") && row("on disk now").ends_with("KiB"), "{memory:?}");
    assert_eq!(row("state"), "0 B");
    // Time passes while the receiver waits.
    seen.go("inputs", "Inputs");
    while seen.value(&format!("{banner}.includes('input numbers is held back')")) == false {
        job.clock.tick_without_waiting();
    }
    seen.until("[...document.querySelectorAll('main td')].some(of => /^[1-9]\\d* %$/.test(of.innerText))");
    drop(go);
    let input = || seen.table("Inputs and their receivers").swap_remove(0);
    while input()[2] != "50,000" {
        job.clock.advance_batches(1);
    }
    // What was lately is forgotten.
    job.clock.advance_batches(30);
    seen.until("document.getElementById('banner').hidden");
    assert_eq!(input()[4], "0");
}

#[test]
fn hostile_records_are_text() {
    let attack = "<img src=x onerror=\"window.hit = 1\"><script>window.hit = 1</script>";
    let job = hashtags(vec![vec![attack], vec![attack, attack]]);
    job.clock.advance_batches(1);
    let seen = Browser::at(&job.url);
    seen.until_first_cell("Records of top hashtags", 0, attack);
    seen.until("document.querySelector('.u-legend').innerText.includes('onerror')");
    job.clock.advance_batches(1);
    seen.until_first_cell("Records of top hashtags", 1, "2");
    seen.go("graph", "Graph");
    seen.go("results", "Results");
    seen.until_first_cell("Records of top hashtags", 0, attack);
    assert_eq!(seen.value("document.querySelectorAll('img, main script').length"), 0);
    assert_eq!(seen.value("window.hit === undefined"), true);
    // And nothing else may run: a script that is put into the page all the same does nothing.
    seen.run(
        "addEventListener('securitypolicyviolation', () => (window.refused = true));
         const script = document.createElement('script');
         script.textContent = 'window.hit = 1';
         document.body.append(script);",
    );
    seen.until("window.refused");
    assert_eq!(seen.value("window.hit === undefined"), true);
}

/// T-264: the page goes with its context; what was seen stays, and says how old it is
#[test]
fn a_program_that_has_ended_is_said_to_have() {
    let job = hashtags(vec![vec!["#tea"]]);
    job.clock.advance_batches(1);
    let seen = Browser::at(&job.url);
    seen.until_first_cell("Records of top hashtags", 0, "#tea");
    drop(job);
    seen.until_shown("The program does not answer");
    assert_eq!(seen.table("Records of top hashtags"), [["#tea", "1"]]);
}
