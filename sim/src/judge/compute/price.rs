//! `price.*`: whether what was served was true.

use super::statistics::named;
use crate::{judge::evidence::Lens, record::Flags};

pub(super) fn value(name: &str, lens: &Lens<'_>) -> Option<f64> {
    let answers = || lens.requests().filter(|(request, _)| request.is_priced_answer());
    let flagged = |flag| answers().filter(|(request, _)| request.flags.has(flag)).count() as f64;
    let writes = lens.recording().prices.backwards_writes();
    let backwards_writes = || writes.iter().filter(|at| lens.real.contains(at)).count() as f64;
    // Without a sample there is no value, not even 0.
    answers().next()?;
    match name {
        "wrong" => Some(flagged(Flags::WRONG)),
        "missing" => Some(flagged(Flags::MISSING)),
        "backwards" => Some(flagged(Flags::BACKWARDS) + backwards_writes()),
        _ => {
            let errors = answers()
                .map(|(request, _)| f64::from(request.error_bp))
                .filter(|bp| !bp.is_nan());
            named(name.strip_prefix("error.")?, errors)
        }
    }
}
