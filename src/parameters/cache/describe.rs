//! Descriptions of parameters by `DescribeParameters`, up to fifty a call.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use crate::domain::{
    audit::ObjectRef,
    aws_error::{AwsError, AwsErrorKind},
    schedule::decide::Purpose,
};
use crate::parameters::{
    audited_client::AuditedClient,
    cache::{
        description_queue::{Batch, Description},
        shared::Shared,
    },
    port::{ParameterApi, ParameterDescription},
    quota::priority::Priority,
    retry::{Attempts, Retry},
};

/// How long to wait for more names before a call.
const BATCH_WINDOW: Duration = Duration::from_millis(50);

/// Most pages of the description of fifty names, in case they never end.
const MOST_PAGES: usize = 50;

/// Describes what is waited for, for as long as it is polled.
pub(crate) async fn run<A: ParameterApi>(shared: Arc<Shared<A>>) {
    loop {
        while shared.descriptions().is_empty() {
            shared.description_wanted.notified().await;
        }
        sleep(BATCH_WINDOW).await;
        let batch = shared.descriptions().take();
        if !batch.names.is_empty() {
            describe_batch(&shared, batch).await;
        }
    }
}

async fn describe_batch<A: ParameterApi>(shared: &Shared<A>, batch: Batch) {
    let mut attempts = Attempts::new(Instant::now());
    let objects: Vec<_> = batch.objects.iter().map(|object| object.with_purpose(Purpose::KeyState)).collect();
    let described = loop {
        let error = match describe(&shared.client, &batch.names, Priority::New, &objects).await {
            Ok(descriptions) => break Ok(descriptions),
            Err(error) => error,
        };
        match attempts.failed(error.kind, Instant::now()) {
            Retry::After(delay) => sleep(delay).await,
            Retry::GiveUp => break Err(Arc::new(error)),
        }
    };
    let own_name = |description: ParameterDescription| {
        let name = shared.scope.own_name(&description.arn)?.to_owned();
        Some((name, Arc::new(description)))
    };
    let described: Result<HashMap<_, _>, _> = described.map(|all| all.into_iter().filter_map(own_name).collect());
    batch.answer(|name| -> Description { Ok(described.as_ref().map_err(Arc::clone)?.get(name).cloned()) });
}

/// Describes parameters of the own account and region.
///
/// # Errors
/// The error of the call.
pub(crate) async fn describe<A: ParameterApi>(
    client: &Arc<AuditedClient<A>>,
    own_names: &[String],
    priority: Priority,
    objects: &[ObjectRef],
) -> Result<Vec<ParameterDescription>, AwsError> {
    let (mut descriptions, mut next_token) = (Vec::new(), None);
    if own_names.is_empty() {
        return Ok(descriptions);
    }
    // A page may be empty although more follow.
    for _ in 0..MOST_PAGES {
        let page = client.describe_parameters(own_names, next_token.as_deref(), priority, objects.to_vec()).await?;
        descriptions.extend(page.descriptions);
        next_token = page.next_token;
        if next_token.is_none() || descriptions.len() >= own_names.len() {
            return Ok(descriptions);
        }
    }
    // What was not described yet is not absent.
    Err(AwsError {
        kind: AwsErrorKind::ServiceUnavailable,
        code: None,
        message: format!("DescribeParameters does not end after {MOST_PAGES} pages"),
        request_id: None,
    })
}
