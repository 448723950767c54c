//! `run`: plays scenarios, judges each, and writes results as they come, so that a later failure loses nothing.

use std::{collections::VecDeque, sync::Arc};

use tokio::task::JoinSet;

use crate::{
    cli::{
        ambient::Terminal,
        args::{RunArgs, Sabotage},
        exit::Exit,
        interrupt::{self, Interrupt},
        out_dir::OutDir,
        outcome::{self, Outcome},
        plan::{self, Play},
        printer,
        progress::Progress,
    },
    store::front::FrontSabotage,
    world::{Ended, World, WorldError, WorldSpec, siblings::Siblings},
};

/// Everything that the plays of one command share.
struct Session {
    out: OutDir,
    siblings: Siblings,
    terminal: Terminal,
    progress: Progress,
    interrupt: Interrupt,
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
    let outcomes = play_all(&session, plays, &args).await;
    conclude(&session, &outcomes)
}

impl Session {
    async fn open(args: &RunArgs) -> anyhow::Result<Self> {
        let siblings = Siblings::beside_this()?;
        siblings.check_all().await?;
        let out = OutDir::lock(&args.out)?;
        let interrupt = interrupt::listen()?;
        let terminal = Terminal::detect();
        Ok(Self { out, siblings, terminal, progress: Progress::new(terminal), interrupt })
    }

    fn was_interrupted(&self) -> bool {
        *self.interrupt.stop.borrow()
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
            playing.spawn(async move { one.await.unwrap_or_else(|panic| Outcome::defect(&play, &panic)) });
        }
        let Some(Ok(outcome)) = playing.join_next().await else { break };
        outcomes.push(outcome);
        outcomes.sort_by_key(|outcome| order.iter().position(|name| *name == outcome.name));
        write_overview(session, &outcomes);
    }
    for play in waiting {
        outcomes.push(Outcome::skipped(&play));
    }
    outcomes
}

/// Plays one scenario on a world of its own, judges it and writes its results.
async fn play_one(session: &Session, play: &Play) -> Outcome {
    let progress = session.progress.play(&play.name, play.scenario.duration, session.terminal.colour);
    play.warnings.iter().for_each(|warning| progress.notice(warning));
    let real = play.scenario.duration.div_f64(f64::from(play.speed)).as_secs_f64();
    progress.notice(&format!("{real:.1} s at {} times real speed, seed {}", play.speed, play.seed));
    let spec = WorldSpec {
        scenario: Arc::clone(&play.scenario),
        seed: play.seed,
        speed: play.speed,
        siblings: session.siblings.clone(),
        env: play.env.clone(),
        config: play.config.clone(),
        sabotage: FrontSabotage { drop_lease_condition: play.sabotage == Some(Sabotage::DropLeaseCondition) },
    };
    let mut stop = session.interrupt.stop.clone();
    let started = tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => return Outcome::skipped(play),
        started = World::start(spec) => started,
    };
    let world = match started {
        Ok(world) => world,
        Err(error) => return Outcome::broken(play, &error.to_string()),
    };
    progress.notice(&format!("stack ready in {} ms", world.ready().as_millis()));
    let mut abort = session.interrupt.abort.clone();
    let (played, remains) = tokio::select! {
        biased;
        _ = abort.wait_for(|abort| *abort) => return Outcome::broken(play, "stopped at once, nothing was judged"),
        played = world.play(session.interrupt.stop.clone(), |tick| progress.tick(tick)) => played,
    };
    drop(progress);
    Outcome::judged(session, play, played, remains)
}
