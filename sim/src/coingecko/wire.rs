//! What happens to the bytes of an answer and to the connection that carries them.
//!
//! The engine decides it; who carries its answers plays it: the TCP front on sockets, the upstream seam in virtual
//! time. Where no connection comes about there is no call: who carries calls asks [`super::Engine::unreachable`] first.

use std::time::Duration;

use scenarios::format::fault::Cut;

/// What becomes of the bytes of one answer, once its delay is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wire {
    /// They are sent as they are.
    #[default]
    Whole,
    /// The head at once, the body at this speed, without bursts.
    Drip {
        /// Body bytes per real second, at least 1.
        bytes_per_second: u64,
    },
    /// The head and so much of the body, then the connection is closed. The head promises the whole:
    /// by `Content-Length` ([`Cut::Length`]), or by chunks of which the last never comes ([`Cut::Chunked`]).
    Cut {
        /// By which promise; never [`Cut::Json`], which is complete as HTTP.
        how: Cut,
        /// Body bytes that are sent, fewer than there are.
        after: usize,
    },
    /// Nothing: the connection is closed in order (FIN).
    Close,
    /// Nothing: the connection is reset (RST).
    Reset,
}

/// Why no connection comes about. It hits all connections alike, since nobody knows yet what will be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// Nobody listens: connecting is refused at once.
    Refuse,
    /// Packets vanish: connecting ends only when the caller gives up.
    Blackhole,
    /// The first packets are lost, so that connecting takes at least so long, real time. Linux sends again
    /// each second at first (before 6.5: after 1, 3 and 7 seconds), so it takes whole seconds in fact.
    Slow(Duration),
}
