//! What is known of versions of Milvus by their number alone.

/// Major, minor, patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// Reads `v2.3.5-lite`, `2.5.11`, `2.4-20240501-abc`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches('v');
        let mut parts = text.split(['.', '-', '+']);
        let mut next = || parts.next()?.parse().ok();
        let (major, minor) = (next()?, next()?);
        // A date in place of a patch is a build of a branch: anything of it may be in.
        let patch = next().filter(|patch| *patch < 1_000);
        Some(Self(major, minor, patch?))
    }

    /// It may hang, or panic, where its collector is not there when it starts (milvus issue 33483).
    pub fn may_hang_without_collector(self) -> bool {
        self >= Self(2, 4, 0) && self <= Self(2, 4, 5)
    }

    /// Its C++ part exports without TLS whatever `secure` says (milvus issue 34192).
    pub fn segcore_ignores_secure(self) -> bool {
        self <= Self(2, 4, 5)
    }

    /// OTLP may fail to be set up (milvus issue 35298).
    pub fn may_fail_to_export(self) -> bool {
        self == Self(2, 4, 6) || self == Self(2, 4, 7)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_servers_tell_them() {
        for (text, version) in [
            ("v2.3.5-lite", Some(Version(2, 3, 5))),
            ("2.5.11", Some(Version(2, 5, 11))),
            ("v2.4.0-rc.1", Some(Version(2, 4, 0))),
            ("2.4-20240501-abcdef-amd64", None),
            ("", None),
            ("unknown", None),
        ] {
            assert_eq!(Version::parse(text), version, "{text}");
        }
    }

    #[test]
    fn what_is_known_of_a_version_ends_with_its_mend() {
        let hangs = |patch| Version(2, 4, patch).may_hang_without_collector();
        assert!(hangs(0) && hangs(5) && !hangs(6) && !Version(2, 3, 5).may_hang_without_collector());
        assert!(Version(2, 3, 5).segcore_ignores_secure() && !Version(2, 4, 6).segcore_ignores_secure());
        assert!(Version(2, 4, 7).may_fail_to_export() && !Version(2, 5, 11).may_fail_to_export());
    }
}
