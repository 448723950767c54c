//! What is going on, on standard error: a bar for each scenario on a terminal, plain lines elsewhere.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    cli::{ambient::Terminal, printer},
    store::backend::Tell,
    world::Tick,
};

/// The progress of all scenarios that are being played.
#[derive(Debug)]
pub struct Progress {
    bars: Option<MultiProgress>,
}

/// The progress of one scenario.
#[derive(Debug)]
pub struct PlayProgress {
    name: String,
    bar: Option<ProgressBar>,
    bars: Option<MultiProgress>,
    /// The faults that were active at the last tick; plain lines tell only changes.
    faults: Mutex<Vec<String>>,
}

impl Progress {
    /// Bars on a terminal, lines elsewhere.
    #[must_use]
    pub fn new(terminal: Terminal) -> Self {
        let draw = || MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        Self {
            bars: terminal.stderr.then(draw),
        }
    }

    /// Prints a line above the bars.
    pub fn notice(&self, text: &str) {
        print(self.bars.as_ref(), || printer::notice(text));
    }

    /// Prints a result (to standard output) above the bars.
    pub fn result(&self, text: &str) {
        print(self.bars.as_ref(), || printer::result(text));
    }

    /// Begins a scenario that lasts for so much wall time.
    #[must_use]
    pub fn play(&self, name: &str, wall: Duration, colour: bool) -> PlayProgress {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new(wall.as_secs()));
            bar.set_style(style(colour));
            bar.set_prefix(name.to_owned());
            bar
        });
        PlayProgress {
            name: name.to_owned(),
            bar,
            bars: self.bars.clone(),
            faults: Mutex::default(),
        }
    }
}

impl PlayProgress {
    /// Tells a step, such as that the stack is ready.
    pub fn notice(&self, text: &str) {
        let line = format!("{}: {text}", self.name);
        print(self.bars.as_ref(), || printer::notice(&line));
    }

    /// Tells steps for as long as there is anybody to tell, whoever owns this.
    #[must_use]
    pub fn tell(&self) -> Tell {
        let (name, bars) = (self.name.clone(), self.bars.clone());
        Tell::new(move |text| {
            let line = format!("{name}: {text}");
            print(bars.as_ref(), || printer::notice(&line));
        })
    }

    /// Shows where the play is.
    pub fn tick(&self, tick: &Tick) {
        let mut before = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = &self.bar {
            bar.set_position(tick.wall.as_secs());
            let faults = if tick.faults.is_empty() {
                String::new()
            } else {
                format!(" · {}", tick.faults.join(", "))
            };
            bar.set_message(format!(
                "{} · {} requests{faults}",
                clock_face(tick.wall),
                tick.requests
            ));
        } else if *before != tick.faults {
            let (at, requests) = (clock_face(tick.wall), tick.requests);
            let faults = if tick.faults.is_empty() {
                "none".to_owned()
            } else {
                tick.faults.join(", ")
            };
            self.notice(&format!("at {at}, {requests} requests, active faults: {faults}"));
        }
        before.clone_from(&tick.faults);
    }
}

impl Drop for PlayProgress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// `MultiProgress::suspend` keeps bars and lines apart.
fn print(bars: Option<&MultiProgress>, line: impl FnOnce()) {
    match bars {
        Some(bars) => bars.suspend(line),
        None => line(),
    }
}

fn style(colour: bool) -> ProgressStyle {
    let template = if colour {
        "{prefix:>20} {bar:30.cyan} {msg}"
    } else {
        "{prefix:>20} {bar:30} {msg}"
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// `1:05:09` since the scenario's start.
fn clock_face(wall: Duration) -> String {
    let seconds = wall.as_secs();
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_face_has_hours_minutes_and_seconds() {
        assert_eq!(clock_face(Duration::from_secs(3909)), "1:05:09");
        assert_eq!(clock_face(Duration::from_millis(59_999)), "0:00:59");
        assert_eq!(clock_face(Duration::from_secs(26 * 3600)), "26:00:00");
    }
}
