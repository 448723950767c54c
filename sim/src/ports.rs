//! Ports of our own.

use std::{
    io,
    net::{SocketAddrV4, TcpListener},
};

/// Tries to get a free port by its number.
const TRIES: u32 = 16;

/// A port that stays ours while nobody listens on it; with port 0 any free one. Linux gives up a port that was not asked
/// for by its number when listening ends, so a free one is found first and then asked for.
///
/// # Errors
/// The port is taken, or there is none.
pub fn lasting(address: SocketAddrV4) -> io::Result<TcpListener> {
    let mut tries = 0;
    loop {
        tries += 1;
        let port = match address.port() {
            0 => TcpListener::bind(address)?.local_addr()?.port(),
            asked => asked,
        };
        match TcpListener::bind((*address.ip(), port)) {
            // Somebody was faster.
            Err(_) if address.port() == 0 && tries < TRIES => {}
            bound => return bound,
        }
    }
}
