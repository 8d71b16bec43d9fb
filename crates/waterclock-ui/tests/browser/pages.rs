//! Each page shows what it should.

use crate::jobs::{hashtags, paced, recoverable};
use crate::visitor::Browser;

fn batches() -> Vec<Vec<&'static str>> {
    vec![vec!["#tea", "#tea", "#rust"], vec!["#rust", "#rust", "#rust", "#sea"], vec!["#sea"]]
}

/// T-264: the page is there with the context, with headers, texts and figures
#[test]
fn the_overview_changes_with_each_batch() {
    let job = hashtags(batches());
    let seen = Browser::at(&job.url);
    seen.until_shown("No batch yet.");
    seen.run("window.stayed = true");
    job.clock.advance_batches(1);
    seen.until_first_cell("Records of top hashtags", 0, "#tea");
    assert_eq!(seen.table("Records of top hashtags"), [["#tea", "2"], ["#rust", "1"]]);
    job.clock.advance_batches(1);
    seen.until_first_cell("Records of top hashtags", 0, "#rust");
    assert_eq!(seen.table("Records of top hashtags"), [["#rust", "3"], ["#sea", "1"]]);
    seen.until_shown("2 completed batches");
    seen.until_shown("Time lines (last 2 batches, 0 active, 2 completed)");
    let completed = seen.table("Completed batches");
    assert_eq!((completed.len(), &*completed[0][1], &*completed[0][5]), (2, "4", "2/2"));
    for figure in ["Input rate", "Scheduling delay", "Processing time", "Total delay"] {
        let of = format!(
            "[...document.querySelectorAll('section.card')].find(of => of.innerText.startsWith('{figure}'))"
        );
        seen.until(&format!("{of}.querySelectorAll('canvas').length === 2"));
        seen.until(&format!("/now .* median .* 99th percentile/.test({of}.innerText)"));
    }
    seen.until_shown("State kept from batch to batch");
    assert_eq!(seen.table("State kept from batch to batch")[0][..2], ["totals", "3"]);
    assert_eq!(seen.table("The newest completed batch, phase by phase").len(), 7);
    seen.until_shown("Time of each operator, in all tasks together");
    assert_eq!(seen.value("document.title"), "Overview – hashtags");
    assert_eq!(seen.value("window.stayed"), true, "it was loaded again");
}

/// Under a latency target the page says so, in place of an interval that batches don't have.
#[test]
fn the_pace_of_a_latency_target_is_shown() {
    let job = paced();
    let seen = Browser::at(&job.url);
    seen.until_shown("Running batches within 100 ms");
    job.clock.advance_batches(200);
    seen.until_first_cell("Records of how many", 0, "50");
    let tile = |name: &str| {
        let of = "[...document.querySelectorAll('[aria-label=Pace] dt')]";
        format!("{of}.find(of => of.innerText === '{name}').nextElementSibling.innerText")
    };
    seen.until(&format!("{} === '100 ms'", tile("Latency target")));
    seen.until(&format!("{} === '50 ms'", tile("A batch spans")));
    seen.until(&format!("{} === 'is met'", tile("Target")));
    seen.until(&format!("/^\\d[\\d,]* records$/.test({})", tile("A batch takes at most")));
    // Where there is none, nothing is said of it.
    let job = hashtags(batches());
    job.clock.advance_batches(1);
    let seen = Browser::at(&job.url);
    seen.until_shown("Running batches of 1 s");
    assert_eq!(seen.value("document.querySelector('[aria-label=Pace]').hidden"), true);
    assert_eq!(seen.table("Memory of data").len(), 6);
}

#[test]
fn results_have_a_page_of_their_own() {
    let job = hashtags(batches());
    job.clock.advance_batches(1);
    let seen = Browser::at(&job.url);
    seen.go("results", "Results");
    seen.until_first_cell("Records of top hashtags", 0, "#tea");
    seen.until("document.querySelector('main canvas')");
    job.clock.advance_batches(2);
    seen.until_first_cell("Records of top hashtags", 0, "#sea");
    seen.until("document.querySelector('.u-legend').innerText.includes('#sea')");
}

/// T-276 (page): a composite operation is one box, however many streams the list has of it
#[test]
fn the_graph_has_boxes_and_the_same_as_a_list() {
    let job = hashtags(batches());
    job.clock.advance_batches(1);
    let seen = Browser::at(&job.url);
    seen.go("graph", "Graph");
    let boxes = "document.querySelector('svg.graph').textContent";
    seen.until(&format!("['messages', 'totals', 'top hashtags'].every(of => {boxes}.includes(of))"));
    let streams = seen.table("The same as a list");
    assert_eq!((&*streams[0][1], &*streams[0][2], &*streams[0][3]), ("queue_stream", "messages", "–"));
    assert!(streams.iter().any(|row| row[1] == "update_state_by_key" && row[2] == "totals"), "{streams:?}");
    let of_composite = streams.iter().filter(|row| row[1] == "count_by_value").count();
    assert!(of_composite > 1, "{streams:?}");
    let titles = "[...document.querySelector('svg.graph').querySelectorAll('g > title')]";
    let is_composite = "of => of.textContent.startsWith('count_by_value ')";
    assert_eq!(seen.value(&format!("{titles}.filter({is_composite}).length")), 1);
    // The stages of the newest batch, task by task.
    seen.until("[...document.querySelectorAll('svg.graph')].at(-1).textContent.includes('tasks')");
}

