//! The two mounts of the router: sockets and the Lambda runtime API.

use std::{future::IntoFuture, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::serve::ListenerExt;
use futures_util::future;
use lambda_http::RequestExt;
use tokio::{net::TcpListener, sync::oneshot, time::sleep};
use tower::ServiceExt;

use super::{ServeError, deadline, signal::Stop};
use crate::{
    App,
    http::{Deadline, RequestId, router},
};

/// How long a stopping server waits for requests in flight; none takes that long.
const GRACE: Duration = Duration::from_secs(10);

/// Serves HTTP/1.1 on `listen` until told to stop; requests in flight are finished.
pub(super) async fn plain(app: Arc<App>, listen: SocketAddr) -> Result<(), ServeError> {
    let mut stop = Stop::listen()?;
    let cannot = |source| ServeError::Listen {
        address: listen,
        source,
    };
    let listener = TcpListener::bind(listen).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    // Answers are single small writes: waiting to fill a packet only adds latency.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    tracing::info!(event = "listening", addr = %address, "listening on http://{address}");
    let (stopping, stopped) = oneshot::channel();
    let server = axum::serve(listener, router(app)).with_graceful_shutdown(async move {
        stop.asked().await;
        tracing::info!(event = "stopping", "finishing the requests in flight");
        let _ = stopping.send(());
    });
    let patience = async {
        // An error means that the server ended by itself; then this is never asked again.
        let _ = stopped.await;
        sleep(GRACE).await;
    };
    match future::select(pin!(server.into_future()), pin!(patience)).await {
        future::Either::Left((ended, _)) => ended.map_err(ServeError::Server),
        future::Either::Right(_) => {
            tracing::warn!(event = "stopping", "gave up on requests that did not end");
            Ok(())
        }
    }
}

/// Serves REST proxy events from the Lambda runtime API.
pub(super) async fn lambda(app: Arc<App>) -> Result<(), ServeError> {
    let mount = router(app).map_request(|mut request: lambda_http::Request| {
        if let Some(context) = request.lambda_context_ref() {
            let (id, deadline) = (context.request_id.as_str().into(), deadline(context));
            request.extensions_mut().insert(RequestId(id));
            request.extensions_mut().insert(Deadline(deadline));
        }
        request
    });
    lambda_http::run(mount)
        .await
        .map_err(|error| ServeError::Lambda(error.to_string()))
}
