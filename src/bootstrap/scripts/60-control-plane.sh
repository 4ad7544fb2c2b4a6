#!/bin/bash
# Phase control-plane: until the first node of the new cluster serves the API.
set -euo pipefail
. "${CSE_ROOT:-/opt/cse}/lib.sh"
begin_phase

# A failure that Cluster API calls final does not heal by waiting.
check_final_failure() {
  local failure
  failure=$(management get cluster "$CSE_CLUSTER" --output jsonpath='{.status.failureMessage}' 2>/dev/null || true)
  if [[ -n $failure ]]; then
    die "Cluster API gave up: $failure"
  fi
}

doing "creating load balancer and control plane"
until management wait --for=condition=ControlPlaneInitialized "cluster/$CSE_CLUSTER" --timeout=30s; do
  check_final_failure
  doing "waiting for the control plane: $(not_ready management vcdclusters,kubeadmcontrolplanes,machines)"
  sleep 5
done

management get cluster "$CSE_CLUSTER" --output jsonpath='{.spec.controlPlaneEndpoint.host}' >"$CSE_STATE/endpoint"
export_proxy
management get secret "$CSE_CLUSTER-kubeconfig" --output jsonpath='{.data.value}' | base64 --decode >"$WORKLOAD.part"
mv "$WORKLOAD.part" "$WORKLOAD"

# The API answers inside the cluster before it does so through the load balancer.
until workload get --raw /readyz >/dev/null 2>&1; do
  doing "waiting for the API at $(<"$CSE_STATE/endpoint"), which the bootstrap VM must be able to reach"
  sleep 10
done
