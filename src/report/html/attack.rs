//! Texts that attack a page, and what a page may hold whatever it is made of.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::page::{SCRIPT, STYLE};

/// A tag of a page: its name and its attributes.
pub(super) struct Tag {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
}

/// The tags of a page as a browser would find them, without what is within style and script.
pub(super) fn tags(page: &str) -> Vec<Tag> {
    let page = page.replace(STYLE, "").replace(SCRIPT, "");
    let mut rest = page.as_str();
    let mut tags = Vec::new();
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let end = rest.find(|c: char| c.is_whitespace() || c == '>').expect("a tag has an end");
        let mut tag = Tag { name: rest[..end].to_owned(), attributes: Vec::new() };
        rest = &rest[end..];
        loop {
            rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix('>') {
                rest = after;
                break;
            }
            let (name, after) = rest.split_at(rest.find(['=', '>', ' ']).expect("an attribute has an end"));
            rest = after;
            let mut value = "";
            if let Some(after) = rest.strip_prefix("=\"") {
                (value, rest) = after.split_once('"').expect("a value has an end");
            }
            tag.attributes.push((name.to_owned(), value.to_owned()));
        }
        tags.push(tag);
    }
    tags
}

const NAMES: &str = "!DOCTYPE html head meta title link style body header nav main footer script section h1 h2 h3 h4 p ul li a strong span code b \
    dl dt dd div table caption thead tbody tr th td details summary figure figcaption svg desc text line path circle rect output";
const ATTRIBUTES: &str = "html lang charset http-equiv content name rel href class id aria-label aria-labelledby aria-describedby aria-hidden \
    role tabindex open title scope data-at for width height x y x1 x2 y1 y2 cx cy r dx dy d fill fill-opacity stroke stroke-opacity \
    stroke-dasharray text-anchor overflow viewBox preserveAspectRatio vector-effect shape-rendering";

/// Nothing but what this crate writes: so no attribute can be `style` or an event's.
#[track_caller]
pub(super) fn assert_harmless(name: &str, page: &str) {
    let (names, attributes): (Vec<&str>, Vec<&str>) =
        (NAMES.split_whitespace().collect(), ATTRIBUTES.split_whitespace().collect());
    for tag in tags(page) {
        assert!(names.contains(&tag.name.trim_start_matches('/')), "{name}: <{}>", tag.name);
        for (attribute, value) in &tag.attributes {
            assert!(attributes.contains(&attribute.as_str()), "{name}: <{} {attribute}>", tag.name);
            let is_link =
                ["#", "http://", "https://", "data:,", "./"].iter().any(|start| value.starts_with(start));
            assert!(attribute != "href" || is_link, "{name}: {value}");
        }
    }
    let steering = page.chars().find(|c| *c != '\n' && crate::report::terminal::words::is_steering(*c));
    assert_eq!(steering, None, "{name}");
}

/// Every picture has a title, a description and its numbers in a table; every ID is there once, every link within the page leads
/// somewhere, and what is not known is said in words.
#[track_caller]
pub(super) fn assert_told(name: &str, page: &str) {
    for figure in page.split("<figure").skip(1).map(|rest| rest.split("</figure>").next().unwrap()) {
        let has = |part: &str| assert!(figure.contains(part), "{name}: no {part}");
        ["<title id=", "<desc id=", "aria-labelledby=", "aria-describedby=", "<table", "<tbody><tr"]
            .into_iter()
            .for_each(has);
    }
    let values = |wanted: &str| {
        let all = tags(page).into_iter().flat_map(|tag| tag.attributes);
        all.filter(|(name, _)| name == wanted).map(|(_, value)| value).collect::<Vec<String>>()
    };
    let ids = values("id");
    let once: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert_eq!(once.len(), ids.len(), "{name}: an ID comes twice");
    for href in values("href") {
        let leads = href.strip_prefix('#').is_none_or(|id| once.contains(&id.to_owned()));
        assert!(leads, "{name}: {href} leads nowhere");
    }
    let text = page.replace(STYLE, "").replace(SCRIPT, "");
    for number in ["NaN", "inf ", "inf<", "inf/", "inf%", "null", "None", "undefined"] {
        assert!(!text.contains(number), "{name}: {number}");
    }
}

pub(super) const ATTACK: &str = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'x' onload='a' </style></title></svg>--><!-- &lt;&#60; \
    javascript:alert(3) \u{202e}\u{2066}\u{1b}[31m\u{2028}\u{0}\u{7f}{{7*7}}";

/// Every text in it is the attack, as far as it then still can be read, and how many are.
pub(super) fn attacked<T: Serialize + DeserializeOwned>(report: &T) -> (T, usize) {
    let mut value = serde_json::to_value(report).unwrap();
    // The names of operations are keys as well.
    let text = value.to_string().replace("\"search\"", &serde_json::to_string(ATTACK).unwrap());
    value = serde_json::from_str(&text).unwrap();
    let mut places = Vec::new();
    find_texts(&value, String::new(), &mut places);
    let mut attacks = 0;
    for place in places {
        let text = value.pointer_mut(&place).unwrap();
        let was = std::mem::replace(text, Value::String(ATTACK.to_owned()));
        if serde_json::from_value::<T>(value.clone()).is_ok() {
            attacks += 1;
        } else {
            *value.pointer_mut(&place).unwrap() = was;
        }
    }
    (serde_json::from_value(value).unwrap(), attacks)
}

fn find_texts(value: &Value, place: String, places: &mut Vec<String>) {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        // Of a text that is no histogram nothing is drawn.
        Value::String(_) if !place.ends_with("/histogram") => places.push(place),
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, item)| find_texts(item, format!("{place}/{index}"), places));
        }
        Value::Object(fields) => {
            fields
                .iter()
                .for_each(|(key, item)| find_texts(item, format!("{place}/{}", escaped(key)), places));
        }
        _ => {}
    }
}
