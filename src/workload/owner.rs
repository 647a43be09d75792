//! Who runs this, as the mark of a collection names it: `user@host`.

/// Characters of a name that are taken; marks and messages hold them.
pub(super) const LONGEST: usize = 100;

/// The user's name, by the account that this process runs as, and the machine's. Of no consequence for access: it tells whose
/// collections may be built anew, and nothing else.
pub(super) fn of_this_process() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let name = format!("{}@{host}", user());
    name.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

/// By number in the list of accounts, which is the same in a shell and in a job without an environment; where it is not listed, by
/// the environment; else the number.
fn user() -> String {
    let uid = rustix::process::getuid().as_raw();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = |variable| std::env::var(variable).ok().filter(|name| !name.trim().is_empty());
    name_of(uid, &accounts)
        .or_else(|| named("LOGNAME"))
        .or_else(|| named("USER"))
        .unwrap_or_else(|| format!("uid{uid}"))
}

/// `name:x:1000:...`, by the third field.
fn name_of(uid: u32, accounts: &str) -> Option<String> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid) && !name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_number() {
        let accounts =
            "root:x:0:0:root:/root:/bin/sh\n# a comment\nann:x:1000:1000::/home/ann:/bin/sh\nbad:x\n";
        assert_eq!(name_of(1000, accounts).as_deref(), Some("ann"));
        assert_eq!((name_of(0, accounts).as_deref(), name_of(5, accounts)), (Some("root"), None));
    }

    #[test]
    fn the_owner_by_default_is_a_user_at_a_host_and_always_the_same() {
        let owner = of_this_process();
        let (user, host) = owner.split_once('@').unwrap();
        assert!(!user.is_empty() && !host.is_empty() && owner.chars().count() <= LONGEST, "{owner}");
        assert_eq!(of_this_process(), owner);
    }
}
