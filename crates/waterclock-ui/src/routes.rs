//! Which path is what, and what every answer carries.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream::{self, Stream};
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use waterclock_base::{BatchStatus, Status, Watched};

use crate::access::{Refused, Secret, may_enter};
use crate::assets::asset;
use crate::live::{self, Looks, Message};
use crate::{metrics, rest};

/// Pages that may watch at the same time.
const VIEWERS: usize = 64;
/// How long a wrong secret waits for its answer.
const PAUSE: Duration = Duration::from_millis(300);

/// Scripts, styles and data come from here only, and nothing else may be loaded or framed: records are other people's
/// words, and whatever they contain must stay text.
const HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cache-control", "no-store"),
];

/// What answers are made from.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) watched: Arc<dyn Watched>,
    pub(crate) looks: Looks,
    pub(crate) secret: Secret,
    pub(crate) viewers: Arc<AtomicUsize>,
}

/// All paths.
pub(crate) fn router(site: Site) -> Router {
    let streaming = Router::new()
        .route("/statistics", get(statistics))
        .route("/receivers", get(receivers))
        .route("/receivers/{stream}", get(receiver))
        .route("/batches", get(batches))
        .route("/batches/{batch}", get(batch))
        .route("/batches/{batch}/operations", get(operations))
        .route("/batches/{batch}/operations/{operation}", get(operation))
        .route("/load", get(load))
        .route("/results", get(results))
        .route("/results/{place}", get(shown));
    Router::new()
        .route("/", get(|| async { file("") }))
        .route("/assets/{name}", get(|Path(name): Path<String>| async move { file(&name) }))
        .route("/metrics", get(scrape))
        .route(
            "/api/overview",
            get(|State(site): State<Site>| async move { json(&live::whole(&site.watched.status())) }),
        )
        .route("/api/batches/{batch}", get(whole_batch))
        .route("/api/live", get(watch))
        .route("/api/v1/applications", get(applications))
        .route("/api/v1/applications/{app}", get(application))
        .nest("/api/v1/applications/{app}/streaming", streaming.clone())
        .nest("/api/v1/applications/{app}/{attempt}/streaming", streaming)
        .fallback(|| async { not_found("nothing is here") })
        .layer(from_fn_with_state(site.clone(), guard))
        .with_state(site)
}

