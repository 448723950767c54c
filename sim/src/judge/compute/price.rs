//! `price.*`: whether what was served was true.

use super::statistics::spread;
use crate::judge::evidence::Lens;

pub(super) fn value(name: &str, lens: &Lens<'_>) -> Option<f64> {
    let tally = lens.tally;
    // Without a sample there is no value, not even 0.
    if tally.priced == 0 {
        return None;
    }
    match name {
        "wrong" => Some(tally.wrong as f64),
        "missing" => Some(tally.missing as f64),
        "backwards" => {
            let writes = lens.recording().prices.backwards_writes();
            let written = writes.iter().filter(|at| lens.real.contains(at)).count();
            Some(tally.backwards as f64 + written as f64)
        }
        _ => spread(name.strip_prefix("error.")?, &tally.price_error),
    }
}
