//! Every rule can be broken: a history that keeps it, and one like it that does not.

use std::time::Duration;

use super::liveness::{Calm, Pace, too_long, unsettled};
use super::sample::{CLUSTER, Tale, claim, vapp, vm};
use super::{Invariant, Invariant as I};
use crate::clock::Moment;
use crate::sim::entities::look::{Look, Said};
use crate::sim::history::{Deed, MachineChange as M};

fn teardown(look: &mut Look) {
    claim(look, "one", "e=1;s=3;n=03;t=180;p=teardown;i=1;x=held");
}

fn said(name: &str, at: &str, resource: &str) -> Said {
    Said {
        name: name.to_owned(),
        at: at.to_owned(),
        resource: resource.to_owned(),
        ..Said::default()
    }
}

fn check(name: &str, tale: &Tale, want: &[Invariant]) {
    assert_eq!(tale.broken(), want, "{name}: {:#?}", tale.entries);
}

#[test]
fn i1_one_vm_of_an_incarnation_is_ever_powered_on() {
    let off = || Tale::bootstrapping().machine("", M::PoweredOff, vm("a", 1));
    let again = off().machine("one", M::PoweredOn, vm("a", 1));
    check("the same one again", &again, &[]);
    let other =
        off()
            .machine("one", M::Created, vm("b", 1))
            .machine("one", M::PoweredOn, vm("b", 1));
    check("another one", &other, &[I::I1]);
}

#[test]
fn i2_one_bootstrap_vm_is_on_at_any_time() {
    let second = |tale: Tale| {
        tale.machine("", M::Created, vm("b", 2))
            .machine("", M::PoweredOn, vm("b", 2))
    };
    let after = Tale::bootstrapping().machine("", M::PoweredOff, vm("a", 1));
    check("one after the other", &second(after), &[]);
    let deleted = Tale::bootstrapping().machine("", M::Deleted, vm("a", 1));
    check("the first is gone", &second(deleted), &[]);
    check("both", &second(Tale::bootstrapping()), &[I::I2]);
}

#[test]
fn i3_a_committed_vm_goes_only_after_the_intent_is_written() {
    let delete = |tale: Tale| tale.machine("one", M::Deleted, vm("a", 1));
    check(
        "after",
        &delete(Tale::bootstrapping().write("one", teardown)),
        &[],
    );
    check("before", &delete(Tale::bootstrapping()), &[I::I3]);
    let next = Tale::bootstrapping().write("one", |look| {
        claim(look, "one", "e=1;s=3;n=03;t=180;p=creating;i=2;x=held");
    });
    check("a later incarnation", &delete(next), &[]);
    let wish = Tale::bootstrapping().write("", teardown);
    check("somebody else wrote it", &delete(wish), &[I::I3]);
}

#[test]
fn i4_what_a_server_does_not_own_stays() {
    let write = |change: fn(&mut Look)| {
        Tale::bootstrapping().write("one", |look| {
            teardown(look);
            change(look);
        })
    };
    check("nothing", &write(|_| {}), &[]);
    check("spec", &write(|look| look.parts.spec = Some(9)), &[I::I4]);
    check("yaml", &write(|look| look.parts.capi_yaml = None), &[I::I4]);
    check("rest", &write(|look| look.parts.rest = Some(9)), &[I::I4]);
    check(
        "capvcd",
        &write(|look| look.parts.capvcd = Some(9)),
        &[I::I4],
    );
    let client = Tale::bootstrapping().write("", |look| look.parts.spec = Some(9));
    check("a client", &client, &[]);
    let forgets = client
        .write("", |look| look.parts.capvcd = Some(9))
        .write("one", |look| {
            teardown(look);
            look.parts.capvcd = None;
        });
    check("reports of an attempt that is over", &forgets, &[]);
}

#[test]
fn i5_nothing_with_its_marker_outlives_a_cluster() {
    let gone = |tale: Tale| {
        let entity = CLUSTER.to_owned();
        tale.tell("one", Deed::Gone { entity })
    };
    let empty = |tale: Tale| {
        tale.write("one", teardown)
            .machine("one", M::Deleted, vm("a", 1))
            .machine("one", M::Deleted, vapp("a", 1))
    };
    check("all gone", &gone(empty(Tale::bootstrapping())), &[]);
    check("too early", &gone(Tale::bootstrapping()), &[I::I5]);
    let late = gone(empty(Tale::bootstrapping())).machine("one", M::Created, vapp("b", 1));
    check("made afterwards", &late, &[I::I5]);
    let undone = late.machine("one", M::Deleted, vapp("b", 1));
    check("made afterwards, and undone", &undone, &[]);
    let by_hand = Tale::bootstrapping().tell(
        "",
        Deed::Gone {
            entity: CLUSTER.to_owned(),
        },
    );
    check("the tenant has removed it", &by_hand, &[]);
}

