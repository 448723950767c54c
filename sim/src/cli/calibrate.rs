//! `calibrate`: measures this machine, shows it beside the committed figures, and writes it as a file.

use std::{fmt::Write, fs, time::Duration};

use super::{args::CalibrateArgs, exit::Exit, interrupt, out_dir::OutDir, plan::quoted, printer};
use crate::{
    calibrate::{self, Build, Calibration, MeasureSpec},
    world::siblings::Siblings,
};

/// The file in the folder of the results.
const FILE: &str = "calibration.toml";

/// Measures, tells and writes. `program` is how this program was called, for the command that it prints.
pub async fn calibrate(args: CalibrateArgs, program: &str) -> Exit {
    match run(&args, program).await {
        Ok(()) => Exit::Held,
        Err(error) => {
            printer::notice(&format!(
                "error: {}; nothing was written",
                printer::causes(&error)
            ));
            Exit::Harness
        }
    }
}

async fn run(args: &CalibrateArgs, program: &str) -> anyhow::Result<()> {
    let siblings = Siblings::beside_this()?;
    siblings.check_all().await?;
    let out = OutDir::lock(&args.out)?;
    let interrupt = interrupt::listen()?;
    let spec = MeasureSpec {
        siblings,
        step: Duration::from_secs(args.seconds),
    };
    let longest = calibrate::LONGEST.as_secs();
    printer::notice(&format!(
        "measuring for at most {longest} s; keep this machine otherwise idle"
    ));
    let tell = |what: &str| printer::notice(&format!("  {what}"));
    let mut abort = interrupt.abort.clone();
    let measured = tokio::select! {
        biased;
        _ = abort.wait_for(|abort| *abort) => anyhow::bail!("stopped at once"),
        measured = calibrate::measure(&spec, &interrupt.stop, tell) => measured?,
    };
    let path = out.path().join(FILE);
    fs::write(&path, measured.to_toml())
        .map_err(|error| anyhow::anyhow!("cannot write {}: {error}", path.display()))?;
    let file = path.display().to_string();
    printer::result(&format!(
        "{}\n{}",
        beside(&measured, calibrate::committed()),
        advice(&measured, program, &file)
    ));
    Ok(())
}

/// Both as a table: measured, committed, and the one as a multiple of the other.
fn beside(measured: &Calibration, committed: &Calibration) -> String {
    let mut text = format!(
        "{:<16} {:>10} {:>10} {:>6}\n",
        "embedded store",
        "measured",
        committed.date.to_string(),
        "ratio"
    );
    let mut row = |name: &str, now: String, then: String, ratio: f64| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<16} {now:>10} {then:>10} {ratio:>6.2}");
    };
    let ms = |duration: Duration| format!("{:.3} ms", duration.as_secs_f64() * 1e3);
    let latencies = measured.embedded.latencies();
    for ((name, now), (_, then)) in latencies.into_iter().zip(committed.embedded.latencies()) {
        for (which, now, then) in [("p50", now.p50, then.p50), ("p99", now.p99, then.p99)] {
            let ratio = now.as_secs_f64() / then.as_secs_f64();
            row(&format!("{name} {which}"), ms(now), ms(then), ratio);
        }
    }
    let (now, then) = (measured.embedded.servable_rate, committed.embedded.servable_rate);
    row(
        "servable rate",
        format!("{now:.0}/s"),
        format!("{then:.0}/s"),
        now / then,
    );
    text
}

/// What can be done with the file.
fn advice(measured: &Calibration, program: &str, file: &str) -> String {
    let here = format!(
        "written to {file}; real runs on this machine can go by its rate:\n  {program} run --clock real --calibration {}",
        quoted(file)
    );
    match measured.build {
        Build::Release => format!(
            "{here}\nto make it the default, for virtual time too: copy it to sim/calibration.toml, rebuild, pass the \
             tests, commit"
        ),
        Build::Debug => format!(
            "{here}\nthese are figures of a debug build, which say nothing about what ships: they must not become the \
             default; measure that with a release build"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibrate::{Figures, Machine, Measured};

    fn calibration(build: Build, us: u64, servable_rate: f64) -> Calibration {
        let measured = |times: u64| Measured {
            p50: Duration::from_micros(us * times),
            p99: Duration::from_micros(us * times * 10),
            samples: 100,
        };
        Calibration {
            date: jiff::civil::date(2026, 3, 2),
            build,
            machine: Machine {
                cpu: "Example CPU".to_owned(),
                cores: 2,
                memory_mib: 8000,
                os: "Linux 6.1.0".to_owned(),
            },
            embedded: Figures {
                servable_rate,
                store: measured(1),
                coingecko: measured(3),
                service: measured(2),
                cold_start: measured(9),
                invocation: measured(4),
            },
        }
    }

    #[test]
    fn measured_stands_beside_committed() {
        let (measured, committed) = (
            calibration(Build::Release, 450, 562.0),
            calibration(Build::Release, 900, 400.0),
        );
        insta::assert_snapshot!(beside(&measured, &committed), @"
        embedded store     measured 2026-03-02  ratio
        store p50          0.450 ms   0.900 ms   0.50
        store p99          4.500 ms   9.000 ms   0.50
        coingecko p50      1.350 ms   2.700 ms   0.50
        coingecko p99     13.500 ms  27.000 ms   0.50
        service p50        0.900 ms   1.800 ms   0.50
        service p99        9.000 ms  18.000 ms   0.50
        cold_start p50     4.050 ms   8.100 ms   0.50
        cold_start p99    40.500 ms  81.000 ms   0.50
        invocation p50     1.800 ms   3.600 ms   0.50
        invocation p99    18.000 ms  36.000 ms   0.50
        servable rate         562/s      400/s   1.41
        ");
    }

    #[test]
    fn how_to_use_the_file_is_said_and_debug_figures_are_refused_as_default() {
        let of = |build| {
            advice(
                &calibration(build, 900, 400.0),
                "crypto-watch-sim",
                "my dir/calibration.toml",
            )
        };
        insta::assert_snapshot!(of(Build::Release), @"
        written to my dir/calibration.toml; real runs on this machine can go by its rate:
          crypto-watch-sim run --clock real --calibration 'my dir/calibration.toml'
        to make it the default, for virtual time too: copy it to sim/calibration.toml, rebuild, pass the tests, commit
        ");
        insta::assert_snapshot!(of(Build::Debug), @"
        written to my dir/calibration.toml; real runs on this machine can go by its rate:
          crypto-watch-sim run --clock real --calibration 'my dir/calibration.toml'
        these are figures of a debug build, which say nothing about what ships: they must not become the default; measure that with a release build
        ");
    }
}
