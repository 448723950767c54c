//! Everything that happened in a run: events come in, are aggregated at once, and are read by judge and reports.

pub mod event;

mod admissions;
pub(crate) mod answers;
mod chunks;
mod emf;
mod links;
mod prices;
mod recorder;
mod recording;
mod requests;
mod served;
mod spelling;
mod store_totals;
mod timing;
mod upstream;

pub use admissions::AdmissionRecord;
pub use chunks::Chunks;
pub use emf::{EmfTotals, WaitRecord};
pub use prices::{PriceLedger, PublicationCheck, StoredWrite};
pub use recorder::Recorder;
pub use recording::{LoadEnd, LogRecord, ProcessUsage, Recording, RecordingBytes, RecordingSetup, UpdateEnd};
pub use requests::{CacheClaim, Flags, NONE, NoAnswer, RequestRecord, Route, Tier};
pub use store_totals::{StoreLog, StoreTotals};
pub use timing::{Buckets, Timing};
pub use upstream::{CallRecord, HolderKind, LeaseLog, Tenure};
