//! Pictures of a program that runs elsewhere: `cargo xtask screenshots`.

use std::path::PathBuf;

use crate::visitor::{Browser, DESK, PHONE, Window};

/// Batches that are waited for, so that there is something to see.
const BATCHES: usize = 60;

/// Does nothing unless `WATERCLOCK_PAGE` and `WATERCLOCK_PICTURES` name a page of `hashtags` and a directory.
#[test]
fn the_first_example_as_it_runs() {
    let named = (std::env::var("WATERCLOCK_PAGE"), std::env::var("WATERCLOCK_PICTURES"));
    let (Ok(url), Ok(directory)) = named else { return };
    let directory = PathBuf::from(directory);
    let dark = Window { dark: true, ..DESK };
    for (name, window) in [("light", DESK), ("dark", dark), ("narrow", PHONE)] {
        let seen = Browser::with(window, &url);
        assert_eq!(seen.value("matchMedia('(prefers-color-scheme: dark)').matches"), window.dark);
        let completed = "Number(/(\\d+) completed/.exec(document.body.innerText)[1])";
        seen.until(&format!("{completed} >= {BATCHES}"));
        let first = "[...document.querySelectorAll('table')].find(of => of.caption?.innerText === 'Records of top hashtags').innerText";
        seen.until(&format!("{first}.includes('#')"));
        seen.run(&format!("window.before = {first}"));
        seen.until(&format!("window.before !== {first}"));
        seen.picture(&directory.join(format!("page-{name}.png")));
        if window.width == DESK.width && !window.dark {
            seen.go("graph", "Graph");
            seen.until("[...document.querySelectorAll('svg.graph')].at(-1).textContent.includes('tasks')");
            seen.picture(&directory.join("page-graph.png"));
        }
    }
}
