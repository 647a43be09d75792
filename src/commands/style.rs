//! Whether what is printed has colours.

use std::io::IsTerminal;

use crate::report::terminal::Style;

/// For standard output: colours in a terminal, unless `NO_COLOR` is set to anything (<https://no-color.org>).
pub(super) fn of_stdout() -> Style {
    of(&std::io::stdout())
}

/// The same for standard error.
pub(super) fn of_stderr() -> Style {
    of(&std::io::stderr())
}

fn of(stream: &impl IsTerminal) -> Style {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if stream.is_terminal() && !refused { Style::Color } else { Style::Plain }
}

/// Columns of standard output where that is a terminal, else 0.
pub(super) fn width_of_stdout() -> usize {
    // Fails where it is none.
    rustix::termios::tcgetwinsize(std::io::stdout()).map_or(0, |size| usize::from(size.ws_col))
}
