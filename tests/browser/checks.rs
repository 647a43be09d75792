//! What holds for every page. Each check says what is wrong; nothing: all is well.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::axe::Axe;
use crate::chromium::{Browser, Event, PHONE, Page, View, WIDE};
use crate::numbers::{self, Sort};

/// A page as a file.
pub struct File {
    pub name: String,
    pub path: PathBuf,
}

pub struct Check {
    pub name: &'static str,
    pub problems: fn(&mut Browser, &File) -> Vec<String>,
}

pub const CHECKS: [Check; 13] = [
    Check { name: "size", problems: size },
    Check { name: "quiet", problems: quiet },
    Check { name: "foreign", problems: foreign },
    Check { name: "without script", problems: without_script },
    Check { name: "sideways", problems: sideways },
    Check { name: "clipped", problems: clipped },
    Check { name: "axe", problems: accessible },
    Check { name: "faint", problems: faint },
    Check { name: "sort", problems: sorts },
    Check { name: "theme", problems: theme },
    Check { name: "readout", problems: readout },
    Check { name: "links", problems: links },
    Check { name: "paper", problems: paper },
];

/// Usual reports make pages that can be mailed.
const USUAL: u64 = 1_000_000;

const PROBE: &str = include_str!("probe.js");

/// Asks the page.
#[track_caller]
fn ask(page: &mut Page<'_>, question: &str) -> Value {
    page.evaluate(&format!("{PROBE}.{question}"))
}

#[track_caller]
fn list(page: &mut Page<'_>, question: &str) -> Vec<String> {
    let answer = ask(page, question);
    serde_json::from_value(answer).unwrap_or_else(|error| panic!("{question}: {error}"))
}

fn said(before: &str, problems: Vec<String>) -> impl Iterator<Item = String> {
    problems.into_iter().map(move |problem| format!("{before}: {problem}"))
}

fn size(_: &mut Browser, file: &File) -> Vec<String> {
    let bytes = std::fs::metadata(&file.path).unwrap().len();
    if bytes > USUAL { vec![format!("{bytes} bytes, more than {USUAL}")] } else { Vec::new() }
}

/// No message, exception, violation, dialog, other window or request, when it opens and when everything on it is touched.
pub fn quiet(browser: &mut Browser, file: &File) -> Vec<String> {
    let mut page = browser.open(&file.path, WIDE);
    touch(&mut page);
    let own = page.url();
    page.events().iter().filter_map(|event| heard(event, own)).collect()
}

fn touch(page: &mut Page<'_>) {
    assert!(ask(page, "touch()").as_u64() > Some(0), "there is nothing to touch");
    page.settle();
}

/// Where the page's own policy would stop nothing: no text of an attack has run, at once or when something was touched.
pub fn canaries(browser: &mut Browser, file: &File) -> Vec<String> {
    let mut page = browser.open(&file.path, View { has_policy: false, ..WIDE });
    touch(&mut page);
    let told = page.evaluate("[typeof canary, document.title, String(globalThis.canary)]");
    let is_quiet = told[0] == "undefined" && told[1] != "canary";
    if is_quiet { Vec::new() } else { vec![format!("an attack has run: {told}")] }
}

/// How often the page shows this text.
pub fn shown(browser: &mut Browser, file: &File, text: &str) -> usize {
    let mut page = browser.open(&file.path, View { has_script: false, ..WIDE });
    page.evaluate("document.body.textContent").as_str().unwrap().matches(text).count()
}

/// What an event tells that should not be.
fn heard(event: &Event, own: &str) -> Option<String> {
    let Event { method, params } = event;
    match method.as_str() {
        "Network.requestWillBeSent" => {
            let url = params["request"]["url"].as_str().unwrap();
            (url.split('#').next() != Some(own) && !url.starts_with("data:"))
                .then(|| format!("a request to {url}"))
        }
        "Page.frameNavigated" => {
            let frame = &params["frame"];
            (frame["url"] != own).then(|| format!("a frame of {}", frame["url"]))
        }
        // Clicks by a script are followed by the browser's advice on its Back button.
        "Audits.issueAdded"
            if params["issue"]["details"]["genericIssueDetails"]["errorType"]
                == "NavigationEntryMarkedSkippable" =>
        {
            None
        }
        "Runtime.consoleAPICalled"
        | "Runtime.exceptionThrown"
        | "Log.entryAdded"
        | "Audits.issueAdded"
        | "Page.javascriptDialogOpening"
        | "Page.windowOpen"
        | "Page.downloadWillBegin"
        | "Network.webSocketCreated"
        | "Network.webTransportCreated" => Some(format!("{method}: {params}")),
        _ => None,
    }
}

