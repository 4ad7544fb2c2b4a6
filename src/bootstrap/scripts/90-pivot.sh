#!/bin/bash
# Phase pivot: the Cluster API objects move into the new cluster, which from then on manages itself.
#
# At no time may two CAPVCD controllers work on one cluster: the one here is stopped first. Its
# webhooks go with it, because without the controller they would refuse every write of the move.
#
# Safe to run again after any interruption: what has moved is in the new cluster, what has not is
# still here, and the move goes on with the rest.
set -euo pipefail
. "${CSE_ROOT:-/opt/cse}/lib.sh"
begin_phase

# has_management: whether the temporary cluster is there. Fails if that cannot be told, which is not
# the same as no.
has_management() {
  kind get clusters >"$CSE_STATE/kind.clusters" || die "kind does not say whether the temporary cluster is there; see the log"
  grep -qx "$KIND_NAME" "$CSE_STATE/kind.clusters"
}

# count_in <management|workload> <resource>: how many of them; fails if that cannot be told.
count_in() {
  if [[ $1 == management && $here != 1 ]]; then
    printf 0
    return
  fi
  "$1" get "$2" --output name | wc -l
}

no_capvcd_here() {
  local pods
  pods=$(kubectl --kubeconfig "$MANAGEMENT" --namespace capvcd-system get pods --output name) || return 1
  [[ -z $pods ]]
}

stop_capvcd_here() {
  doing "stopping CAPVCD in the temporary cluster"
  retry 4 10 kubectl --kubeconfig "$MANAGEMENT" --namespace capvcd-system scale deployment --all --replicas=0 ||
    die "CAPVCD in the temporary cluster cannot be stopped; see the log"
  retry 60 3 no_capvcd_here || die "CAPVCD in the temporary cluster does not stop; see the log"
  retry 4 10 kubectl --kubeconfig "$MANAGEMENT" delete validatingwebhookconfigurations,mutatingwebhookconfigurations \
    --selector cluster.x-k8s.io/provider=infrastructure-vcd --ignore-not-found ||
    die "the webhooks of CAPVCD in the temporary cluster cannot be removed; see the log"
}

# move <further arguments...>: clusterctl move, from the temporary cluster into the new one.
move() {
  cluster_api move --kubeconfig "$MANAGEMENT" --to-kubeconfig "$WORKLOAD" \
    --namespace "$CSE_NAMESPACE" --config "$CSE_STATE/clusterctl.yaml" "$@"
}

# remember_machines: how many there are before any of them moves; they must all arrive.
remember_machines() {
  if [[ ! -s $CSE_STATE/machines ]]; then
    count_in management machines >"$CSE_STATE/machines.part" || return 1
    mv "$CSE_STATE/machines.part" "$CSE_STATE/machines"
  fi
}

# The new cluster must own everything and be at work before the temporary one may go.
check_moved() {
  local paused clusters machines left
  clusters=$(count_in workload clusters) || return 1
  machines=$(count_in workload machines) || return 1
  left=$(($(count_in management clusters) + $(count_in management machines))) || return 1
  paused=$(workload get cluster "$CSE_CLUSTER" --output jsonpath='{.spec.paused}') || return 1
  log "in the new cluster: $clusters cluster, $machines of $(<"$CSE_STATE/machines") machines, paused: ${paused:-false}; still here: $left"
  ((clusters == 1 && left == 0 && machines >= $(<"$CSE_STATE/machines"))) && [[ $paused != true ]]
}

here=0
doing "looking for the temporary cluster"
if has_management; then
  here=1
  ensure_management
  retry 4 10 remember_machines || die "the temporary cluster does not say which machines it has; see the log"
fi
doing "installing Cluster API in the new cluster"
retry 3 20 init_providers "$WORKLOAD" || die "Cluster API could not be installed in the new cluster; see the log"
proxy_for_capvcd "$WORKLOAD"

left=$(count_in management clusters) || die "the temporary cluster does not say whether it still owns the Cluster API objects"
if ((left > 0)); then
  doing "checking whether the Cluster API objects can be moved"
  retry 6 20 move --dry-run || die "the Cluster API objects cannot be moved into the new cluster; see the log"
  stop_capvcd_here
  doing "moving the Cluster API objects"
  retry 3 30 move || die "the Cluster API objects could not be moved into the new cluster; see the log"
fi
doing "checking that the new cluster manages itself"
retry 6 10 check_moved || die "after the move the new cluster does not own its Cluster API objects; see the log"
# It owns nothing any more, and goes with the VM at the latest.
if ((here == 1)); then
  kind delete cluster --name "$KIND_NAME" || log "the temporary cluster could not be deleted"
fi
