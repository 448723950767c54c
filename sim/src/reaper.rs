//! What must not outlive the harness, however the harness ends.
//!
//! A harness that ends in order stops its processes and removes its folders and containers itself. One that is killed
//! (SIGKILL, or by a system that is out of memory) cannot. So a second process of the same program, the *reaper*, is told
//! of each of these things when it begins and when it ends. It listens on a pipe whose other end only the harness has: the
//! operating system closes that end however the harness ends, and the reaper then ends what is left, and itself. (Nobody
//! helps where both are killed at once.)
//!
//! Linux can kill a child with its parent (`PR_SET_PDEATHSIG`), but takes that from code between fork and exec only, which
//! is unsafe in Rust, and a folder or a container is nobody's child.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, BufRead, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::{
    cli::printer,
    lambda::{
        cpu,
        process::{kill_those_marked, runs},
    },
    store::backend::remove_container,
};

/// How long processes may take to be gone once they have been killed.
const GONE_WITHIN: Duration = Duration::from_secs(5);
/// How often it is looked whether they are.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Something that must not be left behind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thing {
    /// A process and all of the group that it leads, by its id.
    Group(i32),
    /// Whatever has a variable (`NAME=value`) that no other process has.
    Marked(String),
    /// A folder with all that is in it.
    Folder(PathBuf),
    /// A container, by its name.
    Container(String),
}

/// A line of the pipe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Begun(Thing),
    Ended(Thing),
}

/// The reaper of this process.
static REAPER: Mutex<Reaper> = Mutex::new(Reaper::None);

#[derive(Debug)]
enum Reaper {
    /// There is none, and there will be none: this is no harness, it is about to end, or none could be started.
    None,
    /// This program becomes one as soon as there is something to tell it.
    Ready(PathBuf, &'static str),
    Running(Child),
}

impl Reaper {
    fn start(&mut self) {
        if let Self::Ready(program, command) = self {
            match start(program, command) {
                Ok(child) => *self = Self::Running(child),
                Err(error) => {
                    warn(&format!("cannot start {}: {error}", program.display()));
                    *self = Self::None;
                }
            }
        }
    }

    /// Tells it, if there is one. One that was killed itself hears nothing.
    fn tell(&mut self, word: &Word) {
        self.start();
        let Self::Running(Child {
            stdin: Some(pipe), ..
        }) = self
        else {
            return;
        };
        if let Ok(mut line) = serde_json::to_vec(word) {
            line.push(b'\n');
            let _ = pipe.write_all(&line);
        }
    }
}

fn warn(why: &str) {
    printer::notice(&format!(
        "warning: nothing will clean up if this process is killed: {why}"
    ));
}

/// In a process group of its own: what a terminal sends to the harness must not end it.
fn start(program: &Path, command: &str) -> io::Result<Child> {
    Command::new(program)
        .args([command, &std::process::id().to_string()])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
}

fn reaper() -> std::sync::MutexGuard<'static, Reaper> {
    REAPER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets this program be the reaper of this process from now on: `command` is the one whose work is [`reap`].
pub fn prepare(command: &'static str) {
    match std::env::current_exe() {
        Ok(program) => *reaper() = Reaper::Ready(program, command),
        Err(error) => warn(&format!("this program cannot be found: {error}")),
    }
}

/// Starts it if it has not been, so that it is there before what it is to know of.
pub fn ready() {
    reaper().start();
}

/// Lets it go, and waits until it has ended: what ended in order left it nothing to do.
pub fn dismiss() {
    let last = std::mem::replace(&mut *reaper(), Reaper::None);
    if let Reaper::Running(mut child) = last {
        drop(child.stdin.take());
        let _ = child.wait();
    }
}

/// The reaper knows of it for as long as this is held.
#[derive(Debug)]
#[must_use = "the reaper forgets what is dropped"]
pub struct Watched {
    thing: Thing,
    /// It is still there when this is dropped, and up to the reaper.
    stays: bool,
}

impl Watched {
    /// Has the reaper know of something.
    pub fn new(thing: Thing) -> Self {
        reaper().tell(&Word::Begun(thing.clone()));
        Self { thing, stays: false }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.stays {
            reaper().tell(&Word::Ended(self.thing.clone()));
        }
    }
}

/// A temporary folder that is gone when it is dropped, or when the harness is.
#[derive(Debug)]
pub struct TemporaryFolder {
    path: PathBuf,
    /// None when it is dropped.
    folder: Option<TempDir>,
    watched: Watched,
}

impl TemporaryFolder {
    /// Makes one where temporary things are.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn new() -> io::Result<Self> {
        Self::within(&std::env::temp_dir(), "crypto-watch-")
    }

