//! `run`: plays scenarios, judges each, and writes results as they come, so that a later failure loses nothing.

use std::{
    collections::{BTreeMap, VecDeque, btree_map},
    path::Path,
    sync::Arc,
    time::Duration,
};

use tokio::{task::JoinSet, time::Instant};

use crate::{
    cli::{
        ambient::{self, Terminal},
        args::{RunArgs, Sabotage, Via},
        estimate::Estimate,
        exit::Exit,
        interrupt::{self, Interrupt},
        out_dir::OutDir,
        outcome::{Ending, Outcome},
        plan::{self, On, Play},
        printer,
        progress::{PlayProgress, Progress},
        together,
    },
    deployed::Deployed,
    incidents, judge,
    report::{self, Entry, Provenance, StoreMeasured, Style},
    store::{
        backend::{Choice, Disk, StoreAbout, StoreSpec, Tell, Way},
        front::FrontSabotage,
    },
    virtual_world::{self, Pulse, StoreKind, VirtualSpec},
    world::{Ended, Tick, World, WorldSpec, siblings::Siblings},
};

/// The packages that are played, by their files, with the SHA-256 of each.
fn packages(deployed: &BTreeMap<String, Arc<Deployed>>) -> BTreeMap<String, String> {
    let packages = deployed.values().flat_map(|deployed| deployed.packages.values());
    packages
        .map(|package| (package.packed.file.clone(), package.packed.sha256.clone()))
        .collect()
}

/// How often progress in virtual time is told, real time.
const TICK_EVERY: Duration = Duration::from_millis(200);

/// Everything that the plays of one command share.
struct Session {
    out: OutDir,
    /// The checked binaries, when something is played on the real clock.
    siblings: Option<Siblings>,
    /// What is deployed in each environment that is played, with --via lambda.
    deployed: BTreeMap<String, Arc<Deployed>>,
    check_determinism: bool,
    provenance: Provenance,
    terminal: Terminal,
    progress: Progress,
    interrupt: Interrupt,
    begun: Instant,
}

/// Plays what the arguments ask for. `program` is how this program was called, for the commands that it prints.
pub async fn run(mut args: RunArgs, program: &str) -> Exit {
    if args.store.as_deref() == Some(plan::DYNAMODB_LOCAL) {
        let way = args.dynamodb_local.take();
        args.dynamodb_local = way.or_else(|| ambient::setting(Way::VARIABLE));
    }
    let plays = match plan::plan(&args, program) {
        Ok(plays) => plays,
        Err(problems) => {
            printer::notice(&problems.join("\n\n"));
            return Exit::Usage;
        }
    };
    let session = match Session::open(&args, &plays).await {
        Ok(session) => Arc::new(session),
        Err(error) => {
            printer::notice(&format!("error: {}", printer::causes(&error)));
            return Exit::Harness;
        }
    };
    let unknown = session.unknown_alarms(&plays);
    if !unknown.is_empty() {
        printer::notice(&unknown.join("\n\n"));
        return Exit::Usage;
    }
    let plays: Vec<Arc<Play>> = plays.into_iter().map(Arc::new).collect();
    let outcomes = play_all(&session, &plays, &args).await;
    session.conclude(&plays, &outcomes)
}

impl Session {
    /// What is wrong with the alarms that scenarios ask for, now that the template is read.
    fn unknown_alarms(&self, plays: &[Play]) -> Vec<String> {
        let problems = plays.iter().filter_map(|play| {
            let deployed = self.deployed_in(play)?;
            let alarms = deployed.deployment.alarms.iter();
            let alarms: Vec<&str> = alarms.map(|alarm| alarm.id.as_str()).collect();
            judge::diagnose_alarms(&play.scenario, &alarms).err()
        });
        problems.map(|problems| problems.to_string()).collect()
    }

    /// What is deployed in the environment of a play, with --via lambda.
    fn deployed_in(&self, play: &Play) -> Option<Arc<Deployed>> {
        let environment = play.scenario.stack.environment.to_string();
        self.deployed.get(&environment).cloned()
    }

