//! Values that did not change are decrypted again now and then: whoever lost access learns of it.

use std::time::Duration;

use tokio::time::sleep;

use crate::parameters::{
    Known, Mode, Terms,
    testing::{Bench, needed, parameter_ref, subscriber},
};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Never looked at, but proven once a day.
const TERMS: Terms = Terms { interval: None, revalidate: Some(DAY), mode: Mode::Decrypt };

#[tokio::test(start_paused = true)]
async fn every_value_is_proven_once_an_interval_in_full_calls() {
    let bench = Bench::new(10).await;
    let names = bench.store.write_many(100);
    bench.watch_on("object", &names, TERMS, false);
    bench.read("shop", &names).await.expect("a reading");
    bench.store.calls();
    sleep(DAY * 85 / 100).await;
    assert!(bench.store.calls().is_empty(), "not before its time");
    sleep(DAY * 20 / 100).await;
    let calls = bench.store.calls();
    assert!(calls.iter().all(|call| call.decrypt));
    let asked: Vec<_> = calls.iter().flat_map(|call| &call.names).collect();
    assert_eq!(asked.len(), 100, "each once");
    assert!(calls.len() <= 20, "{} calls", calls.len());
    assert_eq!(bench.store.values_alive(), 0);
}

/// Nobody knows when it was proven last: some time within the interval, not all at once.
#[tokio::test(start_paused = true)]
async fn after_a_restart_proofs_are_spread() {
    let bench = Bench::new(10).await;
    let names = bench.store.write_many(200);
    bench.watch_on("object", &names, TERMS, false);
    for quarter in 0..4 {
        sleep(DAY / 4).await;
        let asked = bench.store.calls().iter().map(|call| call.names.len()).sum::<usize>();
        assert!((20..=80).contains(&asked), "{asked} in quarter {quarter}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_lost_access_is_told() {
    let mut bench = Bench::new(10).await;
    let names = bench.store.write_many(10);
    bench.watch_on("object", &names, TERMS, false);
    bench.watch_on("other", &names[..3], TERMS, false);
    bench.read("shop", &names).await.expect("a reading");
    bench.told();
    bench.store.state().bad_keys.insert("/0007".into());
    sleep(DAY + HOUR).await;
    assert_eq!(bench.told(), ["object"], "only those whom it concerns");
    let Known::Seen { errors, .. } = bench.reader.known(&needed(&names)) else { unreachable!("all were read") };
    assert_eq!(errors.keys().map(|parameter_ref| parameter_ref.name.as_str()).collect::<Vec<_>>(), ["/0007"]);
}

#[tokio::test(start_paused = true)]
async fn who_goes_takes_the_short_interval_along() {
    let bench = Bench::new(10).await;
    bench.store.write("/a");
    bench.watch_on("object", &[parameter_ref("/a")], TERMS, false);
    let often = Terms { revalidate: Some(Duration::from_secs(10)), ..TERMS };
    bench.watch_on("anxious", &[parameter_ref("/a")], often, false);
    sleep(HOUR).await;
    assert!(bench.store.calls().len() > 300);
    bench.reader.forget(&subscriber("anxious"));
    sleep(HOUR).await;
    assert!(bench.store.calls().len() <= 1, "what was planned, and then once a day");
}

/// That AWS is out of reach says nothing of access.
#[tokio::test(start_paused = true)]
async fn an_outage_is_no_loss_of_access() {
    let mut bench = Bench::new(10).await;
    bench.store.write("/a");
    bench.watch_on("object", &[parameter_ref("/a")], TERMS, false);
    bench.read("shop", &[parameter_ref("/a")]).await.expect("a reading");
    bench.told();
    bench.store.state().outage = true;
    sleep(2 * DAY).await;
    assert_eq!(bench.told(), Vec::<String>::new());
}