/// Lets in who may, and puts on every answer what every answer carries.
async fn guard(State(site): State<Site>, request: Request, next: Next) -> Response {
    let entered = entered(&site.secret, &request);
    let mut response = match entered {
        Ok(()) => next.run(request).await,
        Err(Refused::Host) => {
            (StatusCode::FORBIDDEN, "ask by the name localhost: this page is for its own machine")
                .into_response()
        }
        Err(Refused::Secret) => {
            tokio::time::sleep(PAUSE).await;
            let asked = [(header::WWW_AUTHENTICATE, "Basic realm=\"waterclock\", charset=\"UTF-8\"")];
            (StatusCode::UNAUTHORIZED, asked, "the token or password is missing or wrong").into_response()
        }
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

fn entered(secret: &Secret, request: &Request) -> Result<(), Refused> {
    let named = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let host = named(header::HOST).or_else(|| request.uri().host());
    may_enter(secret, host, named(header::AUTHORIZATION))
}

fn file(name: &str) -> Response {
    match asset(name) {
        Some(asset) => ([(header::CONTENT_TYPE, asset.kind)], asset.content).into_response(),
        None => not_found("no file of the page has this name"),
    }
}

fn not_found(what: &'static str) -> Response {
    (StatusCode::NOT_FOUND, what).into_response()
}

fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer can't be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn scrape(State(site): State<Site>, headers: HeaderMap) -> Response {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match metrics::text(site.watched.status(), accepted) {
        Ok((kind, text)) => ([(header::CONTENT_TYPE, kind)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn applications(State(site): State<Site>) -> Response {
    json(&[rest::application(&site.watched.status())])
}

async fn application(State(site): State<Site>, Path(app): Path<String>) -> Response {
    let application = rest::application(&site.watched.status());
    if application.id == app { json(&application) } else { not_found(NO_APPLICATION) }
}

const NO_APPLICATION: &str = "no application of this name; /api/v1/applications lists the one there is";

/// The parts of a path by name: application, attempt, and what is asked for.
type Parts = Path<std::collections::HashMap<String, String>>;

/// The status, where the path names the application; and the number that the path has under `name`.
fn of_path(site: &Site, parts: &Parts, name: &str) -> Result<(Status, Option<i64>), &'static str> {
    let status = site.watched.status();
    let attempt = rest::attempt(&status).to_string();
    if parts.get("app") != Some(&status.app_name)
        || parts.get("attempt").is_some_and(|other| *other != attempt)
    {
        return Err(NO_APPLICATION);
    }
    let number = parts.get(name).map(|text| text.parse().map_err(|_| "what stands there is no number"));
    Ok((status, number.transpose()?))
}

/// Answers with what `find` has of the status and the number in the path; 404 where it has nothing.
fn answer<T: Serialize>(
    site: &Site,
    parts: &Parts,
    name: &str,
    find: impl FnOnce(&Status, i64) -> Option<T>,
) -> Response {
    match of_path(site, parts, name) {
        Ok((status, number)) => match find(&status, number.unwrap_or_default()) {
            Some(found) => json(&found),
            None => not_found("nothing has this number, or not any more"),
        },
        Err(why) => not_found(why),
    }
}

async fn statistics(State(site): State<Site>, parts: Parts) -> Response {
    answer(&site, &parts, "", |status, _| Some(rest::statistics(status)))
}

async fn receivers(State(site): State<Site>, parts: Parts) -> Response {
    answer(&site, &parts, "", |status, _| Some(rest::receivers(status)))
}

async fn receiver(State(site): State<Site>, parts: Parts) -> Response {
    let find = |status: &Status, number| {
        rest::receivers(status).into_iter().find(|of| i64::try_from(of.stream_id) == Ok(number))
    };
    answer(&site, &parts, "stream", find)
}

/// `?status=` may be given several times.
async fn batches(State(site): State<Site>, parts: Parts, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let wanted: Vec<String> =
        pairs.filter(|(name, _)| *name == "status").map(|(_, value)| value.to_ascii_uppercase()).collect();
    if wanted.iter().any(|status| !["COMPLETED", "QUEUED", "PROCESSING"].contains(&status.as_str())) {
        return (StatusCode::BAD_REQUEST, "`status` is COMPLETED, QUEUED or PROCESSING").into_response();
    }
    answer(&site, &parts, "", |status, _| {
        let all = rest::all_batches(status).map(|(known, kind)| rest::batch(known, kind));
        let kept =
            |batch: &rest::Batch| wanted.is_empty() || wanted.iter().any(|status| status == batch.status);
        Some(all.filter(kept).collect::<Vec<_>>())
    })
}

fn find_batch(status: &Status, number: i64) -> Option<(&BatchStatus, &'static str)> {
    rest::all_batches(status).find(|(known, _)| known.info.time().as_millis() == number)
}

async fn batch(State(site): State<Site>, parts: Parts) -> Response {
    let find =
        |status: &Status, number| find_batch(status, number).map(|(known, kind)| rest::batch(known, kind));
    answer(&site, &parts, "batch", find)
}

async fn operations(State(site): State<Site>, parts: Parts) -> Response {
    let find = |status: &Status, number| Some(rest::operations(find_batch(status, number)?.0, status));
    answer(&site, &parts, "batch", find)
}

async fn operation(State(site): State<Site>, parts: Parts) -> Response {
    let wanted = parts.get("operation").and_then(|text| text.parse::<usize>().ok());
    answer(&site, &parts, "batch", |status, number| {
        let known = find_batch(status, number)?.0;
        rest::operations(known, status).into_iter().find(|of| Some(of.output_op_id) == wanted)
    })
}

async fn load(State(site): State<Site>, parts: Parts) -> Response {
    answer(&site, &parts, "", |status, _| Some(rest::load(status)))
}

async fn results(State(site): State<Site>, parts: Parts) -> Response {
    let all = |status: &Status, _| {
        let results = status.results.iter().enumerate();
        Some(results.map(|(place, of)| live::result(of, place, 0)).collect::<Vec<_>>())
    };
    answer(&site, &parts, "", all)
}

async fn shown(State(site): State<Site>, parts: Parts) -> Response {
    answer(&site, &parts, "place", |status, number| {
        let place = usize::try_from(number).ok()?;
        Some(live::result(status.results.get(place)?, place, usize::MAX))
    })
}

async fn whole_batch(State(site): State<Site>, Path(number): Path<String>) -> Response {
    let status = site.watched.status();
    match number.parse().ok().and_then(|number| find_batch(&status, number)) {
        Some((known, kind)) => json(&serde_json::json!({ "status": kind, "batch": known })),
        None => not_found("there is no such batch, or not any more"),
    }
}

/// One place among those who watch, until dropped.
struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Server-sent events: everything there is, then what is new.
async fn watch(State(site): State<Site>, _headers: HeaderMap) -> Response {
    if site.viewers.fetch_add(1, Ordering::Relaxed) >= VIEWERS {
        site.viewers.fetch_sub(1, Ordering::Relaxed);
        return (StatusCode::SERVICE_UNAVAILABLE, "too many are watching already").into_response();
    }
    let seat = Seat(site.viewers.clone());
    Sse::new(told(site, seat)).keep_alive(KeepAlive::new().interval(Duration::from_secs(10))).into_response()
}

fn told(site: Site, seat: Seat) -> impl Stream<Item = Result<Event, Infallible>> {
    let looks = site.looks.subscribe();
    let waiting: std::collections::VecDeque<Message> = live::beginning(&site.watched.status()).into();
    stream::unfold((waiting, looks, site.watched, seat), async |(mut waiting, mut looks, watched, seat)| {
        loop {
            if let Some((kind, content)) = waiting.pop_front() {
                let event = Event::default().event(kind).data(&*content);
                return Some((Ok(event), (waiting, looks, watched, seat)));
            }
            match looks.recv().await {
                Ok(message) => waiting.push_back(message),
                // Too slow: what was missed is told as if nothing had been told before.
                Err(RecvError::Lagged(_)) => waiting = live::beginning(&watched.status()).into(),
                Err(RecvError::Closed) => return None,
            }
        }
    })
}
