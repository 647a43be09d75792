//! Pages that are wrong, each in one way, so that each check is seen to fail.

use crate::checks::{CHECKS, Check, File, canaries};
use crate::chromium::Browser;
use crate::pages;

/// One way in which a page can be wrong.
struct Mutation {
    check: &'static str,
    /// Part of what the check then says.
    says: &'static str,
    /// Whether the page keeps its policy. It does not where its own style or script is another one.
    has_policy: bool,
    was: &'static str,
    is: &'static str,
}

const fn policed(check: &'static str, says: &'static str, is: &'static str) -> Mutation {
    Mutation { check, says, has_policy: true, was: "</main>", is }
}

const fn free(check: &'static str, says: &'static str, is: &'static str) -> Mutation {
    Mutation { check, says, has_policy: false, was: "</main>", is }
}

const fn other(check: &'static str, says: &'static str, was: &'static str, is: &'static str) -> Mutation {
    Mutation { check, says, has_policy: false, was, is }
}

const MUTATIONS: [Mutation; 39] = [
    policed("quiet", "Content Security Policy", "<script>1</script></main>"),
    policed("quiet", "Content Security Policy", "<img src=\"http://127.0.0.1:9/x.png\"></main>"),
    policed("quiet", "Content Security Policy", "<p style=\"color:red\">x</p></main>"),
    policed("quiet", "Content Security Policy", "<button onclick=\"1\">x</button></main>"),
    policed("quiet", "Content Security Policy", "<a href=\"javascript:void 0\">x</a></main>"),
    free("quiet", "a request to http://127.0.0.1:9/x.png", "<img src=\"http://127.0.0.1:9/x.png\"></main>"),
    free(
        "quiet",
        "a request to http://127.0.0.1:9/x",
        "<script>fetch('http://127.0.0.1:9/x').catch(() => {})</script></main>",
    ),
    free("quiet", "consoleAPICalled", "<script>console.debug(1)</script></main>"),
    free("quiet", "exceptionThrown", "<script>setTimeout(() => { throw 1 })</script></main>"),
    free("quiet", "exceptionThrown", "<script>Promise.reject(1)</script></main>"),
    free("quiet", "javascriptDialogOpening", "<button onclick=\"alert(1)\">x</button></main>"),
    free("quiet", "Page.windowOpen", "<script>open('about:blank')</script></main>"),
    free("quiet", "a frame of", "<iframe src=\"data:text/html,x\"></iframe></main>"),
    free("canaries", "an attack has run", "<p onmouseover=\"canary=1\" tabindex=\"0\">x</p></main>"),
    free(
        "canaries",
        "an attack has run",
        "<a href=\"javascript:void(document.title='canary')\">x</a></main>",
    ),
    free("canaries", "an attack has run", "<i id=\"canary\">x</i></main>"),
    policed("foreign", "an element: img", "<img></main>"),
    policed("foreign", "an attribute: onclick", "<b onclick=\"1\">x</b></main>"),
    policed("foreign", "an attribute: style", "<b style=\"color:red\">x</b></main>"),
    policed("foreign", "a link to javascript:1", "<a href=\"javascript:1\">x</a></main>"),
    policed("foreign", "a link to nothing: #x", "<a href=\"#x\">x</a></main>"),
    policed("foreign", "twice the same ID: ran", "<p id=\"ran\">x</p></main>"),
    free("without script", "with script", "<p id=\"x\"></p><script>x.textContent = 'x'</script></main>"),
    policed(
        "without script",
        "cannot be opened",
        "<details><p>x</p></details><details hidden><summary>y</summary><p>y</p></details></main>",
    ),
    policed("sideways", "px wide on a screen of 360", "<svg width=\"400\" height=\"9\"></svg></main>"),
    policed("sideways", "px wide on a screen of 1280", "<svg width=\"1300\" height=\"9\"></svg></main>"),
    other("sideways", "hides what is too wide", "body{", "body{overflow-x:hidden;"),
    policed(
        "clipped",
        "has no room",
        "<section><svg width=\"9\" height=\"9\" overflow=\"visible\"><text x=\"-99\">x</text></svg></section></main>",
    ),
    other("axe", "html-has-lang", "<html lang=\"en\">", "<html>"),
    other("axe", "light: color-contrast", "--dim:#59626d", "--dim:#b0b0b0"),
    other("axe", "dark: color-contrast", "--dim:#9fa8b3", "--dim:#404040"),
    other("faint", "has a contrast of", "svg text{fill:var(--dim)", "svg text{fill:var(--line)"),
    other("sort", "ascending", "return x - y ||", "return y - x ||"),
    other("sort", "ascending", "ms: 1e3", "ms: 1"),
    other(
        "theme",
        "the button makes of light",
        "root.dataset.theme = isDark()",
        "root.dataset.other = isDark()",
    ),
    other("readout", "reads", "far(other) < far(best)", "far(other) > far(best)"),
    other("readout", "still reads", "readout.textContent = \"\";", ""),
    other("links", "leads to what is not seen", "within.open = true", "within.title = 1"),
    other("paper", "not on paper", "details::details-content{", "details::x{"),
];

