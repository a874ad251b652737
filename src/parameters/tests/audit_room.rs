//! Calls wait while the reader of the audit stream falls behind.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::parameters::testing::Harness;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn reads_wait_for_room_in_the_audit_stream() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(1);
    harness.store.state().is_audit_congested = true;
    let reading = harness.read("shop", &names);
    sleep(4 * SECOND).await;
    assert_eq!(harness.store.calls().len(), 0, "its record might find no room");
    assert!(timeout(SECOND, harness.second_reader()).await.is_err(), "STS is asked all the same");
    harness.store.state().is_audit_congested = false;
    assert_eq!(reading.await.expect("the read ends").values.len(), 1);
}
