//! Everything that happened in a run: events come in, are aggregated as they settle, and what was counted is read by
//! judge and reports. No request is kept.
//!
//! | file | owns |
//! |---|---|
//! | `event` | the closed list of what can happen |
//! | `recorder`, `intake` | the way of an event into the recording |
//! | `witness` | whoever watches beside it |
//! | `unsettled` | what waits until all that bears on it is known |
//! | `requests` | a request while it waits |
//! | `answers`, `prices`, `served`, `spelling` | whether an answer was true and complete, and where it came from |
//! | `links` | which admission and which reads belong to which request, by the instants (real time) |
//! | `traces`, `knowledge` | what a request did at the store, and what its instance knew (virtual time) |
//! | `limiter`, `refusals` | the reference limiter: what the rate limit owes to each request, and whether `Retry-After` is true |
//! | `views`, `tally`, `spread`, `series` | what is counted, by what the judge will ask about |
//! | `timing` | wall and real time of a run, and its buckets |
//! | `recording`, `setup` | what is left at the end, and what is known before |
//! | `lambda_totals`, `alarms` | invocations of functions; the alarms, and when they changed |
//! | `upstream`, `store_totals`, `emf` | calls to CoinGecko and leases, requests to the store, what the service says |

pub mod event;

mod alarms;
mod answers;
mod emf;
mod intake;
mod knowledge;
mod lambda_totals;
mod limiter;
mod links;
mod prices;
mod recorder;
mod recording;
mod refusals;
mod requests;
mod series;
mod served;
mod setup;
mod spelling;
mod spread;
mod store_totals;
mod tally;
mod timing;
mod traces;
mod unsettled;
mod upstream;
mod views;
mod witness;

pub use alarms::{AlarmChange, AlarmLog};
pub use emf::EmfTotals;
pub use lambda_totals::{LambdaLog, LambdaTotals};
pub use limiter::Class;
pub use prices::{PriceLedger, PublicationCheck, StoredWrite};
pub use recorder::Recorder;
pub use recording::{LoadEnd, LogRecord, ProcessUsage, Recording, RecordingBytes, UpdateEnd};
pub use requests::{CacheClaim, NoAnswer, Tier};
pub use series::RequestSeries;
pub use setup::RecordingSetup;
pub use spread::Spread;
pub use store_totals::{StoreLog, StoreTotals};
pub use tally::{Encoded, Share, Tally, Tiers};
pub use timing::{Buckets, Timing};
pub use upstream::{CallRecord, HolderKind, LeaseLog, Tenure};
pub use views::{Tallies, View};
pub use witness::Witness;
