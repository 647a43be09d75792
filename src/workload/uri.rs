//! Reads addresses: Milvus URIs and http(s) URLs. A user or password in one is refused, and never repeated.

use super::MilvusUri;

/// `http(s)://host[:port][/database]` as it may be written: the path is one of two ways to say the database, and
/// precedence decides between them before anything else sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UriWithDatabase {
    pub uri: MilvusUri,
    /// The path, where there is one.
    pub database: Option<String>,
}

/// Why an address is refused, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// A user or password before the host.
    #[error(
        "it holds a user or password, which would end up in logs; give them by MILVUS_TOKEN or target.token_file"
    )]
    UserInfo,
    /// Not `http`, `https` or `tcp`.
    #[error("{0:?} is no scheme for it; write http://host:port or https://host:port")]
    Scheme(String),
    /// No host, or one with characters that no host has.
    #[error("{0:?} is no host; write for example http://localhost:19530")]
    Host(String),
    /// Not a number from 1 to 65535.
    #[error("{0:?} is no port; a port is a number from 1 to 65535")]
    Port(String),
    /// A path where none can be, or one that is no database name.
    #[error("{0:?} is no database name; after the host there can be /database alone (letters, digits, _)")]
    Database(String),
    /// A path after tcp:// or host:port.
    #[error("only http:// and https:// take a /database; write http://host:port/database")]
    PathWithoutHttp,
    /// A database where only an address is taken.
    #[error("{0:?} is a database, and only an address is taken here; write http://host:port")]
    DatabaseInAddress(String),
}

impl std::str::FromStr for MilvusUri {
    type Err = UriError;

    /// Reads an address without a database.
    fn from_str(text: &str) -> Result<Self, UriError> {
        match text.parse()? {
            UriWithDatabase { uri, database: None } => Ok(uri),
            UriWithDatabase { database: Some(database), .. } => Err(UriError::DatabaseInAddress(database)),
        }
    }
}

impl std::str::FromStr for UriWithDatabase {
    type Err = UriError;

