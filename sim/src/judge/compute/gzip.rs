//! `gzip.*`: bytes on the wire against plain bytes.

use super::statistics::share;
use crate::{judge::evidence::Lens, record::Flags};

pub(super) fn value(name: &str, lens: &Lens<'_>) -> Option<f64> {
    let answers = || {
        lens.requests()
            .map(|(request, _)| request)
            .filter(|request| request.status == 200)
    };
    let encoded = || answers().filter(|request| request.flags.has(Flags::GZIP));
    match name {
        "saved" => {
            let wire: u64 = encoded().map(|request| u64::from(request.wire_bytes)).sum();
            let plain: u64 = encoded().map(|request| u64::from(request.plain_bytes)).sum();
            share(wire, plain).map(|sent| 1.0 - sent)
        }
        "share" => share(encoded().count() as u64, answers().count() as u64),
        _ => None,
    }
}
