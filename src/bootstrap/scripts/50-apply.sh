#!/bin/bash
# Phase apply: the completed CAPI YAML goes into the temporary cluster.
set -euo pipefail
. "${CSE_ROOT:-/opt/cse}/lib.sh"
begin_phase
ensure_management

# Documents without a namespace belong into the cluster's.
declare_cluster() {
  kubectl apply --kubeconfig "$MANAGEMENT" --server-side --force-conflicts --field-manager=cse-server \
    -f "$CSE_ROOT/cluster.yaml" >"$CSE_STATE/apply.out" 2>&1
}

kubectl --kubeconfig "$MANAGEMENT" config set-context --current --namespace "$CSE_NAMESPACE"
doing "applying the cluster's documents"
if ! retry 6 15 declare_cluster; then
  cat "$CSE_STATE/apply.out"
  die "the cluster's documents were refused: $(grep -i -m 1 -E 'error|denied|invalid' "$CSE_STATE/apply.out" || tail -n 1 "$CSE_STATE/apply.out")"
fi
cat "$CSE_STATE/apply.out"
