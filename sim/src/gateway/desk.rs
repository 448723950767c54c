//! The gateway before its functions, whichever clock they run on: a request comes in, and its answer goes out.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::{Request, Response};
use service::rng::Rng;

use super::{Answer, Arrival, Gateway, Invocation, Outcome, Step};
use crate::{
    clock::RunClock,
    lambda::{
        ids::{trace_id, uuid},
        invoke::{Invoke, Invoked, MOST_EVENT},
        scaling::EnvironmentId,
    },
};

/// Where an answer is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whence {
    /// The environment of the function.
    pub environment: EnvironmentId,
    /// As [`Invoked::number`].
    pub number: Option<u64>,
}

/// Hears of each request that is answered.
pub type Answered = Arc<dyn Fn(&Answer) + Send + Sync>;

/// A gateway with what is behind it.
pub struct Desk {
    gateway: Mutex<Gateway>,
    behind: Behind,
}

/// What is behind a gateway.
pub struct Behind {
    /// What runs the functions.
    pub lambda: Arc<dyn Invoke>,
    /// The place of each function in Lambda, by logical id.
    pub functions: BTreeMap<String, usize>,
    /// The run's clock.
    pub clock: RunClock,
    /// Where ids come from.
    pub rng: Arc<dyn Rng>,
    /// Hears of each request that is answered.
    pub answered: Answered,
}

impl Desk {
    /// A gateway with what is behind it.
    #[must_use]
    pub fn new(gateway: Gateway, behind: Behind) -> Self {
        Self {
            gateway: Mutex::new(gateway),
            behind,
        }
    }

    /// The stage that paths begin with.
    #[must_use]
    pub fn stage(&self) -> String {
        self.gateway().stage().to_owned()
    }

    /// Answers a request whose path begins with the stage; with where the answer is from, when a function gave it.
    pub async fn exchange(
        &self,
        request: Request<Bytes>,
        source_ip: String,
    ) -> (Response<Bytes>, Option<Whence>) {
        let Behind { clock, rng, .. } = &self.behind;
        let now_ms = clock.now_ms();
        let arrival = Arrival {
            now_ms,
            source_ip,
            request_id: uuid(&**rng),
            extended_request_id: extended_id(&**rng),
            trace_id: trace_id(&**rng, now_ms / 1000),
        };
        let step = self.gateway().receive(&request, arrival);
        let (answer, whence) = match step {
            Step::Answer(answer) => (answer, None),
            Step::Invoke(invocation) => self.invoke(*invocation).await,
        };
        (self.behind.answered)(&answer);
        (answer.response, whence)
    }

    async fn invoke(&self, mut invocation: Invocation) -> (Answer, Option<Whence>) {
        let Behind {
            lambda,
            functions,
            clock,
            rng,
            ..
        } = &self.behind;
        let payload = Bytes::from(std::mem::take(&mut invocation.payload));
        let (outcome, whence) = match functions.get(&invocation.function) {
            _ if payload.len() > MOST_EVENT => (Outcome::TooLarge, None),
            None => (Outcome::Unavailable, None),
            Some(function) => {
                let trace_id = trace_id(&**rng, clock.now_ms() / 1000);
                let invoked = lambda.invoke(*function, payload, trace_id);
                match tokio::time::timeout(invocation.timeout, invoked).await {
                    Err(_) => (Outcome::TimedOut, None),
                    Ok(Err(_)) => (Outcome::Throttled, None),
                    Ok(Ok(Invoked {
                        outcome,
                        environment,
                        number,
                    })) => {
                        let given = if outcome.failure.is_some() {
                            Outcome::FunctionError(outcome.payload)
                        } else {
                            Outcome::Payload(outcome.payload)
                        };
                        (given, Some(Whence { environment, number }))
                    }
                }
            }
        };
        let answer = self.gateway().finish(invocation, outcome, clock.now_ms());
        (answer, whence)
    }

    fn gateway(&self) -> MutexGuard<'_, Gateway> {
        self.gateway.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In the form of `x-amz-apigw-id`: 15 letters and digits, and `=`.
fn extended_id(rng: &dyn Rng) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
    let letters = (0..15).map(|place| char::from(LETTERS[(bits >> (6 * place)) as usize & 63]));
    letters.chain(['=']).collect()
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk")
            .field("behind", &self.behind)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behind")
            .field("lambda", &self.lambda)
            .field("functions", &self.functions)
            .finish_non_exhaustive()
    }
}