    /// Reads `http(s)://host[:port][/database]`, `tcp://host[:port]`, `host[:port]`; the port is 443 for https, else 19530.
    fn from_str(text: &str) -> Result<Self, UriError> {
        let text = text.trim();
        refuse_user_info(text)?;
        let (scheme, rest) = split_scheme(text);
        let tls = match scheme.map(str::to_ascii_lowercase).as_deref() {
            Some("https") => true,
            Some("http" | "tcp") | None => false,
            Some(_) => return Err(UriError::Scheme(scheme.unwrap_or_default().to_owned())),
        };
        let http = scheme.is_some_and(|scheme| !scheme.eq_ignore_ascii_case("tcp"));
        let (authority, path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
        let (host, port) = host_and_port(authority)?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let database = match path {
            "" => None,
            _ if !http => return Err(UriError::PathWithoutHttp),
            name if is_identifier(name) => Some(name.to_owned()),
            // What follows a question mark may be a credential.
            other => {
                let shown = other.split_inclusive('?').next().unwrap_or_default();
                return Err(UriError::Database(shown.to_owned()));
            }
        };
        let port = port.unwrap_or(if tls { 443 } else { 19530 });
        Ok(Self { uri: MilvusUri { tls, host, port }, database })
    }
}

impl MilvusUri {
    /// Whether its host names this machine by itself: `localhost`, or a loopback address.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

/// As it would be written: `http://host:19530`, with brackets around IPv6.
impl std::fmt::Display for MilvusUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

/// Checks `http(s)://host[:port][/...]`.
///
/// # Errors
/// Another or no scheme, user info, no host, a port out of range.
pub(super) fn check_http_url(text: &str) -> Result<(), UriError> {
    refuse_user_info(text)?;
    let (scheme, rest) = split_scheme(text);
    match scheme {
        Some(scheme) if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") => {}
        other => return Err(UriError::Scheme(other.unwrap_or_default().to_owned())),
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    host_and_port(authority).map(|_| ())
}

/// Milvus's rule for names of databases, collections and fields: a letter or `_`, then letters, digits, `_`, up to 255.
pub(super) fn is_identifier(text: &str) -> bool {
    text.len() <= 255
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn split_scheme(text: &str) -> (Option<&str>, &str) {
    text.split_once("://").map_or((None, text), |(scheme, rest)| (Some(scheme), rest))
}

/// Looks at the whole text: a password may hold what looks like the end of the authority.
fn refuse_user_info(text: &str) -> Result<(), UriError> {
    if text.contains('@') { Err(UriError::UserInfo) } else { Ok(()) }
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), UriError> {
    let host_error = || UriError::Host(authority.to_owned());
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or_else(host_error)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| host_error())?;
            match after {
                "" => (host, None),
                _ => (host, Some(after.strip_prefix(':').ok_or_else(host_error)?)),
            }
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let named = host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if host.is_empty() || !(named || authority.starts_with('[')) {
        return Err(host_error());
    }
    let port = port.map(|port| match port.parse::<u16>() {
        Ok(number) if number > 0 && !port.starts_with('+') => Ok(number),
        _ => Err(UriError::Port(port.to_owned())),
    });
    Ok((host.to_owned(), port.transpose()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn read(text: &str) -> (bool, String, u16, Option<String>) {
        let UriWithDatabase { uri, database } = text.parse().expect("is a URI");
        (uri.tls, uri.host, uri.port, database)
    }

    #[test]
    fn the_port_is_443_for_https_and_19530_for_all_others() {
        let plain = |host: &str, port| (false, host.to_owned(), port, None);
        assert_eq!(read("http://a.example"), plain("a.example", 19530));
        assert_eq!(read("tcp://a"), plain("a", 19530));
        assert_eq!(read("a:1"), plain("a", 1));
        assert_eq!(read("localhost"), plain("localhost", 19530));
        assert_eq!(read("https://a"), (true, "a".into(), 443, None));
        assert_eq!(read("HTTPS://a:19530/"), (true, "a".into(), 19530, None));
        assert_eq!(read("http://[::1]:5/db_1"), (false, "::1".into(), 5, Some("db_1".into())));
    }

    #[test]
    fn what_is_no_uri_is_refused_and_passwords_are_not_repeated() {
        use UriError as E;
        let refused = |text: &str| text.parse::<UriWithDatabase>().expect_err(text);
        for secret in
            ["http://me:hunter2@host", "me:hunter2@host:1", "http://me:hunter2/x@h", "tcp://me:hunter2@h"]
        {
            assert_eq!(refused(secret), E::UserInfo);
            assert!(!refused(secret).to_string().contains("hunter2"));
        }
        assert_eq!(refused("ftp://a"), E::Scheme("ftp".into()));
        assert_eq!(refused("http://a:0"), E::Port("0".into()));
        assert_eq!(refused("http://a:70000"), E::Port("70000".into()));
        assert_eq!(refused("http://a/b/c"), E::Database("b/c".into()));
        assert_eq!(refused("http://a/?x=1"), E::Database("?".into()));
        assert_eq!(refused("a:1/db"), E::PathWithoutHttp);
        assert_eq!(refused("::1"), E::Host("::1".into()));
        for text in ["", "http://", "http://:19530", "a b", "http://[::1", "http://[::1]x"] {
            assert!(matches!(refused(text), E::Host(_)), "{text}");
        }
    }

    #[test]
    fn a_database_is_no_part_of_an_address() {
        assert_eq!("http://a/".parse::<MilvusUri>().expect("is an address").to_string(), "http://a:19530");
        assert_eq!("http://a/b".parse::<MilvusUri>(), Err(UriError::DatabaseInAddress("b".into())));
    }

    #[test]
    fn urls_need_http() {
        assert_eq!(check_http_url("http://localhost:4317"), Ok(()));
        assert_eq!(check_http_url("https://a/trace/{trace_id}?x=1"), Ok(()));
        assert!(check_http_url("localhost:4317").is_err());
        assert_eq!(check_http_url("http://me:pw@a"), Err(UriError::UserInfo));
    }
}
