//! The link of a trace: a template with a place for its ID.

/// The place in a template.
const PLACE: &str = "{trace_id}";

/// Why a template cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// All traces would have the same link.
    #[error(
        "the link {0:?} has no place for the ID: write for example \"http://localhost:16686/trace/{{trace_id}}\""
    )]
    NoPlace(String),
    /// Something that no terminal or browser opens.
    #[error("the link {0:?} does not begin with http:// or https://")]
    Scheme(String),
}

/// A link with a place for the trace's ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkTemplate(String);

impl LinkTemplate {
    /// Reads a template such as `http://localhost:16686/trace/{trace_id}`; the place may come more than once.
    ///
    /// # Errors
    /// Where there is no `{trace_id}` in it, or it is no http address.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        let text = text.trim();
        if !text.starts_with("http://") && !text.starts_with("https://") {
            return Err(LinkError::Scheme(text.to_owned()));
        }
        if !text.contains(PLACE) {
            return Err(LinkError::NoPlace(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The template of a Jaeger whose UI is at `ui`.
    ///
    /// # Errors
    /// Where `ui` is no http address.
    pub fn jaeger(ui: &str) -> Result<Self, LinkError> {
        Self::parse(&format!("{}/trace/{PLACE}", ui.trim().trim_end_matches('/')))
    }

    /// The link of one trace: its ID as 32 hex digits, zeros in front included.
    pub fn of(&self, trace_id: u128) -> String {
        self.0.replace(PLACE, &format!("{trace_id:032x}"))
    }

    /// The base address of Jaeger's UI, where the template has the form of its links.
    pub fn jaeger_ui(&self) -> Option<&str> {
        self.0.strip_suffix(PLACE)?.strip_suffix("/trace/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_has_the_id_in_its_place_with_all_its_zeros() {
        let link = LinkTemplate::parse("https://ui/{trace_id}?again={trace_id}").unwrap();
        let id = "000000000000000000000000000000ff";
        assert_eq!(link.of(255), format!("https://ui/{id}?again={id}"));
        assert_eq!(link.jaeger_ui(), None);
    }

    #[test]
    fn jaegers_links_give_its_address_back() {
        for ui in ["http://localhost:16686", "https://host/jaeger"] {
            for text in [ui.to_owned(), format!(" {ui}/ ")] {
                let link = LinkTemplate::jaeger(&text).unwrap();
                assert_eq!(link.of(1), format!("{ui}/trace/{:032x}", 1));
                assert_eq!(link.jaeger_ui(), Some(ui));
            }
        }
    }

    #[test]
    fn a_template_without_a_place_or_without_http_is_refused() {
        assert!(matches!(LinkTemplate::parse("http://x/trace/"), Err(LinkError::NoPlace(_))));
        assert!(matches!(LinkTemplate::parse("localhost/{trace_id}"), Err(LinkError::Scheme(_))));
        assert!(matches!(LinkTemplate::jaeger("javascript:alert(1)"), Err(LinkError::Scheme(_))));
    }
}