/// Nothing is there that no page of ours has, as the browser reads it.
pub fn foreign(browser: &mut Browser, file: &File) -> Vec<String> {
    // Without script, for that adds elements of its own.
    list(&mut browser.open(&file.path, View { has_script: false, ..WIDE }), "foreign()")
}

/// The same words with script and without, and everything can be opened.
fn without_script(browser: &mut Browser, file: &File) -> Vec<String> {
    let mut words = |has_script| {
        let mut page = browser.open(&file.path, View { has_script, ..WIDE });
        let mut closed = list(&mut page, "openAll()");
        closed.extend(list(&mut page, "closed()"));
        (ask(&mut page, "words()").as_str().unwrap().to_owned(), closed)
    };
    let ((with, _), (without, closed)) = (words(true), words(false));
    let mut problems: Vec<String> = said("cannot be opened", closed).collect();
    if with != without {
        let same = with.chars().zip(without.chars()).take_while(|(one, other)| one == other).count();
        let from = |text: &str| text.chars().skip(same.saturating_sub(20)).take(80).collect::<String>();
        problems.push(format!("with script {:?}, without {:?}", from(&with), from(&without)));
    }
    problems
}

/// The page as a whole never scrolls to the side, with everything open too.
pub fn sideways(browser: &mut Browser, file: &File) -> Vec<String> {
    let mut problems = Vec::new();
    for width in [PHONE.width, WIDE.width] {
        let mut page = browser.open(&file.path, View { width, ..WIDE });
        problems.extend(list(&mut page, "sideways()"));
        ask(&mut page, "openAll()");
        problems.extend(said("all open", list(&mut page, "sideways()")));
    }
    problems
}

/// Pictures have room for all of their words, on a phone too.
fn clipped(browser: &mut Browser, file: &File) -> Vec<String> {
    let mut problems = Vec::new();
    for width in [PHONE.width, WIDE.width] {
        let mut page = browser.open(&file.path, View { width, ..WIDE });
        ask(&mut page, "openAll()");
        problems.extend(said(&format!("{width} px"), list(&mut page, "clipped()")));
    }
    problems
}

/// Something that axe-core found, or could not decide.
#[derive(Deserialize)]
struct Found {
    rule: String,
    /// Of a part of a picture.
    #[serde(rename = "isDrawn")]
    is_drawn: bool,
    why: Vec<String>,
    words: String,
}

/// What axe-core finds, by all the rules that it applies when nobody says otherwise; with everything open. Contrast is the same on a phone,
/// where axe cannot see what has to be scrolled to.
fn accessible(browser: &mut Browser, file: &File) -> Vec<String> {
    let axe = Axe::read();
    let mut problems = Vec::new();
    // So wide that every column of every table is on the screen.
    let wide = View { width: 2_560, ..WIDE };
    for (view, name) in [(wide, "light"), (View { is_dark: true, ..wide }, "dark"), (PHONE, "phone")] {
        let mut page = browser.open(&file.path, view);
        ask(&mut page, "openAll()");
        page.evaluate(&axe.source);
        let is_phone = view.width == PHONE.width;
        let mut told = ask(&mut page, &format!("axe({is_phone})"));
        assert!(told["passes"].as_u64() > Some(20), "axe has looked at little: {told}");
        let mut found = |list: &str| -> Vec<Found> { serde_json::from_value(told[list].take()).unwrap() };
        // Whether a single sign can be told from its background is the same question as for the texts of its class; words in pictures
        // are `faint`'s.
        let is_known = |found: &Found| {
            let is_sign = found.why.iter().any(|why| ["shortTextContent", "nonBmp"].contains(&why.as_str()));
            found.rule == "color-contrast" && (found.is_drawn || is_sign)
        };
        for Found { rule, words, .. } in found("violations") {
            problems.push(format!("{name}: {rule}: {words}"));
        }
        for Found { rule, words, .. } in found("incomplete").into_iter().filter(|found| !is_known(found)) {
            problems.push(format!("{name}: axe cannot decide {rule}: {words}"));
        }
    }
    problems
}

/// Words in pictures stand out from what is behind them.
fn faint(browser: &mut Browser, file: &File) -> Vec<String> {
    let mut problems = Vec::new();
    for (is_dark, name) in [(false, "light"), (true, "dark")] {
        let mut page = browser.open(&file.path, View { is_dark, ..WIDE });
        ask(&mut page, "openAll()");
        let told = ask(&mut page, "faint()");
        problems.extend(said(name, serde_json::from_value(told["faint"].clone()).unwrap()));
    }
    problems
}

/// Every column of a table that can be sorted is in order after a click, and the other way round after two.
fn sorts(browser: &mut Browser, file: &File) -> Vec<String> {
    let sorts = ask(&mut browser.open(&file.path, WIDE), "sorts()");
    let sorts: Vec<Sort> = serde_json::from_value(sorts).unwrap();
    sorts.iter().flat_map(numbers::problems).collect()
}

