//! vApps, VMs, templates and queries answer as VCD does; guests and controllers do as real ones.

mod balancers;
mod day_two;
mod guest;
mod lifecycle;
mod reads;
mod refusals;
mod seed;