    /// Makes one within another folder; its name begins with `prefix`.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn within(parent: &Path, prefix: &str) -> io::Result<Self> {
        ready();
        let folder = tempfile::Builder::new().prefix(prefix).tempdir_in(parent)?;
        // The reaper works elsewhere.
        let path = std::path::absolute(folder.path())?;
        Ok(Self {
            watched: Watched::new(Thing::Folder(path.clone())),
            folder: Some(folder),
            path,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let outcome = self.folder.take().map_or(Ok(()), TempDir::close);
        self.watched.stays = outcome.is_err();
    }
}

/// What was begun and not ended when the words end.
fn left(words: impl BufRead) -> BTreeSet<Thing> {
    let mut left = BTreeSet::new();
    for line in words.split(b'\n').map_while(Result::ok) {
        match serde_json::from_slice(&line) {
            Ok(Word::Begun(thing)) => {
                left.insert(thing);
            }
            Ok(Word::Ended(thing)) => {
                left.remove(&thing);
            }
            // Half a line: whoever wrote it was killed.
            Err(_) => {}
        }
    }
    left
}

/// The work of the reaper of the process `owner`: hears `words` to their end, then ends what is left. Says what that was.
pub async fn reap(owner: u32, words: impl BufRead) -> Option<String> {
    let left = left(words);
    let (mut groups, mut marks) = (Vec::new(), Vec::new());
    for thing in &left {
        match thing {
            Thing::Group(id) => groups.extend(Pid::from_raw(*id)),
            Thing::Marked(mark) => marks.push(mark.as_str()),
            Thing::Folder(_) | Thing::Container(_) => {}
        }
    }
    let mut ended: Vec<String> = Vec::new();
    for group in &groups {
        let _ = kill_process_group(*group, Signal::KILL);
    }
    if !groups.is_empty() {
        let ids: Vec<String> = groups.iter().map(|id| id.as_raw_nonzero().to_string()).collect();
        ended.push(format!("processes {}", ids.join(", ")));
    }
    kill_those_marked(&marks);
    cpu::tidy_after(owner, GONE_WITHIN).await;
    let until = Instant::now() + GONE_WITHIN;
    while groups.iter().any(|group| runs(group.as_raw_nonzero().get())) && Instant::now() < until {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    for thing in &left {
        match thing {
            Thing::Folder(folder) => {
                let outcome = remove(folder).await;
                ended.push(format!("folder {}{}", folder.display(), not(outcome)));
            }
            Thing::Container(name) => {
                ended.push(format!("container {name}{}", not(remove_container(name).await)));
            }
            Thing::Group(_) | Thing::Marked(_) => {}
        }
    }
    (!ended.is_empty()).then(|| {
        format!(
            "crypto-watch-sim (process {owner}) did not end in order; what it left has been ended:\n  {}",
            ended.join("\n  ")
        )
    })
}

/// Removes a folder. Whoever is being killed and still writes into it can get in the way for a moment.
async fn remove(folder: &Path) -> io::Result<()> {
    let until = Instant::now() + GONE_WITHIN;
    loop {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(_) if Instant::now() < until => tokio::time::sleep(LOOK_EVERY).await,
            outcome => return outcome,
        }
    }
}

/// Why something is still there.
fn not<E: std::fmt::Display>(outcome: Result<(), E>) -> String {
    outcome
        .err()
        .map_or_else(String::new, |error| format!(" (not: {error})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_begun_and_not_ended_is_left_whatever_the_last_line_is() {
        let [group, folder] = [Thing::Group(7), Thing::Folder("/a b".into())];
        let words = [
            Word::Begun(group.clone()),
            Word::Begun(folder.clone()),
            Word::Ended(group),
            Word::Begun(Thing::Container("c".to_owned())),
        ];
        let mut text = String::new();
        for word in &words {
            text += &serde_json::to_string(word).expect("JSON");
            text += "\n";
        }
        let cut = &text[..text.len() - 3];
        assert_eq!(left(cut.as_bytes()), BTreeSet::from([folder.clone()]));
        assert_eq!(
            left(text.as_bytes()),
            BTreeSet::from([folder, Thing::Container("c".to_owned())])
        );
    }

    #[tokio::test]
    async fn what_is_left_is_ended_and_told_and_nothing_else() {
        // No process has this id.
        const OWNER: u32 = 0;
        let parent = tempfile::tempdir().expect("a folder");
        let [left, not_left] = ["left", "not-left"].map(|name| parent.path().join(name));
        for folder in [&left, &not_left] {
            fs::create_dir(folder).expect("it is empty");
            fs::write(folder.join("file"), "").expect("ours");
        }
        let mark = format!("MARK={}", parent.path().display());
        // Each is found by one of the two ways only. One that is not killed ends by itself, so that this fails and does not hang.
        let sleep = |variable: &str| {
            Command::new("sleep")
                .arg("30")
                .env(variable, parent.path())
                .process_group(0)
                .spawn()
                .expect("it is there")
        };
        let (mut leader, mut away) = (sleep("OTHER"), sleep("MARK"));
        // A process is there a moment before its variables are.
        let variables = format!("/proc/{}/environ", away.id());
        let born = async {
            while fs::read(&variables).unwrap_or_default().is_empty() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let waited = tokio::time::timeout(GONE_WITHIN, born).await;
        waited.expect("it is started");
        let mut words = Vec::new();
        for word in [
            Word::Begun(Thing::Folder(not_left.clone())),
            Word::Begun(Thing::Group(leader.id() as i32)),
            Word::Begun(Thing::Marked(mark)),
            Word::Begun(Thing::Folder(left.clone())),
            Word::Begun(Thing::Folder(parent.path().join("gone"))),
            Word::Ended(Thing::Folder(not_left.clone())),
        ] {
            words.extend(serde_json::to_vec(&word).expect("JSON"));
            words.push(b'\n');
        }
        let told = reap(OWNER, &words[..]).await.expect("something was left");
        let told = told
            .replace(&parent.path().display().to_string(), "[parent]")
            .replace(&leader.id().to_string(), "[leader]");
        insta::assert_snapshot!(told, @r"
        crypto-watch-sim (process 0) did not end in order; what it left has been ended:
          processes [leader]
          folder [parent]/gone
          folder [parent]/left
        ");
        for child in [&mut leader, &mut away] {
            let status = child.wait().expect("ours");
            assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
        }
        assert!(!left.exists() && not_left.join("file").exists());
        assert_eq!(reap(OWNER, &b"\n"[..]).await, None);
    }
}