#[test]
fn inputs_and_settings_are_listed() {
    let job = hashtags(batches());
    job.clock.advance_batches(2);
    let seen = Browser::at(&job.url);
    seen.go("inputs", "Inputs");
    seen.until_shown("Inputs and their receivers");
    assert_eq!(seen.table("Inputs and their receivers")[0][..3], ["messages", "none", "7"]);
    seen.go("configuration", "Configuration");
    let settings = seen.table("Settings in force");
    assert!(settings.iter().any(|row| row[0] == "batch_interval"), "{settings:?}");
}

#[test]
fn checkpoints_say_what_a_start_went_on_with() {
    let dir = tempfile::tempdir().unwrap();
    drop(recoverable(dir.path(), 0, 2));
    let job = recoverable(dir.path(), 5000, 1);
    let seen = Browser::at(&job.url);
    seen.go("checkpoints", "Checkpoints");
    seen.until_shown("Start 2 of this application: went on after batch");
    seen.until_shown(&format!("In {}", dir.path().display()));
    // Three batches stand for the time in which nothing ran, and say so.
    seen.go("", "Overview");
    let completed = seen.table("Completed batches");
    let told: Vec<&str> = completed.iter().map(|row| &*row[6]).collect();
    let missed = "formed for time without a program";
    assert_eq!(told, ["–", missed, missed, missed]);
    seen.go("results", "Results");
    seen.until_first_cell("Records of totals", 0, "a");
}

/// T-264: a batch with two outputs and their jobs; an id that is missing or unknown
#[test]
fn a_batch_has_its_outputs_jobs_and_stages() {
    let job = hashtags(batches());
    job.clock.advance_batches(1);
    let seen = Browser::at(&job.url);
    seen.until_shown("1 completed batch");
    seen.run("document.querySelector('main a[href=\"#/batch/1000\"]').click()");
    seen.until_shown("Output 0: show top hashtags");
    seen.until_shown("Output 1: ");
    seen.until_shown("Phase by phase");
    assert_eq!(seen.table("Input")[0][..2], ["messages", "3"]);
    let jobs = seen.value(
        "[...document.querySelectorAll('caption')].filter(of => of.innerText.startsWith('Job ')).length",
    );
    assert!(jobs.as_u64() >= Some(2), "{jobs}");
    assert!(seen.value("document.title").as_str().unwrap().starts_with("Batch 1000"));
    seen.run("location.hash = '#/batch/77'");
    seen.until_shown("Batch 77 does not exist, or is no longer kept.");
    seen.run("location.hash = '#/batch/'");
    seen.until_shown("The address is missing the batch's id.");
}

/// T-264: paging and sorting
#[test]
fn tables_are_paged_and_sorted() {
    let sizes = (0..25).map(|n| vec!["#tea"; 1 + n]).collect();
    let job = hashtags(sizes);
    job.clock.advance_batches(25);
    let seen = Browser::at(&job.url);
    seen.until_shown("Page 1 of 2");
    let of =
        "[...document.querySelectorAll('table')].find(of => of.caption?.innerText === 'Completed batches')";
    seen.run(&format!("{of}.tHead.rows[0].cells[1].querySelector('button').click()"));
    seen.until(&format!("{of}.tHead.rows[0].cells[1].getAttribute('aria-sort') === 'descending'"));
    assert_eq!(seen.table("Completed batches")[0][1], "25");
    seen.run(&format!("{of}.tHead.rows[0].cells[1].querySelector('button').click()"));
    seen.until(&format!("{of}.tHead.rows[0].cells[1].getAttribute('aria-sort') === 'ascending'"));
    assert_eq!(seen.table("Completed batches")[0][1], "1");
    seen.run("[...document.querySelectorAll('.pager:not([hidden]) button')].find(of => of.innerText === 'Older').click()");
    seen.until_shown("Page 2 of 2");
    let rows = seen.table("Completed batches");
    assert_eq!((rows.len(), &*rows[0][1]), (5, "21"));
}

/// T-265: units have names; T-266: a time is told in the unit that fits; T-267: and converted into it; T-268: a
/// batch's time has its milliseconds only where batches are shorter than a second
#[test]
fn times_are_told_for_people() {
    let job = hashtags(batches());
    let seen = Browser::at(&job.url);
    let texts = |call: &str, given: &[&str]| -> Vec<String> {
        let each: Vec<String> = given.iter().map(|of| format!("{call}({of})")).collect();
        let parts = format!(
            "const of = await import('/assets/elements.js'); window.texts = [{}]; return true",
            each.join(", ")
        );
        seen.until(&format!("{{ {parts} }}"));
        serde_json::from_value(seen.value("window.texts")).unwrap()
    };
    let given = [
        "7",
        "999",
        "1000",
        "900000",
        "1000000",
        "60000000",
        "5400000000",
        "86400000000",
        "172800000000",
        "null",
    ];
    let told = ["7 µs", "999 µs", "1 ms", "900 ms", "1 s", "1 min", "1.5 h", "1 days", "2 days", "–"];
    assert_eq!(texts("of.micros", &given), told);
    let noon = "new Date(2026, 2, 1, 12, 5, 9, 40).getTime()";
    let times = [format!("{noon}, 1000"), format!("{noon}, 999"), format!("{noon}, 60000")];
    assert_eq!(
        texts("of.batchTime", &times.each_ref().map(String::as_str)),
        ["2026/03/01 12:05:09", "2026/03/01 12:05:09.040", "2026/03/01 12:05:09"]
    );
    assert_eq!(texts("of.bytes", &["0", "1536", "2097152"]), ["0 B", "1.5 KiB", "2 MiB"]);
}
