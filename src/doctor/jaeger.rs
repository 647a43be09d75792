//! Does Jaeger answer, and does it have what the collector took.

use std::time::{Duration, Instant};

use http::{HeaderName, HeaderValue};

use super::cause::Cause;
use super::check::{failed, ok, unknown_because};
use super::look;
use crate::report::model::Check;
use crate::trace::jaeger::{JaegerClient, JaegerError, JaegerTrace};

pub(super) const API: &str = "jaeger.api";
pub(super) const TRACE: &str = "jaeger.trace";

/// A span that was taken is found within this time, or not at all.
const FOUND_WITHIN: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(300);

/// What is looked at of a page.
const MOST_BYTES: u64 = 1 << 20;

/// Jaeger's address, with the headers that it wants. Their values are secrets.
#[derive(Clone)]
pub(super) struct Jaeger {
    pub ui: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Jaeger {
    pub fn new(ui: &str, headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        Self { ui: ui.trim().trim_end_matches('/').to_owned(), headers }
    }

    pub fn client(&self) -> JaegerClient {
        JaegerClient::with_headers(&self.ui, self.headers.clone())
    }

    /// Follows no redirection: that is an answer of its own.
    pub fn get(&self, url: &str) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        let headers = self.headers.iter();
        headers.fold(look::agent().get(url), |request, (name, value)| request.header(name, value)).call()
    }
}

/// Asks for the list of services. `is_needed`: whether it is broken that nobody listens. Blocks, for 6 s at most.
pub(super) fn api(jaeger: &Jaeger, is_needed: bool) -> Check {
    let ui = jaeger.ui.as_str();
    let url = format!("{ui}/api/services");
    let mut answer = match jaeger.get(&url) {
        Ok(answer) => answer,
        Err(error) => {
            let seen = match &error {
                ureq::Error::Io(error) => format!("{ui}: {}", error.kind()),
                error => format!("{ui}: {error}"),
            };
            return match error {
                ureq::Error::HostNotFound => failed(API, seen, &Cause::JaegerName),
                ureq::Error::Protocol(_) => failed(API, seen, &Cause::JaegerOtherService),
                _ if is_needed => failed(API, seen, &Cause::JaegerRefused),
                _ => unknown_because(API, seen, &Cause::JaegerRefused),
            };
        }
    };
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(MOST_BYTES).read_to_vec().unwrap_or_default();
    let services = serde_json::from_slice::<serde_json::Value>(&body).ok();
    let services = services.as_ref().and_then(|answer| answer.get("data"));
    if let (200, Some(services)) = (status, services) {
        let count = services.as_array().map_or(0, Vec::len);
        return ok(
            API,
            format!("{ui} answers and knows {count} service{}", if count == 1 { "" } else { "s" }),
        );
    }
    let body = String::from_utf8_lossy(&body);
    let address = base_path(&body).map(|path| format!("{}{path}", origin(ui)));
    // A guess from a page is told only where it is right.
    let address = address.filter(|address| address != ui && speaks_there(jaeger, address));
    let seen =
        format!("{url} answers with HTTP status {status}{}", if is_page(&body) { " and a page" } else { "" });
    let cause = match status {
        401 | 403 | 407 => Cause::JaegerLogin,
        300..=399 if address.is_none() => Cause::JaegerLogin,
        500..=599 => Cause::JaegerUnwell,
        _ if address.is_some() || is_jaegers_page(&body) || status == 404 => {
            Cause::JaegerBasePath { address }
        }
        _ if is_page(&body) && is_login(&body) => Cause::JaegerLogin,
        _ => Cause::JaegerOtherService,
    };
    failed(API, seen, &cause)
}

fn is_page(body: &str) -> bool {
    let start = body.trim_start().get(..9).unwrap_or_default().to_ascii_lowercase();
    start.starts_with("<!doctype") || start.starts_with("<html")
}

/// Jaeger's page says so in its title, whatever path it stands behind.
fn is_jaegers_page(body: &str) -> bool {
    is_page(body) && body.contains("Jaeger")
}

fn is_login(body: &str) -> bool {
    let body = body.to_ascii_lowercase();
    ["password", "log in", "login", "sign in"].iter().any(|word| body.contains(word))
}

/// The path of `<base href="/jaeger/">`, which Jaeger's page has.
fn base_path(body: &str) -> Option<String> {
    let tag = body.split_once("<base ")?.1.split('>').next()?;
    let path = tag.split_once("href=")?.1.trim_start_matches(['"', '\'']).split(['"', '\'', ' ']).next()?;
    let path = path.trim_end_matches('/');
    path.starts_with('/').then(|| path.to_owned())
}

/// `http://host:port` of an address.
fn origin(address: &str) -> &str {
    let scheme = address.find("://").map_or(0, |at| at + 3);
    address[scheme..].find('/').map_or(address, |at| &address[..scheme + at])
}

fn speaks_there(jaeger: &Jaeger, ui: &str) -> bool {
    let answer = jaeger.get(&format!("{ui}/api/services"));
    answer.is_ok_and(|mut answer| {
        answer
            .body_mut()
            .with_config()
            .limit(MOST_BYTES)
            .read_json::<serde_json::Value>()
            .is_ok_and(|body| body.get("data").is_some())
    })
}

