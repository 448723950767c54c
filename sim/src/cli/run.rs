//! `run`: plays scenarios, judges each, and writes results as they come, so that a later failure loses nothing.

use std::{collections::VecDeque, sync::Arc};

use tokio::{task::JoinSet, time::Instant};

use crate::{
    cli::{
        ambient::{self, Terminal},
        args::{RunArgs, Sabotage},
        exit::Exit,
        interrupt::{self, Interrupt},
        out_dir::OutDir,
        outcome::Outcome,
        plan::{self, Play},
        printer,
        progress::Progress,
    },
    report::{self, Entry, Provenance, Style},
    store::front::FrontSabotage,
    world::{Ended, World, WorldSpec, siblings::Siblings},
};

/// The clock that scenarios are played on, as their folders are named.
const CLOCK: &str = "real";

/// Everything that the plays of one command share.
struct Session {
    out: OutDir,
    siblings: Siblings,
    provenance: Provenance,
    terminal: Terminal,
    progress: Progress,
    interrupt: Interrupt,
    begun: Instant,
}

/// Plays what the arguments ask for. `program` is how this program was called, for the commands that it prints.
pub async fn run(args: RunArgs, program: &str) -> Exit {
    let plays = match plan::plan(&args, program) {
        Ok(plays) => plays,
        Err(problems) => {
            printer::notice(&problems.join("\n\n"));
            return Exit::Usage;
        }
    };
    let session = match Session::open(&args).await {
        Ok(session) => Arc::new(session),
        Err(error) => {
            printer::notice(&format!("error: {error:#}"));
            return Exit::Harness;
        }
    };
    let asked_for = plays.len();
    let outcomes = play_all(&session, plays, &args).await;
    session.conclude(&outcomes, asked_for)
}

impl Session {
    async fn open(args: &RunArgs) -> anyhow::Result<Self> {
        let siblings = Siblings::beside_this()?;
        siblings.check_all().await?;
        let out = OutDir::lock(&args.out)?;
        let interrupt = interrupt::listen()?;
        let terminal = Terminal::detect();
        let provenance = Provenance {
            commit: ambient::commit().await,
            build_id: service::BUILD_ID.to_owned(),
        };
        let (progress, begun) = (Progress::new(terminal), Instant::now());
        Ok(Self {
            out,
            siblings,
            provenance,
            terminal,
            progress,
            interrupt,
            begun,
        })
    }

    fn was_interrupted(&self) -> bool {
        *self.interrupt.stop.borrow()
    }

    fn style(&self) -> Style {
        Style::of(self.terminal.stdout, !self.terminal.colour)
    }

    /// Tells people about a play.
    fn tell(&self, outcome: &Outcome) {
        match &outcome.entry {
            Entry::Played(played) => self.progress.result(&report::render(played, self.style())),
            Entry::Broken {
                scenario, message, ..
            } => {
                self.progress.notice(&format!("error: {scenario}: {message}"));
            }
        }
    }

    /// Tells people how all of it went.
    fn conclude(&self, outcomes: &[Outcome], asked_for: usize) -> Exit {
        let entries: Vec<Entry> = outcomes.iter().map(|outcome| outcome.entry.clone()).collect();
        if entries.len() > 1 {
            let wall = self.begun.elapsed().as_secs_f64();
            self.progress
                .result(&report::render_suite(&entries, wall, self.style()));
        }
        let unplayed = asked_for - outcomes.len();
        if unplayed > 0 {
            self.progress
                .notice(&format!("{unplayed} of {asked_for} scenarios were not played"));
        }
        self.progress
            .notice(&format!("results are in {}", self.out.path().display()));
        let worst = outcomes
            .iter()
            .fold(Exit::Held, |exit, outcome| exit.and(outcome.exit));
        if self.was_interrupted() {
            worst.and(Exit::Harness)
        } else {
            worst
        }
    }
}

