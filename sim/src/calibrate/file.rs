//! A calibration as TOML: read strictly, written the same.

use std::{fmt::Write, path::Path, time::Duration};

use scenarios::format::quantity::{Per, Rate, parse_duration, show_duration};
use serde::{Deserialize, Deserializer, de::Error};

use super::{Build, Calibration, Machine};

/// What a written file says of itself.
const HEAD: &str = "\
# What calls take and how many requests a second are served, as `crypto-watch-sim calibrate` measured it.
#
# Virtual time takes its default latencies from the committed sim/calibration.toml and from no other file, so that a
# report depends on the commit alone; real runs take `servable_rate` from it, unless `--calibration FILE` names another.
";

/// Why a file gives no calibration.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    /// It cannot be read.
    #[error("cannot read the calibration {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is none.
    #[error("{path} is no calibration such as `crypto-watch-sim calibrate` writes: {problem}")]
    Broken {
        /// The file.
        path: String,
        /// What is wrong, with the key.
        problem: String,
    },
}

impl Calibration {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or is no calibration.
    pub fn read(path: &Path) -> Result<Self, CalibrationError> {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&name, &text),
            Err(source) => Err(CalibrationError::Unreadable { path: name, source }),
        }
    }

    /// Reads the text of the file `path`.
    ///
    /// # Errors
    /// When a key is missing, unknown or wrong.
    pub fn parse(path: &str, text: &str) -> Result<Self, CalibrationError> {
        let broken = |problem: String| CalibrationError::Broken {
            path: path.to_owned(),
            problem,
        };
        let calibration: Self =
            toml::from_str(text).map_err(|error| broken(error.to_string().trim().to_owned()))?;
        match calibration.nonsense() {
            Some(problem) => Err(broken(problem)),
            None => Ok(calibration),
        }
    }

    /// What no machine can have measured.
    fn nonsense(&self) -> Option<String> {
        if self.embedded.servable_rate <= 0.0 {
            return Some("`embedded.servable_rate` must be above zero".to_owned());
        }
        self.embedded.latencies().iter().find_map(|(name, measured)| {
            if measured.p50.is_zero() {
                Some(format!("`embedded.{name}.p50` must be above zero"))
            } else if measured.p99 < measured.p50 {
                Some(format!("`embedded.{name}.p99` must not be below its p50"))
            } else {
                None
            }
        })
    }

    /// The text of its file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let Self {
            date,
            build,
            machine,
            embedded,
        } = self;
        let Machine {
            cpu,
            cores,
            memory_mib,
            os,
        } = machine;
        let (cpu, os) = (plain(cpu), plain(os));
        let build = match build {
            Build::Debug => "debug",
            Build::Release => "release",
        };
        let rate = Rate {
            count: embedded.servable_rate,
            per: Per::Second,
        };
        let mut text = format!(
            "{HEAD}\ndate  = \"{date}\"\nbuild = \"{build}\"\n\n\
             [machine]\ncpu        = \"{cpu}\"\ncores      = {cores}\nmemory_mib = {memory_mib}\nos         = \"{os}\"\n\n\
             [embedded]\nservable_rate = \"{rate}\"\n"
        );
        for (name, measured) in embedded.latencies() {
            let (p50, p99) = (show_duration(measured.p50), show_duration(measured.p99));
            let samples = measured.samples;
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "\n[embedded.{name}]\np50     = \"{p50}\"\np99     = \"{p99}\"\nsamples = {samples}\n"
            );
        }
        text
    }
}

/// A text that needs no escapes between quotes.
fn plain(text: &str) -> String {
    let keep = |c: &char| (c.is_ascii_graphic() || *c == ' ') && !matches!(c, '"' | '\\');
    text.chars().filter(keep).collect()
}

/// A duration with its unit.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map_err(D::Error::custom)
}

