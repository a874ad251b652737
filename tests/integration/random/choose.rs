//! Chooses the next step at random. Pure.

use std::collections::BTreeMap;

use super::{
    model::{DEFAULT, Model, Object, SECOND, Step, is_below_tree},
    rng::Rng,
};

/// Names of all objects.
const OBJECTS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
/// Names of all parameters. Those below `/shop/tree` are only read through the path, those that begin with `/shop/s` only
/// through the store `second`.
pub const PARAMETERS: [&str; 16] = [
    "/shop/p0",
    "/shop/p1",
    "/shop/p2",
    "/shop/p3",
    "/shop/p4",
    "/shop/p5",
    "/shop/p6",
    "/shop/p7",
    "/common/c0",
    "/common/c1",
    "/shop/s0",
    "/shop/s1",
    "/shop/tree/t0",
    "/shop/tree/t1",
    "/shop/tree/t2",
    "/shop/tree/t3",
];
/// How often the Secret of an object may be deleted. The operator repairs it three times a minute before it waits.
const DAMAGES: u32 = 2;

/// Longest life of an object that is deleted at once, in milliseconds.
const FLASH: u32 = 150;

/// The next step; `number` makes values distinct.
pub fn choose(model: &Model, rng: &mut Rng, number: usize) -> Step {
    loop {
        if let Some(step) = candidate(model, rng, number) {
            return step;
        }
    }
}

/// A step, or `None` if this kind of step is impossible now.
fn candidate(model: &Model, rng: &mut Rng, number: usize) -> Option<Step> {
    Some(match rng.below(100) {
        0..=3 => flash(rng, number),
        4..=19 => {
            let name = rng.pick(OBJECTS)?;
            Step::Apply(name.to_owned(), next_object(model, rng, name, number))
        }
        20..=27 => Step::Delete(rng.pick(model.objects.keys())?.clone()),
        28..=35 => Step::Recreate(rng.pick(model.objects.keys())?.clone()),
        36..=39 => {
            let few = model.objects.iter().filter(|(_, object)| object.damages < DAMAGES);
            Step::Damage(rng.pick(few)?.0.clone())
        }
        40..=62 => Step::Put(rng.pick(PARAMETERS)?.to_owned(), value(number)),
        63..=66 => Step::Remove(rng.pick(model.parameters.keys())?.clone()),
        67..=70 => Step::Replace(rng.pick(model.parameters.keys())?.clone(), value(number)),
        71..=75 => Step::Deny(rng.pick(PARAMETERS)?.to_owned(), true),
        76..=81 => Step::Deny(rng.pick(model.denied.iter())?.clone(), false),
        // Everything is granted more often than not.
        82..=86 => Step::Grant(!rng.one_in(4), !rng.one_in(4)),
        87..=90 => Step::Label(!rng.one_in(3)),
        91..=94 => Step::Store(!rng.one_in(3)),
        95..=96 if model.is_running => Step::Stop { kill: rng.one_in(3) },
        95.. if !model.is_running => Step::Start,
        _ => return None,
    })
}

/// An object that is deleted at once.
pub fn flash(rng: &mut Rng, number: usize) -> Step {
    let name = format!("flash-{number}");
    let object = Object { retains: false, ..any_object(rng, name.clone(), number) };
    Step::Flash(name, object, rng.below(FLASH))
}

fn value(number: usize) -> String {
    format!("value-{number}")
}

/// A new object of this name, or the present one with a change.
fn next_object(model: &Model, rng: &mut Rng, name: &str, number: usize) -> Object {
    let target = format!("{name}-{}", rng.below(3));
    let Some(object) = model.objects.get(name).cloned() else { return any_object(rng, target, number) };
    match rng.below(8) {
        0..=2 => Object { target, ..object },
        3 => Object { retains: !object.retains, ..object },
        4 => Object { is_suspended: !object.is_suspended, ..object },
        _ => Object { damages: object.damages, could_sync: object.could_sync, ..any_object(rng, target, number) },
    }
}

fn any_object(rng: &mut Rng, target: String, number: usize) -> Object {
    let store = if rng.one_in(4) { SECOND } else { DEFAULT };
    let has_path = store == DEFAULT && rng.one_in(3);
    let of_store = |name: &&str| !is_below_tree(name) && name.starts_with("/shop/s") == (store == SECOND);
    let pool: Vec<_> = PARAMETERS.into_iter().filter(of_store).collect();
    let mut names: BTreeMap<_, _> =
        (0..=rng.below(3)).filter_map(|_| Some((rng.pick(pool.iter().copied())?.to_owned(), rng.one_in(2)))).collect();
    // No other spec has this name, so that it is missed if it is watched for longer than this one.
    let only = if store == SECOND { "second" } else { "only" };
    names.insert(format!("/shop/{only}-{number}"), true);
    Object {
        store,
        names,
        has_path,
        target,
        retains: rng.one_in(4),
        is_suspended: false,
        damages: 0,
        could_sync: false,
    }
}
