//! Links to files beneath the page's own directory.

use std::path::{Component, Path};

/// `./search/20231114T221320.123Z-1a2b3c4d/report.html`: what a path may hold beyond letters and digits is percent-encoded, so it is
/// never a scheme, a query or a way out. `None`: it leads out, or is no text.
pub(super) fn beneath(path: &Path) -> Option<String> {
    let parts = path.components().map(|part| match part {
        Component::Normal(name) => name.to_str().map(encoded),
        _ => None,
    });
    let parts = parts.collect::<Option<Vec<_>>>()?;
    (!parts.is_empty()).then(|| format!("./{}", parts.join("/")))
}

/// RFC 3986, section 2.3: the unreserved characters stay.
fn encoded(name: &str) -> String {
    name.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_path_and_nothing_else() {
        let link = |path: &str| beneath(Path::new(path));
        assert_eq!(link("search/2023-1/report.html").unwrap(), "./search/2023-1/report.html");
        assert_eq!(link("javascript:alert(1)/a?b#c").unwrap(), "./javascript%3Aalert%281%29/a%3Fb%23c");
        assert_eq!(link("a%2e/\"ä\n").unwrap(), "./a%252e/%22%C3%A4%0A");
        for outside in ["", "/etc/passwd", "../x", "a/../../x"] {
            assert_eq!(link(outside), None, "{outside}");
        }
    }
}