    async fn open(args: &RunArgs, plays: &[Play]) -> anyhow::Result<Self> {
        let siblings = if plays.iter().any(|play| matches!(play.on, On::Real { .. })) {
            let siblings = Siblings::beside_this()?;
            siblings.check_all().await?;
            Some(siblings)
        } else {
            None
        };
        let mut deployed = BTreeMap::new();
        if args.via == Via::Lambda {
            for play in plays {
                let entry = deployed.entry(play.scenario.stack.environment.to_string());
                if let btree_map::Entry::Vacant(entry) = entry {
                    let here = Path::new(".");
                    let read = if siblings.is_some() {
                        Deployed::read(here, entry.key(), service::BUILD_ID)?
                    } else {
                        Deployed::modelled(here, entry.key())?
                    };
                    for finding in &read.findings {
                        printer::notice(&format!("warning: {finding}"));
                    }
                    entry.insert(Arc::new(read));
                }
            }
        }
        let out = OutDir::lock(&args.out)?;
        let interrupt = interrupt::listen()?;
        let terminal = Terminal::detect();
        let provenance = Provenance {
            commit: ambient::commit().await,
            build_id: service::BUILD_ID.to_owned(),
            packages: packages(&deployed),
        };
        let (progress, begun) = (Progress::new(terminal), Instant::now());
        Ok(Self {
            out,
            siblings,
            deployed,
            check_determinism: args.check_determinism,
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
    fn conclude(&self, plays: &[Arc<Play>], outcomes: &[Outcome]) -> Exit {
        let together = together::compare(plays, outcomes);
        for table in &together.beside {
            self.progress.result(&format!("\n{}", table.text()));
        }
        for table in &together.clocks {
            self.progress.result(&format!("\n{}", table.text(self.style())));
        }
        let entries: Vec<Entry> = outcomes.iter().map(|outcome| outcome.entry.clone()).collect();
        if entries.len() > 1 {
            let wall = self.begun.elapsed().as_secs_f64();
            self.progress
                .result(&report::render_suite(&entries, wall, self.style()));
        }
        let asked_for = plays.len();
        let unplayed = asked_for - outcomes.len();
        if unplayed > 0 {
            self.progress
                .notice(&format!("{unplayed} of {asked_for} scenarios were not played"));
        }
        self.progress
            .notice(&format!("results are in {}", self.out.path().display()));
        let worst = outcomes
            .iter()
            .fold(together::exit(&together), |exit, outcome| exit.and(outcome.exit));
        if self.was_interrupted() {
            worst.and(Exit::Harness)
        } else {
            worst
        }
    }
}

/// Plays at most `--jobs` at a time; results are in the order in which they were asked for.
async fn play_all(session: &Arc<Session>, plays: &[Arc<Play>], args: &RunArgs) -> Vec<Outcome> {
    let mut waiting: VecDeque<Arc<Play>> = plays.iter().cloned().collect();
    let order: Vec<_> = waiting
        .iter()
        .map(|play| (play.name.clone(), play.on.clock()))
        .collect();
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
                outcomes.sort_by_key(|outcome| {
                    let is_it =
                        |(name, clock): &(String, _)| *name == outcome.name && *clock == outcome.clock;
                    order.iter().position(is_it)
                });
                write_overview(session, plays, &outcomes);
            }
            Some(Ok(None) | Err(_)) => {}
            None => return outcomes,
        }
    }
}

/// Writes the files of a play and tells people about it.
fn finish(session: &Session, mut outcome: Outcome) -> Outcome {
    let written = outcome.write(&session.out.play_folder(&outcome.name, outcome.clock));
    session.tell(&outcome);
    if let Err(error) = written {
        session.progress.notice(&format!("error: {error}"));
        outcome.exit = outcome.exit.and(Exit::Harness);
    }
    outcome
}

/// Writes the files about all plays so far.
fn write_overview(session: &Session, plays: &[Arc<Play>], outcomes: &[Outcome]) {
    let entries: Vec<Entry> = outcomes.iter().map(|outcome| outcome.entry.clone()).collect();
    if let Err(error) = report::write_suite(session.out.path(), &entries, &together::compare(plays, outcomes))
    {
        session.progress.notice(&format!("error: {error}"));
    }
}

/// Plays one scenario on a world of its own and judges it; `None` when it was not begun.
async fn play_one(session: &Arc<Session>, play: &Arc<Play>) -> Option<Outcome> {
    if let Err(error) = session.out.empty_play_folder(&play.name, play.on.clock()) {
        return Some(Outcome::broken(play, &error.to_string()));
    }
    let progress = session
        .progress
        .play(&play.name, play.scenario.duration, session.terminal.colour);
    play.warnings.iter().for_each(|warning| progress.notice(warning));
    match play.on {
        On::Virtual { store } => play_virtual(session, play, store, &progress).await,
        On::Real { speed } => play_real(session, play, speed, &progress).await,
    }
}