/// Plays at most `--jobs` at a time; results are in the order in which they were asked for.
async fn play_all(session: &Arc<Session>, plays: Vec<Play>, args: &RunArgs) -> Vec<Outcome> {
    let mut waiting: VecDeque<Arc<Play>> = plays.into_iter().map(Arc::new).collect();
    let order: Vec<String> = waiting.iter().map(|play| play.name.clone()).collect();
    let mut playing = JoinSet::new();
    let mut outcomes: Vec<Outcome> = Vec::new();
    loop {
        let failed_fast = args.fail_fast && outcomes.iter().any(|outcome| outcome.exit != Exit::Held);
        while playing.len() < usize::from(args.jobs) && !session.was_interrupted() && !failed_fast {
            let Some(play) = waiting.pop_front() else { break };
            let (session, shared) = (Arc::clone(session), Arc::clone(&play));
            // A task of its own: when it panics, the others and their results go on.
            let one = tokio::spawn(async move { play_one(&session, &shared).await });
            playing.spawn(async move {
                one.await.unwrap_or_else(|panic| {
                    Some(Outcome::broken(
                        &play,
                        &format!("the harness has a defect: {panic}"),
                    ))
                })
            });
        }
        match playing.join_next().await {
            Some(Ok(Some(outcome))) => {
                outcomes.push(finish(session, outcome));
                outcomes.sort_by_key(|outcome| order.iter().position(|name| *name == outcome.name));
                write_overview(session, &outcomes);
            }
            Some(Ok(None) | Err(_)) => {}
            None => return outcomes,
        }
    }
}

/// Writes the files of a play and tells people about it.
fn finish(session: &Session, mut outcome: Outcome) -> Outcome {
    let written = outcome.write(&session.out.play_folder(&outcome.name, CLOCK));
    session.tell(&outcome);
    if let Err(error) = written {
        session.progress.notice(&format!("error: {error}"));
        outcome.exit = outcome.exit.and(Exit::Harness);
    }
    outcome
}

/// Writes the files about all plays so far.
fn write_overview(session: &Session, outcomes: &[Outcome]) {
    let entries: Vec<Entry> = outcomes.iter().map(|outcome| outcome.entry.clone()).collect();
    if let Err(error) = report::write_suite(session.out.path(), &entries) {
        session.progress.notice(&format!("error: {error}"));
    }
}

/// Plays one scenario on a world of its own and judges it; `None` when it was not begun.
async fn play_one(session: &Session, play: &Play) -> Option<Outcome> {
    let begun = Instant::now();
    if let Err(error) = session.out.empty_play_folder(&play.name, CLOCK) {
        return Some(Outcome::broken(play, &error.to_string()));
    }
    let progress = session
        .progress
        .play(&play.name, play.scenario.duration, session.terminal.colour);
    play.warnings.iter().for_each(|warning| progress.notice(warning));
    let real = play
        .scenario
        .duration
        .div_f64(f64::from(play.speed))
        .as_secs_f64();
    progress.notice(&format!(
        "{real:.1} s at {} times real speed, seed {}",
        play.speed, play.seed
    ));
    let mut stop = session.interrupt.stop.clone();
    let started = tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => return None,
        started = World::start(session.spec(play)) => started,
    };
    let world = match started {
        Ok(world) => world,
        Err(error) => return Some(Outcome::broken(play, &error.to_string())),
    };
    progress.notice(&format!("stack ready in {} ms", world.ready().as_millis()));
    let mut abort = session.interrupt.abort.clone();
    let (played, remains) = tokio::select! {
        biased;
        _ = abort.wait_for(|abort| *abort) => {
            return Some(Outcome::broken(play, "stopped at once; nothing was judged"));
        }
        played = world.play(session.interrupt.stop.clone(), |tick| progress.tick(tick)) => played,
    };
    match &played.ended {
        Ended::Complete => {}
        Ended::Interrupted | Ended::Failed(_) => progress.notice(&played.ended.to_string()),
    }
    Some(Outcome::judged(
        play,
        &played,
        remains,
        begun.elapsed(),
        &session.provenance,
    ))
}

impl Session {
    fn spec(&self, play: &Play) -> WorldSpec {
        let drop_lease_condition = play.sabotage == Some(Sabotage::DropLeaseCondition);
        WorldSpec {
            scenario: Arc::clone(&play.scenario),
            seed: play.seed,
            speed: play.speed,
            siblings: self.siblings.clone(),
            env: play.env.clone(),
            config: play.config.clone(),
            sabotage: FrontSabotage { drop_lease_condition },
        }
    }
}
