//! `doctor`: what this machine can play.

use std::{fmt::Write, net::TcpListener, path::Path};

use crate::{
    calibrate::{self, Calibration},
    cli::{ambient, exit::Exit, printer},
    lambda::cpu::CpuLimit,
    package::manifest::Manifest,
    store::backend::{self, Found, Tell},
    world::siblings::{Binary, Siblings},
};

/// Tells what is there, what is not, and what that means. Fails when `run` could not work.
pub async fn doctor() -> Exit {
    let (text, exit) = examine().await;
    printer::result(&text);
    exit
}

async fn examine() -> (String, Exit) {
    let mut report = Report {
        text: String::new(),
        exit: Exit::Held,
    };
    report.fine("crypto-watch-sim", &format!("build {}", service::BUILD_ID));
    match Siblings::beside_this() {
        Err(error) => report.broken("binaries", &error.to_string()),
        Ok(siblings) => {
            for binary in Binary::ALL {
                match siblings.check(binary).await {
                    Ok(()) => report.fine(binary.name(), &format!("build {}", binary.expected_build())),
                    Err(error) => report.broken(binary.name(), &error.to_string()),
                }
            }
        }
    }
    report.fine("calibration", &calibrated(calibrate::committed()));
    match TcpListener::bind(("127.0.0.1", 0)) {
        Ok(_) => report.fine("loopback", "127.0.0.1 can be listened on"),
        Err(error) => report.broken("loopback", &format!("cannot listen on 127.0.0.1: {error}")),
    }
    match std::thread::available_parallelism() {
        Ok(cores) if cores.get() >= 2 => report.fine("cores", &cores.to_string()),
        Ok(cores) => report.missing("cores", &format!("{cores}: play with --compress 30 or less")),
        Err(error) => report.missing("cores", &format!("unknown ({error})")),
    }
    report.memory();
    for Found { what, does, found } in backend::ways(&ambient::tools(Tell::default())).await {
        if does {
            report.fine(what, &found);
        } else {
            report.missing(what, &found);
        }
    }
    match Manifest::read(Path::new("dist")).and_then(|manifest| manifest.is_of(service::BUILD_ID)) {
        Ok(()) => report.fine(
            "packages",
            "dist is of this build, for --via lambda on the real clock",
        ),
        Err(error) => report.missing("packages", &error.to_string()),
    }
    match CpuLimit::new(512) {
        Ok(_) => report.fine("processor shares", "functions can be held to theirs"),
        Err(error) => report.missing(
            "processor shares",
            &format!("functions are faster than on Lambda: {error}"),
        ),
    }
    (report.text, report.exit)
}

/// Where the default latencies of virtual time and the bound of `--compress` come from.
fn calibrated(calibration: &Calibration) -> String {
    let Calibration { date, machine, .. } = calibration;
    format!("{date}, {} ({} cores)", machine.cpu, machine.cores)
}

struct Report {
    text: String,
    exit: Exit,
}

impl Report {
    fn fine(&mut self, what: &str, found: &str) {
        self.line("ok", what, found);
    }

    fn missing(&mut self, what: &str, meaning: &str) {
        self.line("--", what, meaning);
    }

    fn broken(&mut self, what: &str, problem: &str) {
        self.exit = self.exit.and(Exit::Harness);
        self.line("!!", what, problem);
    }

    fn line(&mut self, mark: &str, what: &str, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{mark}  {what:<20} {text}");
    }

    fn memory(&mut self) {
        let available = std::fs::read_to_string("/proc/meminfo")
            .ok()
            .and_then(|text| available_mib(&text));
        match available {
            Some(mib) if mib >= 512 => self.fine("memory", &format!("{mib} MiB available")),
            Some(mib) => self.missing(
                "memory",
                &format!("{mib} MiB available: long scenarios may not fit"),
            ),
            None => self.missing(
                "memory",
                "this system does not tell; run.json will lack memory and CPU figures",
            ),
        }
    }
}

/// `MemAvailable:   12345 kB`, in MiB.
fn available_mib(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_read() {
        assert_eq!(
            available_mib("MemTotal: 9 kB\nMemAvailable:   2097152 kB\n"),
            Some(2048)
        );
        assert_eq!(available_mib("MemTotal: 9 kB\n"), None);
    }
}