/// Whether the span that the collector took is there. Blocks, for 15 s at most.
pub(super) fn trace(client: &JaegerClient, trace_id: u128, is_stopped: &dyn Fn() -> bool) -> Check {
    let looked = wait_for(client, trace_id, FOUND_WITHIN, is_stopped, |_| true);
    match looked {
        Ok(_) => ok(TRACE, "the span that the collector took is found by its ID"),
        Err(JaegerError::NotFound) => failed(
            TRACE,
            format!(
                "trace {trace_id:032x} is not there {} s after the collector took it",
                FOUND_WITHIN.as_secs()
            ),
            &Cause::AnotherJaeger,
        ),
        Err(error) => {
            failed(TRACE, error.to_string().split("; ").next().unwrap_or_default(), &Cause::JaegerUnwell)
        }
    }
}

/// The trace, once it is as `enough` wants it, or as it is when the time is up.
///
/// # Errors
/// Where it is not there then.
pub(super) fn wait_for(
    client: &JaegerClient,
    trace_id: u128,
    limit: Duration,
    is_stopped: &dyn Fn() -> bool,
    enough: impl Fn(&JaegerTrace) -> bool,
) -> Result<JaegerTrace, JaegerError> {
    let start = Instant::now();
    loop {
        let looked = client.fetch(trace_id);
        let is_over = start.elapsed() >= limit || is_stopped();
        match looked {
            Ok(trace) if is_over || enough(&trace) => return Ok(trace),
            Err(error) if is_over || !error.may_pass() => return Err(error),
            _ => std::thread::sleep(PAUSE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fakes;
    use super::*;
    use crate::report::model::CheckState;
    use crate::trace::closed_port::ClosedPort;
    use std::net::SocketAddr;

    fn at(address: SocketAddr) -> Jaeger {
        Jaeger::new(&format!("http://{address}/"), Vec::new())
    }

    #[track_caller]
    fn cause(address: SocketAddr) -> (String, String) {
        let check = api(&at(address), true);
        assert_eq!(check.state, CheckState::Failed, "{check:?}");
        let cause = check.cause.unwrap();
        (cause.code, cause.fix)
    }

    const PAGE: &str =
        "<!doctype html><html><head><base href=\"/jaeger/\"/><title>Jaeger UI</title></head></html>";

    #[test]
    fn each_way_not_to_be_jaegers_page_has_its_cause() {
        assert_eq!(cause(ClosedPort::new().address()).0, "jaeger_refused");
        assert_eq!(cause(fakes::http1("401 Unauthorized", "text/plain", "")).0, "jaeger_login");
        assert_eq!(cause(fakes::http1("302 Found|location: /oauth", "text/html", "")).0, "jaeger_login");
        let login = "<!DOCTYPE html><title>Sign in</title><input type=password>";
        assert_eq!(cause(fakes::http1("200 OK", "text/html", login)).0, "jaeger_login");
        assert_eq!(
            cause(fakes::http1("404 Not Found", "text/plain", "404 page not found")).0,
            "jaeger_base_path"
        );
        assert_eq!(cause(fakes::http1("503 Service Unavailable", "text/plain", "")).0, "jaeger_unwell");
        assert_eq!(cause(fakes::http1("200 OK", "text/plain", "hello")).0, "jaeger_other_service");
        assert_eq!(cause(fakes::http2()).0, "jaeger_other_service");
    }

    #[test]
    fn a_base_path_is_read_off_jaegers_page_and_told_where_it_is_right() {
        let behind = fakes::http1_by_path(|path| match path {
            "/jaeger/api/services" => ("200 OK", "application/json", "{\"data\":[]}".to_owned()),
            _ => ("200 OK", "text/html", PAGE.to_owned()),
        });
        let (code, fix) = cause(behind);
        assert_eq!(code, "jaeger_base_path");
        assert!(fix.ends_with(&format!("--jaeger http://{behind}/jaeger")), "{fix}");
        let (code, fix) = cause(fakes::http1("200 OK", "text/html", PAGE));
        assert_eq!(code, "jaeger_base_path");
        assert!(fix.contains("QUERY_BASE_PATH"), "{fix}");
    }

    #[test]
    fn a_jaeger_that_answers_is_well_and_one_that_nobody_asked_for_need_not_be() {
        assert_eq!(api(&at(fakes::jaeger(vec![])), true).state, CheckState::Ok);
        let closed = ClosedPort::new();
        let check = api(&at(closed.address()), false);
        assert_eq!(
            (check.state, check.cause.unwrap().code.as_str()),
            (CheckState::Unknown, "jaeger_refused")
        );
    }

    #[test]
    fn a_trace_that_jaeger_does_not_have_is_in_another_one() {
        let client = at(fakes::jaeger(vec![])).client();
        // As where the user stops it: at once.
        let check = trace(&client, 7, &|| true);
        assert_eq!((check.state, check.cause.unwrap().code.as_str()), (CheckState::Failed, "another_jaeger"));
    }
}
