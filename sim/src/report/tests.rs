//! Snapshots of what people read, and the promises about what machines read.
