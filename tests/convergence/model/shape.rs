//! The shape of a state: renamed to its smallest numbers, and as words to be hashed.

use cse_server::domain::claim::{ClaimPhase, Hold};
use cse_server::domain::status::ClusterState;

use super::state::{
    Ask, Cluster, Doc, Effect, Guest, Mode, Purpose, Record, Replica, Request, State, Vapp, Vm,
    Write,
};

/// Numbers from 0 to 63 that get new names.
struct Names {
    /// New name by old number; 0 stays.
    new: [u8; 64],
    used: u8,
}

impl Names {
    fn new() -> Self {
        Self {
            new: [0; 64],
            used: 0,
        }
    }

    /// By first appearance.
    fn rename(&mut self, number: &mut u8) {
        if *number == 0 {
            return;
        }
        let slot = &mut self.new[usize::from(*number)];
        if *slot == 0 {
            self.used += 1;
            *slot = self.used;
        }
        *number = *slot;
    }

    fn note(&mut self, number: u8) {
        self.new[usize::from(number)] = u8::from(number != 0);
    }

    /// In the order of the old numbers.
    fn rank(&mut self) {
        for slot in &mut self.new {
            if *slot != 0 {
                self.used += 1;
                *slot = self.used;
            }
        }
    }

    fn of(&self, number: u8) -> u8 {
        self.new[usize::from(number)]
    }
}

/// The same state with the smallest numbers.
pub(crate) fn canonical(mut state: State) -> State {
    let mut names = Names::new();
    state.each_vapp(|id| names.note(*id));
    names.rank();
    state.each_vapp(|id| *id = names.of(*id));
    let mut names = Names::new();
    state.each_vm(|id| names.note(*id));
    names.rank();
    state.each_vm(|id| *id = names.of(*id));
    let mut names = Names::new();
    state.each_tag(|tag| names.rename(tag));
    let mut names = Names::new();
    state.each_record(|record| names.rename(&mut record.nonce));
    for replica in state.replicas.as_mut() {
        names.rename(&mut replica.sent);
    }
    state.requests.as_mut().sort_unstable_by_key(request_words);
    state
}

/// Bits put together, first come lowest.
struct Bits {
    word: u64,
    at: u32,
}

impl Bits {
    const fn new() -> Self {
        Self { word: 0, at: 0 }
    }

    fn put(mut self, value: u8, width: u32) -> Self {
        debug_assert!(u32::from(value) < 1 << width, "{value} in {width} bits");
        self.word |= u64::from(value) << self.at;
        self.at += width;
        debug_assert!(self.at <= 64, "a word is full");
        self
    }

    fn flag(self, value: bool) -> Self {
        self.put(u8::from(value), 1)
    }
}

pub(crate) const fn phase_code(phase: ClaimPhase) -> u8 {
    match phase {
        ClaimPhase::Pending => 1,
        ClaimPhase::Creating => 2,
        ClaimPhase::Done => 3,
        ClaimPhase::Teardown => 4,
        ClaimPhase::Deleting => 5,
    }
}

const fn hold_code(hold: Hold) -> u8 {
    match hold {
        Hold::Held => 0,
        Hold::Released => 1,
        Hold::Waiting => 2,
    }
}

pub(crate) const fn state_code(state: ClusterState) -> u8 {
    match state {
        ClusterState::Unclaimed => 1,
        ClusterState::Provisioning => 2,
        ClusterState::Provisioned => 3,
        ClusterState::Error => 4,
        ClusterState::Deleting => 5,
        ClusterState::Unknown => 6,
    }
}

/// 23 bits.
fn record_word(record: Option<Record>) -> u64 {
    let Some(record) = record else { return 0 };
    let bits = Bits::new().put(record.epoch, 4).put(record.seq, 5);
    let bits = bits.put(record.nonce, 5).put(phase_code(record.phase), 3);
    let bits = bits.put(record.incarnation, 3);
    bits.put(hold_code(record.hold), 2).word
}

