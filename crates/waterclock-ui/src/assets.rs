//! The page itself: files that are part of the program.

/// A file of the page.
pub(crate) struct Asset {
    pub(crate) kind: &'static str,
    pub(crate) content: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The file of this name; the page itself has the empty one.
pub(crate) fn asset(name: &str) -> Option<Asset> {
    let (kind, content): (_, &[u8]) = match name {
        "" => (HTML, include_bytes!("assets/page.html")),
        "page.css" => (CSS, include_bytes!("assets/page.css")),
        "page.js" => (SCRIPT, include_bytes!("assets/page.js")),
        "views.js" => (SCRIPT, include_bytes!("assets/views.js")),
        "charts.js" => (SCRIPT, include_bytes!("assets/charts.js")),
        "elements.js" => (SCRIPT, include_bytes!("assets/elements.js")),
        "graph.js" => (SCRIPT, include_bytes!("assets/graph.js")),
        // uPlot 1.6.32, as its package on npm has it; see uPlot.LICENSE (MIT).
        "uPlot.js" => (SCRIPT, include_bytes!("assets/uPlot.iife.min.js")),
        "uPlot.css" => (CSS, include_bytes!("assets/uPlot.min.css")),
        "uPlot.LICENSE" => ("text/plain; charset=utf-8", include_bytes!("assets/uPlot.LICENSE")),
        _ => return None,
    };
    Some(Asset { kind, content })
}