/// A rate with its unit, as so many per second.
pub(super) fn per_second<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let text = String::deserialize(deserializer)?;
    Rate::parse(&text).map(Rate::per_second).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::calibrate::{Figures, Measured};

    fn measured(p50_us: u64, p99_us: u64, samples: u64) -> Measured {
        Measured {
            p50: Duration::from_micros(p50_us),
            p99: Duration::from_micros(p99_us),
            samples,
        }
    }

    fn calibration() -> Calibration {
        Calibration {
            date: date(2026, 3, 2),
            build: Build::Debug,
            machine: Machine {
                cpu: "Example CPU @ 2.00GHz".to_owned(),
                cores: 2,
                memory_mib: 7962,
                os: "Linux 6.1.0".to_owned(),
            },
            embedded: Figures {
                servable_rate: 562.0,
                store: measured(412, 2_031, 480),
                coingecko: measured(2_900, 11_000, 200),
                service: measured(701, 4_900, 396),
                cold_start: measured(9_000, 31_000, 90),
                invocation: measured(812, 3_600, 270),
            },
        }
    }

    fn broken(text: &str) -> String {
        Calibration::parse("c.toml", text)
            .expect_err("it is broken")
            .to_string()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = calibration().to_toml();
        insta::assert_snapshot!(text, @r#"
        # What calls take and how many requests a second are served, as `crypto-watch-sim calibrate` measured it.
        #
        # Virtual time takes its default latencies from the committed sim/calibration.toml and from no other file, so that a
        # report depends on the commit alone; real runs take `servable_rate` from it, unless `--calibration FILE` names another.

        date  = "2026-03-02"
        build = "debug"

        [machine]
        cpu        = "Example CPU @ 2.00GHz"
        cores      = 2
        memory_mib = 7962
        os         = "Linux 6.1.0"

        [embedded]
        servable_rate = "562/s"

        [embedded.store]
        p50     = "412us"
        p99     = "2ms31us"
        samples = 480

        [embedded.coingecko]
        p50     = "2ms900us"
        p99     = "11ms"
        samples = 200

        [embedded.service]
        p50     = "701us"
        p99     = "4ms900us"
        samples = 396

        [embedded.cold_start]
        p50     = "9ms"
        p99     = "31ms"
        samples = 90

        [embedded.invocation]
        p50     = "812us"
        p99     = "3ms600us"
        samples = 270
        "#);
        assert_eq!(Calibration::parse("c.toml", &text).expect("sound"), calibration());
    }

    #[test]
    fn odd_names_of_a_machine_do_not_break_the_file() {
        let mut odd = calibration();
        odd.machine.cpu = "a \"b\"\\\n\tc".to_owned();
        let read = Calibration::parse("c.toml", &odd.to_toml()).expect("sound");
        assert_eq!(read.machine.cpu, "a bc");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_key() {
        let text = calibration().to_toml();
        let with = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            broken(&text.replacen(from, to, 1))
        };
        insta::assert_snapshot!(with("p99     = \"2ms31us\"\n", ""), @"
        c.toml is no calibration such as `crypto-watch-sim calibrate` writes: TOML parse error at line 18, column 1
           |
        18 | [embedded.store]
           | ^^^^^^^^^^^^^^^^
        missing field `p99`
        ");
        insta::assert_snapshot!(with("cores ", "kernels "), @"
        c.toml is no calibration such as `crypto-watch-sim calibrate` writes: TOML parse error at line 11, column 1
           |
        11 | kernels      = 2
           | ^^^^^^^
        unknown field `kernels`, expected one of `cpu`, `cores`, `memory_mib`, `os`
        ");
        insta::assert_snapshot!(with("\"562/s\"", "562"), @"
        c.toml is no calibration such as `crypto-watch-sim calibrate` writes: TOML parse error at line 16, column 17
           |
        16 | servable_rate = 562
           |                 ^^^
        invalid type: integer `562`, expected a string
        ");
        insta::assert_snapshot!(with("\"562/s\"", "\"0/s\""), @"c.toml is no calibration such as `crypto-watch-sim calibrate` writes: `embedded.servable_rate` must be above zero");
        insta::assert_snapshot!(with("\"412us\"", "\"412\""), @r#"
        c.toml is no calibration such as `crypto-watch-sim calibrate` writes: TOML parse error at line 19, column 11
           |
        19 | p50     = "412"
           |           ^^^^^
        `412` is not a duration: `412` has no unit
        "#);
        insta::assert_snapshot!(with("\"412us\"", "\"0s\""), @"c.toml is no calibration such as `crypto-watch-sim calibrate` writes: `embedded.store.p50` must be above zero");
        insta::assert_snapshot!(with("\"2ms31us\"", "\"31us\""), @"c.toml is no calibration such as `crypto-watch-sim calibrate` writes: `embedded.store.p99` must not be below its p50");
        insta::assert_snapshot!(with("\"debug\"", "\"fast\""), @r#"
        c.toml is no calibration such as `crypto-watch-sim calibrate` writes: TOML parse error at line 7, column 9
          |
        7 | build = "fast"
          |         ^^^^^^
        unknown variant `fast`, expected `debug` or `release`
        "#);
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Calibration::read(Path::new("no/such.toml"))
            .expect_err("it is not there")
            .to_string();
        assert!(
            error.starts_with("cannot read the calibration no/such.toml: "),
            "{error}"
        );
    }
}