/// What decisions depend on: everything but tag, holder and number of the record.
pub(crate) fn facts_word(doc: &Doc) -> u64 {
    let bits = Bits::new().flag(doc.exists).put(state_code(doc.state), 3);
    let bits = bits.flag(doc.marked).flag(doc.auto_repair).flag(doc.ready);
    let bits = bits.flag(doc.built).flag(doc.rollback_reported);
    let bits = bits.put(doc.failed_attempts, 3).put(doc.vapp, 4);
    let bits = bits.put(doc.vm, 4).put(doc.told_vm, 4);
    let (phase, incarnation, epoch) = doc.record.map_or((0, 0, 0), |record| {
        (phase_code(record.phase), record.incarnation, record.epoch)
    });
    bits.put(phase, 3).put(incarnation, 3).put(epoch, 4).word
}

fn doc_words(doc: &Doc) -> [u64; 2] {
    let rest = Bits::new().put(doc.tag, 5).put(doc.holder, 4).word;
    [facts_word(doc), record_word(doc.record) << 9 | rest]
}

/// Without what only the judge remembers.
pub(crate) fn vapp_word(vapp: &Vapp) -> u64 {
    let bits = Bits::new().put(vapp.id, 4).put(vapp.epoch, 4);
    bits.put(vapp.incarnation, 3).word
}

/// Without what only the judge remembers.
pub(crate) fn vm_word(vm: &Vm) -> u64 {
    let guest = match vm.guest {
        Guest::Unborn => 0,
        Guest::AtWork => 1,
        Guest::Succeeded => 2,
        Guest::Failed => 3,
    };
    let bits = Bits::new().put(vm.id, 4).put(vm.vapp, 4).put(vm.epoch, 4);
    bits.put(vm.incarnation, 3).flag(vm.on).put(guest, 2).word
}

pub(crate) fn cluster_word(cluster: &Cluster) -> u64 {
    let bits = Bits::new().put(cluster.id, 3).put(cluster.made, 3);
    bits.flag(cluster.complete).flag(cluster.witness).word
}

fn write_word(write: &Write) -> u64 {
    let option = |value: Option<u8>| value.map_or(0, |value| value + 1);
    let bits = Bits::new().put(write.phase.map_or(0, phase_code), 3);
    let bits = bits.put(option(write.incarnation), 4);
    let bits = bits.put(write.epoch_at_least, 4).flag(write.release);
    let bits = bits.flag(write.pause);
    let bits = bits.put(write.state.map_or(0, state_code), 3);
    let bits = bits.put(option(write.vapp), 4).put(option(write.vm), 4);
    let bits = bits.flag(write.ends_repair).flag(write.forgets_reports);
    let bits = bits.flag(write.clears_errors).put(write.failed_attempt, 3);
    let bits = bits.flag(write.reports_rollback);
    let bits = bits
        .flag(write.tells_of_building)
        .flag(write.tells_progress);
    bits.put(write.name, 5).put(write.condemns, 3).word
}

fn effect_code(effect: Effect) -> (u8, u8) {
    match effect {
        Effect::Compose => (0, 0),
        Effect::CreateVm(id) => (1, id),
        Effect::PowerOn(id) => (2, id),
        Effect::WriteWitness(id) => (3, id),
        Effect::UndeployVapp(id) => (4, id),
        Effect::DeleteVapp(id) => (5, id),
        Effect::UndeployVm(id) => (6, id),
        Effect::DeleteVm(id) => (7, id),
        Effect::RemoveCluster(id) => (8, id),
    }
}