#[test]
fn i6_nothing_is_removed_or_adopted_that_is_not_the_clusters() {
    let strange = || {
        let mut machine = vm("x", 1);
        machine.marker.clear();
        machine.clusters.clear();
        machine.vapp = None;
        machine
    };
    let own = Tale::bootstrapping().item("one", "nat.deleted", &format!("dnat-{CLUSTER}"));
    check("its own", &own, &[]);
    let other = Tale::bootstrapping().item("one", "nat.deleted", "web");
    check("somebody's rule", &other, &[I::I6]);
    let vm = Tale::bootstrapping()
        .machine("", M::Created, strange())
        .machine("one", M::Deleted, strange());
    check("somebody's VM", &vm, &[I::I6]);
    let never = Tale::bootstrapping().item("two", "nat.deleted", &format!("dnat-{CLUSTER}"));
    check("a replica that never held it", &never, &[I::I6, I::I8]);
    let adopted = Tale::bootstrapping()
        .machine("", M::Created, strange())
        .write("one", |look| {
            teardown(look);
            look.committed.push(strange().id);
        });
    check("adopted", &adopted, &[I::I6]);
}

#[test]
fn i7_the_state_goes_along_allowed_edges() {
    // (from, what a client does, to, lawful)
    let rows: [(&str, fn(&mut Look), &str, bool); 7] = [
        ("provisioning", |_| {}, "provisioned", true),
        ("provisioning", |_| {}, "error", true),
        ("provisioned", |_| {}, "provisioning", false),
        ("provisioned", |_| {}, "error", false),
        ("provisioned", |_| {}, "deleting", false),
        ("provisioned", |look| look.marked = true, "deleting", true),
        ("strange", |_| {}, "provisioning", false),
    ];
    for (from, wish, to, lawful) in rows {
        let tale = Tale::bootstrapping()
            .write("", |look| {
                from.clone_into(&mut look.state);
                wish(look);
            })
            .write("one", |look| {
                teardown(look);
                to.clone_into(&mut look.state);
            });
        let want: &[Invariant] = if lawful { &[] } else { &[I::I7] };
        check(&format!("{from} to {to}"), &tale, want);
    }
}

#[test]
fn i8_no_effect_leaves_a_replica_that_may_not_act() {
    let act = |tale: Tale| tale.machine("one", M::Changed, vm("a", 1));
    check("in time", &act(Tale::bootstrapping().wait(90)), &[]);
    check("fenced", &act(Tale::bootstrapping().wait(91)), &[I::I8]);
    let released = Tale::bootstrapping()
        .write("one", |look| {
            claim(look, "one", "e=1;s=3;n=03;t=180;p=creating;i=1;x=released");
        })
        .wait(1);
    check("released", &act(released), &[I::I8]);
    let taken = || {
        Tale::bootstrapping().write("two", |look| {
            claim(look, "two", "e=2;s=1;n=04;t=180;p=creating;i=1;x=held");
        })
    };
    check("taken, and it cannot know", &act(taken().wait(2)), &[]);
    let seen = Deed::Seen {
        entity: CLUSTER.to_owned(),
        revision: 4,
    };
    check(
        "taken, and it knows",
        &act(taken().tell("one", seen).wait(2)),
        &[I::I8],
    );
    let replica = "one".to_owned();
    let stopping = Tale::bootstrapping().tell("", Deed::Stopping { replica });
    check("stops", &act(stopping.wait(40)), &[]);
    let replica = "one".to_owned();
    let stopping = Tale::bootstrapping().tell("", Deed::Stopping { replica });
    check("should have stopped", &act(stopping.wait(41)), &[I::I8]);
    let own = Tale::bootstrapping()
        .machine("one", M::Created, vm("b", 1))
        .wait(200)
        .machine("one", M::Deleted, vm("b", 1));
    check("its own and nobody's", &own, &[]);
    let back = Tale::bootstrapping().write("one", |look| {
        claim(look, "one", "e=1;s=1;n=05;t=180;p=creating;i=1;x=held");
    });
    check("a record goes back", &back, &[I::I8]);
}

#[test]
fn i9_and_i10_no_request_holds_a_secret() {
    let leak = |entity: &str| Deed::Leaked {
        secret: "API token",
        entity: entity.to_owned(),
        endpoint: "PUT /x".to_owned(),
    };
    check("none", &Tale::bootstrapping(), &[]);
    let of_cluster = Tale::bootstrapping().tell("one", leak(CLUSTER));
    check("of a cluster", &of_cluster, &[I::I9]);
    let elsewhere = Tale::bootstrapping().tell("one", leak(""));
    check("elsewhere", &elsewhere, &[I::I10]);
}