/// On a thread of its own, which the play keeps busy.
async fn play_virtual(
    session: &Session,
    play: &Play,
    store: StoreKind,
    progress: &PlayProgress,
) -> Option<Outcome> {
    let begun = Instant::now();
    let scenario = Arc::clone(&play.scenario);
    progress.notice(&format!("virtual time, {store} store, seed {}", play.seed));
    let spec = VirtualSpec {
        scenario: Arc::clone(&scenario),
        seed: play.seed,
        config: play.config.clone(),
        store,
        deployed: session.deployed_in(play),
        env: play.env.clone(),
        witness: None,
        plant: play.sabotage.and_then(Sabotage::plant),
        broken_config: play.broken_config.clone(),
    };
    let (stop, pulse) = (session.interrupt.stop.clone(), Pulse::default());
    let seen = pulse.clone();
    let times = if session.check_determinism { 2 } else { 1 };
    let playing = tokio::task::spawn_blocking(move || {
        let play = || virtual_world::play(&spec, stop.clone(), &pulse);
        (0..times).map(|_| play()).collect::<Result<Vec<_>, _>>()
    });
    let ticks = async {
        loop {
            tokio::time::sleep(TICK_EVERY).await;
            progress.tick(&Tick::at(
                &scenario,
                Duration::from_micros(seen.now_us()),
                seen.requests(),
            ));
        }
    };
    let mut abort = session.interrupt.abort.clone();
    let played = tokio::select! {
        biased;
        _ = abort.wait_for(|abort| *abort) => {
            return Some(Outcome::broken(play, "stopped at once; nothing was judged"));
        }
        played = playing => played,
        still = seen.still() => return Some(Outcome::broken(play, &still.to_string())),
        () = ticks => return None,
    };
    let played = match played {
        Ok(Ok(played)) => played,
        Ok(Err(error)) => return Some(Outcome::broken(play, &error.to_string())),
        Err(panic) => {
            return Some(Outcome::broken(
                play,
                &format!("the harness has a defect: {panic}"),
            ));
        }
    };
    let outcomes = played.into_iter().map(|played| {
        tell_end(&played.ended, progress);
        let ending = Ending {
            ended: played.ended,
            killed: Vec::new(),
            recording: played.recording,
            stack_ready_ms: None,
            store: StoreMeasured {
                about: on_virtual_time(store),
                times: None,
            },
            wall: begun.elapsed(),
        };
        Outcome::judged(play, ending, &session.provenance)
    });
    outcomes.reduce(|first, second| first.alike(second))
}

/// Through the real binaries.
async fn play_real(session: &Session, play: &Play, speed: u32, progress: &PlayProgress) -> Option<Outcome> {
    let begun = Instant::now();
    let real = play.scenario.duration.div_f64(f64::from(speed)).as_secs_f64();
    progress.notice(&format!(
        "{real:.1} s at {speed} times real speed, seed {}",
        play.seed
    ));
    if let Choice::Endpoint(endpoint) = &play.store
        && endpoint.is_public()
    {
        progress.notice(&Estimate::of(&play.scenario, &play.config).to_string());
    }
    let mut stop = session.interrupt.stop.clone();
    let started = tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => return None,
        started = World::start(session.spec(play, speed, progress)?) => started,
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
    tell_end(&played.ended, progress);
    if let Some(left) = &remains.left {
        progress.notice(&format!("warning: {left}"));
    }
    let ending = Ending {
        ended: played.ended,
        killed: played.killed,
        recording: remains.recorder.finish(),
        stack_ready_ms: Some(remains.ready.as_secs_f64() * 1000.0),
        store: StoreMeasured {
            about: remains.store,
            times: Some(remains.front.store),
        },
        wall: begun.elapsed(),
    };
    Some(Outcome::judged(play, ending, &session.provenance))
}

/// What stands for DynamoDB in virtual time.
fn on_virtual_time(store: StoreKind) -> StoreAbout {
    match store {
        StoreKind::Memory => StoreAbout {
            name: "memory".to_owned(),
            version: None,
            how: "in process, modelled time".to_owned(),
        },
        StoreKind::Embedded => StoreAbout {
            name: "dynoxide".to_owned(),
            version: Some(dynoxide::PRODUCT_VERSION.to_owned()),
            how: "in process, modelled time".to_owned(),
        },
    }
}

fn tell_end(ended: &Ended, progress: &PlayProgress) {
    match ended {
        Ended::Complete => {}
        Ended::Interrupted | Ended::Failed(_) => progress.notice(&ended.to_string()),
    }
}

impl Session {
    /// What a play on the real clock is built from; none when nothing was to be played there.
    fn spec(&self, play: &Play, speed: u32, progress: &PlayProgress) -> Option<WorldSpec> {
        let drop_lease_condition = play.sabotage == Some(Sabotage::DropLeaseCondition);
        Some(WorldSpec {
            scenario: Arc::clone(&play.scenario),
            seed: play.seed,
            speed,
            siblings: self.siblings.clone()?,
            deployed: self.deployed_in(play),
            has_users: true,
            env: play.env.clone(),
            config: play.config.clone(),
            store: StoreSpec {
                choice: play.store.clone(),
                disk: if incidents::kill_the_store(&play.scenario.faults) {
                    Disk::Yes
                } else {
                    Disk::No
                },
                tools: ambient::tools(progress.tell()),
            },
            sabotage: FrontSabotage { drop_lease_condition },
            witness: None,
            logs: Tell::default(),
        })
    }
}