fn request_words(request: &Request) -> [u64; 3] {
    let bits = Bits::new().put(request.sender, 2).flag(request.awaited);
    match &request.ask {
        Ask::Put(tag, doc) => {
            let [facts, rest] = doc_words(doc);
            [bits.put(1, 2).put(*tag, 5).word, facts, rest]
        }
        Ask::DeleteEntity(tag) => [bits.put(2, 2).put(*tag, 5).word, 0, 0],
        Ask::Effect(effect, epoch, incarnation) => {
            let (kind, id) = effect_code(*effect);
            let bits = bits.put(3, 2).put(kind, 4).put(id, 4);
            [bits.put(*epoch, 4).put(*incarnation, 3).word, 0, 0]
        }
    }
}

fn replica_words(replica: &Replica) -> [u64; 7] {
    let purpose = |purpose: &Purpose| match purpose {
        Purpose::Claim => (1, 0),
        Purpose::Change(write) => (2, write_word(write)),
        Purpose::Effect => (3, 0),
        Purpose::DeleteEntity => (4, 0),
        Purpose::Rollback(touched) => (5, u64::from(*touched)),
    };
    let (mode, (code, write)) = match &replica.mode {
        Mode::Dead => (0, (0, 0)),
        Mode::Idle => (1, (0, 0)),
        Mode::Holds => (2, (0, 0)),
        Mode::Waits(why) => (3, purpose(why)),
        Mode::Unclear(why) => (4, purpose(why)),
        Mode::Again(why) => (5, purpose(why)),
    };
    let bits = Bits::new()
        .put(mode, 3)
        .put(code, 3)
        .put(replica.identity, 4);
    let bits = bits.put(replica.predecessor, 4).put(replica.tag, 5);
    let bits = bits.put(replica.sent, 5).put(replica.composed, 4);
    let bits = bits.flag(replica.touched).put(replica.floor, 4);
    let bits = bits.put(replica.condemned, 3);
    let [facts, rest] = doc_words(&replica.document);
    let unanswered = replica.unanswered.as_slice().iter();
    let mut pending = [0; 2];
    for (at, record) in unanswered.enumerate() {
        pending[at % 2] = mixed(pending[at % 2], record_word(*record) + 1);
    }
    let known = record_word(replica.acknowledged);
    [bits.word, known, write, facts, rest, pending[0], pending[1]]
}

/// One more word into a hash.
pub(crate) fn mixed(hash: u64, word: u64) -> u64 {
    let mut x = word
        .wrapping_add(hash.rotate_left(23))
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 32;
    x = x.wrapping_mul(0xd6e8_feb8_6659_fd93);
    x ^ (x >> 29) ^ hash
}

/// 64 bits that stand for a state in its smallest numbers.
pub(crate) fn fingerprint(state: &State) -> u64 {
    let mut hash = 0x1234_5678_9abc_def1;
    let mut add = |word: u64| hash = mixed(hash, word);
    doc_words(&state.doc).into_iter().for_each(&mut add);
    if let Some(old) = &state.old {
        doc_words(old).into_iter().for_each(&mut add);
    }
    add(u64::MAX);
    for vapp in state.vapps.as_slice() {
        let judged = u64::from(vapp.ours) << 1 | u64::from(vapp.late);
        add(vapp_word(vapp) << 2 | judged);
    }
    add(u64::MAX);
    for vm in state.vms.as_slice() {
        let judged = u64::from(vm.was_committed) << 1 | u64::from(vm.has_run);
        add(vm_word(vm) << 2 | judged);
    }
    add(cluster_word(&state.cluster));
    for replica in state.replicas.as_slice() {
        replica_words(replica).into_iter().for_each(&mut add);
    }
    for request in state.requests.as_slice() {
        request_words(request).into_iter().for_each(&mut add);
    }
    let spent = state
        .spent
        .iter()
        .fold(0, |word, count| word << 4 | u64::from(*count));
    add(spent);
    let past = &state.past;
    let bits = Bits::new()
        .put(past.ran, 8)
        .put(past.over, 4)
        .flag(past.provisioned);
    let bits = bits
        .flag(past.deleting)
        .flag(past.rolled_back)
        .flag(past.marked);
    add(bits.flag(past.tenant_removed).put(state.identities, 4).word);
    hash
}
