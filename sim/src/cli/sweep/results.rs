//! What a sweep leaves behind, and how it is told.

use std::{fs, io, path::Path};

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    cli::{out_dir::OutDir, plan::quoted, printer},
    sweep::{Broken, Failure, Findings, Trial},
};

/// What a sweep leaves in its folder: `<scenario>.json` about all seeds, and the smallest scenario of each failure.
pub(super) struct Results {
    pub(super) folder: String,
    name: String,
    trials: Vec<Line>,
    /// Seed, rule, what happened, and the command that replays it.
    failures: Vec<(u64, Broken, String)>,
    requests: u64,
}

/// One seed in `<scenario>.json`: the same in every sweep of the same commit.
#[derive(Debug, Serialize)]
struct Line {
    seed: u64,
    instances: u32,
    faults: usize,
    requests: u64,
    broken: Vec<Broken>,
    /// SHA-256 of everything that was found.
    digest: String,
}

impl Results {
    /// An empty folder for the results of this scenario.
    pub(super) fn prepare(out: &OutDir, name: &str) -> io::Result<Self> {
        let folder = out.path().join("sweep");
        fs::create_dir_all(&folder)?;
        // What an earlier sweep left must not be taken for a result of this one.
        let (one, all) = (format!("{name}-seed-"), format!("{name}.json"));
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let file = entry.file_name();
            let file = file.to_string_lossy();
            if file == all || file.starts_with(&one) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(Self {
            folder: folder.display().to_string(),
            name: name.to_owned(),
            trials: Vec::new(),
            failures: Vec::new(),
            requests: 0,
        })
    }

    /// Takes in a seed, and writes and tells its failure.
    pub(super) fn take(&mut self, trial: &Trial, program: &str) -> io::Result<()> {
        self.requests += trial.findings.requests;
        self.trials.push(Line {
            seed: trial.seed,
            instances: trial.timeline.instances,
            faults: trial.timeline.faults.len(),
            requests: trial.findings.requests,
            broken: trial.findings.broken.clone(),
            digest: digest(&trial.findings),
        });
        let Some(failure) = &trial.failure else {
            return Ok(());
        };
        let Failure {
            broken,
            name,
            text,
            timeline,
            replays,
        } = failure;
        let path = Path::new(&self.folder).join(format!("{name}.toml"));
        let command = format!("{program} sweep --replay {}", quoted(&path.display().to_string()));
        printer::notice(&format!(
            "seed {}: breaks {}: {}; {} of {} faults, {replays} replays: {command}",
            trial.seed,
            broken.rule,
            broken.what,
            timeline.faults.len(),
            trial.timeline.faults.len(),
        ));
        self.failures.push((trial.seed, broken.clone(), command.clone()));
        fs::write(path, format!("# {command}\n{text}"))
    }

    pub(super) fn progress(&self, total: u64) -> String {
        let (seeds, requests, failed) = (self.trials.len(), self.requests, self.failures.len());
        format!("{seeds} of {total} seeds, {requests} requests, {failed} failed")
    }

    pub(super) fn conclusion(&self, wall_seconds: f64, total: u64) -> String {
        let (seeds, requests) = (self.trials.len(), self.requests);
        let of = if seeds as u64 == total {
            String::new()
        } else {
            format!(" of {total}")
        };
        let word = if total == 1 { "seed" } else { "seeds" };
        let mut text = format!(
            "{}: {seeds}{of} {word}, {requests} requests in {wall_seconds:.1} s: ",
            self.name
        );
        match self.failures.len() {
            0 => text += "all rules held",
            1 => text += "1 seed broke a rule",
            failed => text += &format!("{failed} seeds broke a rule"),
        }
        for (seed, Broken { rule, what, .. }, command) in &self.failures {
            text += &format!("\n  seed {seed}: {rule}: {what}\n    {command}");
        }
        text
    }

    pub(super) fn write(&self) -> io::Result<()> {
        #[derive(Serialize)]
        struct Document<'a> {
            schema: u32,
            scenario: &'a str,
            seeds: &'a [Line],
        }
        let document = Document {
            schema: 1,
            scenario: &self.name,
            seeds: &self.trials,
        };
        let text = serde_json::to_string_pretty(&document).map_err(io::Error::other)?;
        fs::write(
            Path::new(&self.folder).join(format!("{}.json", self.name)),
            text + "\n",
        )
    }

    /// Seeds so far.
    pub(super) fn seeds(&self) -> u64 {
        self.trials.len() as u64
    }

    /// Whether a rule was broken.
    pub(super) fn failed(&self) -> bool {
        !self.failures.is_empty()
    }
}

fn digest(findings: &Findings) -> String {
    let digest = Sha256::digest(findings.document().as_bytes());
    digest
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(failures: Vec<(u64, Broken, String)>) -> Results {
        let line = |seed| Line {
            seed,
            instances: 1,
            faults: 2,
            requests: 4_000,
            broken: Vec::new(),
            digest: String::new(),
        };
        Results {
            folder: "out/sweep".to_owned(),
            name: "sweep-base".to_owned(),
            trials: (0..3).map(line).collect(),
            failures,
            requests: 12_000,
        }
    }

    #[test]
    fn a_conclusion_lists_what_failed_with_the_command_that_replays_it() {
        insta::assert_snapshot!(results(Vec::new()).conclusion(1.26, 3), @"sweep-base: 3 seeds, 12000 requests in 1.3 s: all rules held");
        let broken = Broken {
            rule: "upstream.pause".to_owned(),
            what: "api-1 called CoinGecko at 3m0.000s, 500 ms too early".to_owned(),
            times: 2,
        };
        let command = "crypto-watch-sim sweep --replay out/sweep/sweep-base-seed-1.toml".to_owned();
        let failed = results(vec![(1, broken, command)]);
        insta::assert_snapshot!(failed.conclusion(1.26, 100), @r"
        sweep-base: 3 of 100 seeds, 12000 requests in 1.3 s: 1 seed broke a rule
          seed 1: upstream.pause: api-1 called CoinGecko at 3m0.000s, 500 ms too early
            crypto-watch-sim sweep --replay out/sweep/sweep-base-seed-1.toml
        ");
        insta::assert_snapshot!(failed.progress(100), @"3 of 100 seeds, 12000 requests, 1 failed");
    }
}
