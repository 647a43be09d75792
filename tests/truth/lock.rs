//! Two runs on this machine do not work on one collection.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use milvus_load::truth::{Rpc, Script};
use tempfile::TempDir;

use crate::support::*;

/// Searches on a collection that set-up makes.
const WORKLOAD: &str = "[collection]\nname = \"c\"\nrows = 100\nvector = { dim = 8 }\n\
                        [load]\nrate = 50\nwarmup = \"0s\"\nduration = \"500ms\"\nconnections = 1\nworkers = 1\n\
                        [trace]\nenabled = false\n[[operations]]\nkind = \"search\"\n";

/// A directory with a workload and a cache, which all runs of a test share.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("w.toml"), WORKLOAD).unwrap();
        Self(directory)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, uri: &str, arguments: &[&str]) -> Command {
        let mut tool = crate::tool::tool();
        tool.args(["run", "w.toml", "--json", "--uri", uri]).args(arguments).current_dir(self.path());
        tool.env("MILVUS_LOAD_CACHE", self.path().join("cache")).stdin(Stdio::null());
        tool
    }

    fn run(&self, uri: &str, arguments: &[&str]) -> Ended {
        run_to_end(&mut self.command(uri, arguments))
    }

    /// One that lasts until it is killed, once it sends.
    fn start(&self, server: &milvus_load::truth::TruthServer) -> Killed {
        let mut command = self.command(&server.uri(), &["--duration", "10m"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let killed = Killed(child);
        wait_for("searches", || server.log().count(Rpc::Search) > 0);
        killed
    }

    fn locks(&self) -> usize {
        let entries = std::fs::read_dir(self.path().join("cache/locks")).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().path().extension().is_some()).count()
    }
}

/// Killed with 9 when the test is done with it, however that ends.
struct Killed(Child);

impl Killed {
    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        self.kill();
    }
}

#[test]
fn a_second_run_on_a_collection_is_told_who_has_it_and_touches_nothing() {
    let (machine, server) = (Machine::new(), start(Script::default()));
    let mut first = machine.start(&server);
    let control = || server.log().requests - server.log().count(Rpc::Search);
    let before = control();
    for arguments in [&[][..], &["--set", "collection.prepare=always"]] {
        let second = machine.run(&server.uri(), arguments);
        assert_eq!(second.code, 1, "{}", second.stderr);
        let pid = format!("process {}", first.0.id());
        for part in ["the collection c is in use", &pid, "run ", "since 20", "milvus-load run w.toml", "10m"]
        {
            assert!(second.stderr.contains(part), "{part:?} in {}", second.stderr);
        }
    }
    // While it sends, the first makes no control calls either.
    assert_eq!(control(), before, "no call was made");

    // Neither another database, nor one who only reads what is there, is in its way.
    machine.run(&server.uri(), &["--set", "target.database=other"]).done();
    machine.run(&server.uri(), &["--set", "collection.prepare=never"]).done();
    let writes = ["--set", "collection.prepare=never", "--set", "collection.allow_writes=true"];
    std::fs::write(machine.path().join("w.toml"), WORKLOAD.replace("\"search\"", "\"insert\"")).unwrap();
    assert_eq!(machine.run(&server.uri(), &writes).code, 1, "who writes needs it as well");
    std::fs::write(machine.path().join("w.toml"), WORKLOAD).unwrap();

    // Killed with 9, it has given it up.
    first.kill();
    machine.run(&server.uri(), &[]).done();
    assert_eq!(machine.locks(), 0, "nothing is left behind");
}

/// 127.0.0.1 and localhost are one server.
#[test]
fn a_server_of_this_machine_is_the_same_under_all_its_names() {
    let (machine, server) = (Machine::new(), start(Script::default()));
    let _first = machine.start(&server);
    let second = machine.run(&format!("localhost:{}", server.addr().port()), &[]);
    assert_eq!(second.code, 1, "{}", second.stderr);
    assert!(second.stderr.contains("in use"), "{}", second.stderr);
}
