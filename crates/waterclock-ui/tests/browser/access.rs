//! Keyboard, landmarks, names, small windows.

use fantoccini::key::Key;

use crate::jobs::hashtags;
use crate::visitor::{Browser, PHONE};

/// Each page's place in the address and the beginning of its title.
const PAGES: [(&str, &str); 7] = [
    ("", "Overview"),
    ("results", "Results"),
    ("graph", "Graph"),
    ("inputs", "Inputs"),
    ("checkpoints", "Checkpoints"),
    ("configuration", "Configuration"),
    ("batch/1000", "Batch"),
];

#[test]
fn the_keyboard_reaches_and_opens_every_page() {
    let job = hashtags(vec![vec!["#tea"]]);
    job.clock.advance_batches(1);
    let seen = Browser::at(&job.url);
    seen.until_first_cell("Records of top hashtags", 0, "#tea");
    // The first stop leads past the navigation.
    seen.press(&[Key::Tab]);
    assert_eq!(seen.focused(), "Skip to the content");
    seen.press(&[Key::Enter]);
    assert_eq!(seen.value("document.activeElement.id"), "main");
    for title in ["Results", "Graph", "Inputs", "Checkpoints", "Configuration", "Overview"] {
        seen.run("document.activeElement.blur(); document.getElementById('skip').focus()");
        seen.tab_to(title);
        assert_eq!(seen.value("document.activeElement.matches(':focus-visible')"), true);
        seen.press(&[Key::Enter]);
        seen.until(&format!("document.title.startsWith('{title}')"));
        // As after a page load, one goes on in what was opened.
        assert_eq!(seen.value("document.activeElement.id"), "main");
        let current = "document.querySelector('nav a[aria-current=page]').innerText";
        assert_eq!(seen.value(current), title);
    }
    // Tables are sorted, and batches opened, by the same keys.
    seen.tab_to("Records");
    seen.press(&[Key::Enter]);
    seen.until("document.activeElement.closest('th').getAttribute('aria-sort') === 'descending'");
    seen.run("document.querySelector('main a[href=\"#/batch/1000\"]').focus()");
    seen.press(&[Key::Enter]);
    seen.until("document.title.startsWith('Batch 1000')");
    assert_eq!(seen.value("document.activeElement.id"), "main");
}

#[test]
fn everything_has_a_name_for_those_who_listen() {
    let job = hashtags(vec![vec!["#tea"]]);
    job.clock.advance_batches(1);
    let seen = Browser::at(&job.url);
    seen.until_first_cell("Records of top hashtags", 0, "#tea");
    assert_eq!(seen.value("document.documentElement.lang"), "en");
    assert_eq!(
        seen.value(
            "['header', 'nav', 'main', 'footer', 'h1'].map(of => document.querySelectorAll(of).length).join()"
        ),
        "1,1,1,1,1"
    );
    for (name, title) in PAGES {
        seen.go(name, title);
        seen.until("document.querySelectorAll('main h2').length > 0 && !document.body.innerText.includes('Looking…')");
        let nameless = "[...document.querySelectorAll('a, button, summary, meter, svg[role=img], [role=group], nav')]
            .filter(of => !(of.innerText ?? '').trim() && !of.getAttribute('aria-label')).map(of => of.outerHTML)";
        assert_eq!(seen.value(nameless), serde_json::json!([]), "{title}");
        let tables = "[...document.querySelectorAll('table')]
            .filter(of => !of.closest('[aria-hidden=true]'))
            .filter(of => !of.caption?.textContent || [...of.tHead.rows[0].cells].some(of => of.scope !== 'col'))
            .map(of => of.outerHTML)";
        assert_eq!(seen.value(tables), serde_json::json!([]), "{title}");
        // A drawing that is hidden from those who listen holds nothing that could be stepped into.
        let hidden = "document.querySelectorAll('[aria-hidden=true] :is(a, button, [tabindex])').length";
        assert_eq!(seen.value(hidden), 0, "{title}");
        // No heading is skipped.
        let levels = "[...document.querySelectorAll('h1, h2, h3, h4')].map(of => Number(of.tagName[1]))
            .every((level, at, all) => at === 0 ? level === 1 : level <= all[at - 1] + 1)";
        assert_eq!(seen.value(levels), true, "{title}");
    }
}

#[test]
fn a_phone_shows_all_of_it_without_moving_sideways() {
    let job =
        hashtags(vec![vec!["#tea-with-a-name-that-has-no-end-and-no-space-in-it-and-goes-on-and-on-and-on"]]);
    job.clock.advance_batches(1);
    let seen = Browser::with(PHONE, &job.url);
    for (name, title) in PAGES {
        seen.go(name, title);
        seen.until("document.querySelectorAll('main h2').length > 0 && !document.body.innerText.includes('Looking…')");
        seen.until("document.documentElement.scrollWidth <= 390");
    }
}