fn theme(browser: &mut Browser, file: &File) -> Vec<String> {
    let mut looks = |is_dark| {
        let mut page = browser.open(&file.path, View { is_dark, ..WIDE });
        ask(&mut page, "theme()")
    };
    let (light, dark) = (looks(false), looks(true));
    let mut problems = Vec::new();
    let mut want = |what: &str, one: &Value, other: &Value, are_same: bool| {
        if one.is_null() || (one == other) != are_same {
            problems.push(format!("{what}: {one} and {other}"));
        }
    };
    want("light and dark look the same", &light[0]["paper"], &dark[0]["paper"], false);
    want("the button makes of light what the system's dark is", &light[1], &dark[0], true);
    want("the button makes of dark what the system's light is", &dark[1], &light[0], true);
    want("and back", &light[2], &light[0], true);
    want("and back", &dark[2], &dark[0], true);
    problems
}

/// A pointer over a figure reads the row of its table that stands nearest, and nothing once it has left.
fn readout(browser: &mut Browser, file: &File) -> Vec<String> {
    let mut page = browser.open(&file.path, WIDE);
    ask(&mut page, "openAll()");
    let figures = ask(&mut page, "figures()");
    let mut problems = Vec::new();
    for figure in figures.as_array().unwrap() {
        let rows = figure["rows"].as_array().unwrap();
        let id = figure["id"].as_str().unwrap();
        let place = ask(&mut page, &format!("place({})", figure["id"]));
        let number = |value: &Value| value.as_f64().unwrap();
        for at in [3.0, 330.0, 620.0, 997.0] {
            if rows.is_empty() {
                continue;
            }
            let x = number(&place["left"]) + number(&place["width"]) * at / 1_000.0;
            point(&mut page, x, number(&place["y"]));
            let read = ask(&mut page, &format!("readout({})", figure["id"]));
            let far = |row: &Value| (number(&row["at"]) - at).abs();
            let nearest = rows.iter().map(far).fold(f64::INFINITY, f64::min);
            // The pointer stands at a fraction of a pixel.
            let is_right = rows.iter().any(|row| far(row) <= nearest + 0.5 && row["says"] == read);
            if !is_right || !read.as_str().unwrap().contains(|c: char| c.is_ascii_digit()) {
                problems.push(format!("{id} at {at} reads {read}"));
            }
        }
        point(&mut page, 2.0, 2.0);
        let left = ask(&mut page, &format!("readout({})", figure["id"]));
        if left != "" {
            problems.push(format!("{id} still reads {left}"));
        }
    }
    problems
}

fn point(page: &mut Page<'_>, x: f64, y: f64) {
    page.call("Input.dispatchMouseEvent", json!({ "type": "mouseMoved", "x": x, "y": y }));
}

fn links(browser: &mut Browser, file: &File) -> Vec<String> {
    list(&mut browser.open(&file.path, WIDE), "links()")
}

/// On paper everything is open: by the style alone, and where a browser does not know that, by the script; the file has all of it.
fn paper(browser: &mut Browser, file: &File) -> Vec<String> {
    let bare = View { has_script: false, ..WIDE };
    let mut problems = Vec::new();
    let mut page = browser.open(&file.path, bare);
    page.media("print", "light");
    problems.extend(said("not on paper", list(&mut page, "closed()")));
    page.media("", "light");
    let as_it_is = pages(&mut page);
    ask(&mut page, "openAll()");
    let opened = pages(&mut page);
    if as_it_is != opened {
        problems.push(format!("{as_it_is} pages on paper, {opened} with all open"));
    }
    drop(page);

    let mut page = browser.open(&file.path, WIDE);
    let closed = list(&mut page, "notOpen()");
    page.evaluate(&format!(
        "addEventListener('beforeprint', () => {{ globalThis.printed = {PROBE}.notOpen() }}), 0"
    ));
    pages(&mut page);
    problems
        .extend(said("the script leaves closed", serde_json::from_value(page.evaluate("printed")).unwrap()));
    if list(&mut page, "notOpen()") != closed {
        problems.push("after printing other details are open than before".to_owned());
    }
    problems
}

/// Prints it, and counts its sheets.
fn pages(page: &mut Page<'_>) -> usize {
    use base64::Engine as _;
    let pdf = page.call("Page.printToPDF", json!({ "preferCSSPageSize": true }));
    let pdf = base64::prelude::BASE64_STANDARD.decode(pdf["data"].as_str().unwrap()).unwrap();
    assert!(pdf.starts_with(b"%PDF-"), "no PDF");
    let sheets = pdf.windows(b"/Type /Page\n".len()).filter(|part| *part == b"/Type /Page\n").count();
    assert!(sheets > 0, "a PDF without pages");
    sheets
}
