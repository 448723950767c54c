//! The service from outside: through its router, and as the processes that ship.

mod bad_input;
mod lambda;
mod prices;
mod processes;
mod quota;
mod support;