const POLICY: &str = "<meta http-equiv=\"Content-Security-Policy\"";

/// The page without its policy.
fn freed(page: &str) -> String {
    let (before, after) = page.split_once(POLICY).expect("a page has a policy");
    format!("{before}{}", after.split_once('>').expect("a tag ends").1)
}

#[test]
#[ignore = "needs Chromium and axe-core: MILVUS_LOAD_AXE=<axe.min.js> cargo test --test browser -- --ignored"]
fn each_check_finds_what_is_wrong() {
    let (directory, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sound = pages::page(&pages::with_traces(directory.path()), &out);
    let page = std::fs::read_to_string(&sound.path).unwrap();
    let mut browser = Browser::start();
    let canaries = Check { name: "canaries", problems: canaries };
    for check in CHECKS.iter().filter(|check| check.name != "size") {
        assert!(
            MUTATIONS.iter().any(|mutation| mutation.check == check.name),
            "{} is never seen to fail",
            check.name
        );
    }
    let mut missed = Vec::new();
    let large = File { name: "large".to_owned(), path: out.path().join("large.html") };
    std::fs::write(&large.path, [b' '; 1_000_001]).unwrap();
    let [size, ..] = &CHECKS;
    assert_eq!((size.problems)(&mut browser, &large).len(), 1);
    for (index, Mutation { check, says, has_policy, was, is }) in MUTATIONS.iter().enumerate() {
        assert!(page.contains(was), "{check}: {was}");
        let wrong = if *has_policy { page.clone() } else { freed(&page) }.replacen(was, is, 1);
        let file = File { name: format!("{check} {index}"), path: out.path().join(format!("{index}.html")) };
        std::fs::write(&file.path, wrong).unwrap();
        let known = CHECKS.iter().chain([&canaries]).find(|known| known.name == *check).unwrap();
        let problems = (known.problems)(&mut browser, &file);
        if !problems.iter().any(|problem| problem.contains(says)) {
            missed.push(format!("{check}: {is} is not found; {says:?} is not in {problems:?}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
#[ignore = "needs Chromium and axe-core: MILVUS_LOAD_AXE=<axe.min.js> cargo test --test browser -- --ignored"]
fn a_page_that_is_free_to_do_as_it_likes_is_otherwise_sound() {
    let (directory, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sound = pages::page(&pages::with_traces(directory.path()), &out);
    std::fs::write(&sound.path, freed(&std::fs::read_to_string(&sound.path).unwrap())).unwrap();
    let mut browser = Browser::start();
    assert_eq!(crate::checks::quiet(&mut browser, &sound), Vec::<String>::new());
}
