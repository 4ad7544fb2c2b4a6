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

readonly NAME=cse-bootstrap

# clusters_in <management|workload>: 1 or 0; fails if that cannot be told, which is not the same as 0.
clusters_in() {
  if [[ $1 == management ]] && ! grep -qx "$NAME" <<<"$(kind get clusters 2>/dev/null)"; then
    printf 0
    return
  fi
  "$1" get clusters --field-selector "metadata.name=$CSE_CLUSTER" --output name | wc -l
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

move() {
  clusterctl move --kubeconfig "$MANAGEMENT" --to-kubeconfig "$WORKLOAD" \
    --namespace "$CSE_NAMESPACE" --config "$CSE_STATE/clusterctl.yaml"
}

# The new cluster must own everything and be at work before the temporary one may go.
check_moved() {
  local paused here there
  there=$(clusters_in workload) || return 1
  here=$(clusters_in management) || return 1
  paused=$(workload get cluster "$CSE_CLUSTER" --output jsonpath='{.spec.paused}') || return 1
  ((there == 1 && here == 0)) && [[ $paused != true ]]
}

export EXP_CLUSTER_RESOURCE_SET=true CLUSTERCTL_DISABLE_VERSIONCHECK=true
if [[ -n $CSE_GITHUB_TOKEN ]]; then
  export GITHUB_TOKEN=$CSE_GITHUB_TOKEN
fi
doing "installing Cluster API in the new cluster"
retry 3 20 init_providers "$WORKLOAD" || die "Cluster API could not be installed in the new cluster; see the log"
proxy_for_capvcd "$WORKLOAD"

here=$(clusters_in management) || die "the temporary cluster does not say whether it still owns the Cluster API objects"
if ((here == 1)); then
  stop_capvcd_here
  doing "moving the Cluster API objects"
  retry 3 30 move || die "the Cluster API objects could not be moved into the new cluster; see the log"
fi
doing "checking that the new cluster manages itself"
retry 6 10 check_moved || die "after the move the new cluster does not own its Cluster API objects; see the log"
# It owns nothing any more, and goes with the VM at the latest.
kind delete cluster --name "$NAME" || log "the temporary cluster could not be deleted"
