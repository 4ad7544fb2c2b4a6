#!/bin/bash
# Phase control-plane: until the first node of the new cluster serves the API.
set -euo pipefail
. "${CSE_ROOT:-/opt/cse}/lib.sh"
begin_phase
ensure_management

# A failure that Cluster API calls final does not heal by waiting.
check_final_failure() {
  local failure
  failure=$(management get cluster "$CSE_CLUSTER" --output jsonpath='{.status.failureMessage}' 2>/dev/null || true)
  if [[ -n $failure ]]; then
    die "Cluster API gave up: $failure"
  fi
}

save_endpoint() {
  management get cluster "$CSE_CLUSTER" --output jsonpath='{.spec.controlPlaneEndpoint.host}' >"$CSE_STATE/endpoint" &&
    [[ -s $CSE_STATE/endpoint ]]
}

save_kubeconfig() {
  local encoded
  encoded=$(management get secret "$CSE_CLUSTER-kubeconfig" --output jsonpath='{.data.value}') || return 1
  [[ -n $encoded ]] && base64 --decode <<<"$encoded" >"$WORKLOAD.part" && mv "$WORKLOAD.part" "$WORKLOAD"
}

doing "creating load balancer and control plane"
until management wait --for=condition=ControlPlaneInitialized "cluster/$CSE_CLUSTER" --timeout=30s; do
  check_final_failure
  doing "waiting for the control plane: $(not_ready management vcdclusters,kubeadmcontrolplanes,machines)"
  sleep 5
done

retry 6 10 save_endpoint || die "Cluster API does not tell the address of the new cluster's API; see the log"
export_proxy
retry 6 10 save_kubeconfig || die "Cluster API has made no kubeconfig for the new cluster; see the log"

# The API answers inside the cluster before it does so through the load balancer.
until workload get --raw /readyz >/dev/null; do
  doing "waiting for the API at $(<"$CSE_STATE/endpoint"), which the bootstrap VM must be able to reach"
  sleep 10
done
