//! `gzip.*`: bytes on the wire against plain bytes.

use super::statistics::share;
use crate::judge::evidence::Lens;

pub(super) fn value(name: &str, lens: &Lens<'_>) -> Option<f64> {
    let encoded = lens.tally.encoded_200;
    match name {
        "saved" => share(encoded.wire, encoded.plain).map(|sent| 1.0 - sent),
        "share" => share(encoded.answers, lens.tally.status(200)),
        _ => None,
    }
}
