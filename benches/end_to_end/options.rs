//! What was asked for on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::builds;
use super::lateness::RATES;

const PARTS: [&str; 6] = ["closed", "saturated", "watched", "traced", "inserts", "lateness"];

/// What to do.
pub enum Work {
    /// Measure this part, or all.
    Measure(Option<String>),
    /// Compare this build with another binary of this bench.
    Against(PathBuf),
    /// Be one turn of such a comparison, against the server there.
    OneTurn(Client, SocketAddr),
    /// Be that server, until standard input ends.
    Serve,
}

/// Who asks, in a turn of a process of its own.
#[derive(Clone, Copy)]
pub enum Client {
    Tool,
    BareH2,
}

pub struct Options {
    pub work: Work,
    /// Rounds of every part; `None`: as many as the part needs.
    pairs: Option<usize>,
    long: bool,
    /// Cores to keep busy while lateness is measured.
    pub burners: usize,
}

impl Options {
    /// `[PART] [--long] [--pairs N] [--burners N] [--against BINARY]`; cargo adds `--bench`.
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { work: Work::Measure(None), pairs: None, long: false, burners: 0 };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_default();
            match argument.as_str() {
                "--bench" => {}
                "--long" => options.long = true,
                "--pairs" => {
                    let number = value().parse().ok();
                    options.pairs =
                        Some(number.filter(|n| *n >= 6).ok_or("--pairs takes a number of at least 6")?);
                }
                "--burners" => {
                    options.burners = value().parse().map_err(|_| "--burners takes a number of threads")?;
                }
                "--against" => options.work = Work::Against(builds::binary(value())?),
                "serve" => options.work = Work::Serve,
                builds::ONE_TURN | builds::ONE_BARE_TURN => {
                    let client = if argument == builds::ONE_TURN { Client::Tool } else { Client::BareH2 };
                    let addr = value().parse().map_err(|_| format!("{argument} takes HOST:PORT"))?;
                    options.work = Work::OneTurn(client, addr);
                }
                part if PARTS.contains(&part) => options.work = Work::Measure(Some(argument)),
                other => {
                    return Err(format!(
                        "{other:?}: write one of {}, --long, --pairs N, --burners N, --against BINARY",
                        PARTS.join(", ")
                    ));
                }
            }
        }
        Ok(options)
    }

    /// Rounds of a part that needs `short` to say something and gives narrower intervals with more.
    pub fn pairs(&self, short: usize) -> usize {
        self.pairs.unwrap_or(if self.long { short * 2 } else { short })
    }

    /// The rates at which lateness is measured.
    pub fn rates(&self) -> &'static [u32] {
        if self.long { &RATES } else { &RATES[1..2] }
    }
}