#[test]
fn i11_an_event_is_recorded_once() {
    let first = || {
        Tale::bootstrapping().write("one", |look| {
            claim(look, "one", "e=1;s=3;n=03;t=180;p=creating;i=1;x=held");
            look.sets.events = vec![said("Ready", "1", "vm")].into();
        })
    };
    let then = |more: Said| {
        first().write("one", |look| {
            claim(look, "one", "e=1;s=4;n=04;t=180;p=creating;i=1;x=held");
            look.sets.events = vec![said("Ready", "1", "vm"), more].into();
        })
    };
    check("another one", &then(said("Started", "2", "vm")), &[]);
    check("of another VM", &then(said("Ready", "2", "other")), &[]);
    check("again", &then(said("Ready", "2", "vm")), &[I::I11]);
    let lost = |by: &'static str, after: &'static str| {
        first()
            .write("one", |look| {
                claim(look, "one", "e=1;s=4;n=04;t=180;p=creating;i=1;x=held");
                look.sets.events = vec![said("Begun", "2", "")].into();
            })
            .write(by, |look| {
                claim(look, "one", "e=1;s=5;n=05;t=180;p=creating;i=1;x=held");
                look.sets.events = Vec::new().into();
            })
            .write("one", |look| {
                claim(look, "one", after);
                look.sets.events = vec![said("Begun", "3", "")].into();
            })
    };
    let same = "e=1;s=6;n=06;t=180;p=creating;i=1;x=held";
    let next = "e=1;s=6;n=06;t=180;p=creating;i=2;x=held";
    check("dropped, and again", &lost("one", same), &[I::I11]);
    check("erased by a client", &lost("", same), &[]);
    check("in the next attempt", &lost("one", next), &[]);
    let many = first().write("one", |look| {
        claim(look, "one", "e=1;s=4;n=04;t=180;p=creating;i=1;x=held");
        let events = (0..41).map(|at| said("E", &at.to_string(), ""));
        look.sets.events = events.collect::<Vec<_>>().into();
    });
    check("too many", &many, &[I::I11]);
}

fn calm(tale: &Tale) -> Calm {
    Calm {
        from: Moment::default(),
        until: tale.now(),
    }
}

fn late(tale: &Tale) -> Vec<Invariant> {
    let verdicts = too_long(tale.entries.iter(), calm(tale), Pace::default());
    verdicts.iter().map(|verdict| verdict.invariant).collect()
}

#[test]
fn l3_and_l4_claims_are_taken_in_time() {
    assert_eq!(late(&Tale::new().wait(600)), []);
    assert_eq!(late(&Tale::new().wait(601)), [I::L4]);
    let released = || {
        Tale::bootstrapping().write("one", |look| {
            claim(look, "one", "e=1;s=3;n=03;t=180;p=creating;i=1;x=released");
        })
    };
    assert_eq!(late(&released().wait(12)), []);
    assert_eq!(late(&released().wait(13)), [I::L3]);
    let taken = |after: u64| {
        released().wait(after).write("two", |look| {
            claim(look, "two", "e=2;s=1;n=04;t=180;p=creating;i=1;x=held");
        })
    };
    assert_eq!(late(&taken(12).wait(60)), []);
    assert_eq!(late(&taken(13).wait(60)), [I::L3]);
    assert_eq!(late(&Tale::bootstrapping().wait(278)), []);
    assert_eq!(late(&Tale::bootstrapping().wait(279)), [I::L3]);
    let foreign = Tale::bootstrapping().wait(200).write("", |_| {}).wait(79);
    assert_eq!(late(&foreign), [I::L3], "a foreign write renews nothing");
}

#[test]
fn l1_every_cluster_comes_to_its_end_and_stays() {
    let ends = |state: &'static str, record: &'static str, named: bool| {
        Tale::bootstrapping().write("one", |look| {
            claim(look, "one", record);
            state.clone_into(&mut look.state);
            let errors = named.then(|| said("X", "1", ""));
            look.sets.errors = errors.into_iter().collect::<Vec<_>>().into();
        })
    };
    let done = "e=1;s=3;n=03;t=180;p=done;i=1;x=released";
    let going = "e=1;s=3;n=03;t=180;p=teardown;i=1;x=held";
    let rows = [
        ("provisioned", ends("provisioned", done, false), true),
        ("a named error", ends("error", done, true), true),
        ("an error without a name", ends("error", done, false), false),
        ("an attempt follows", ends("error", going, true), false),
        ("still at work", ends("provisioning", going, false), false),
    ];
    for (name, tale, good) in rows {
        let tale = tale.wait(100);
        let stays = |secs| unsettled(tale.entries.iter(), tale.now(), Duration::from_secs(secs));
        assert_eq!(stays(60).is_empty(), good, "{name}: {:?}", stays(60));
        assert!(
            !stays(101).is_empty(),
            "{name}: it came to its end just now"
        );
    }
}
