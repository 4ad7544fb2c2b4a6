#!/bin/bash
# Phase workers: until every wanted node has joined and is ready.
set -euo pipefail
. "${CSE_ROOT:-/opt/cse}/lib.sh"
begin_phase
ensure_management

# behind: control plane and pools that have fewer ready nodes than they want, as "name ready/wanted".
behind() {
  management get kubeadmcontrolplanes,machinedeployments \
    --output jsonpath='{range .items[*]}{.metadata.name}|{.spec.replicas}|{.status.readyReplicas}{"\n"}{end}' |
    awk -F '|' '$2 + 0 > $3 + 0 {printf "%s %d/%d  ", $1, $3 + 0, $2}'
}

# unlinked: machines without a node.
unlinked() {
  management get machines --output jsonpath='{range .items[*]}{.metadata.name} {.status.nodeRef.name}{"\n"}{end}' |
    awk 'NF < 2 {printf "%s ", $1}'
}

workers() {
  workload get nodes --selector '!node-role.kubernetes.io/control-plane' --output name | wc -l
}

doing "waiting for all nodes"
while true; do
  # An API that does not answer for a moment is no reason to fail.
  lacking=$(behind) || lacking="the API of the temporary cluster does not answer"
  orphans=$(unlinked) || orphans=unknown
  if [[ -z $lacking && -z $orphans ]] && (($(workers) > 0)); then
    break
  fi
  doing "waiting for nodes: ${lacking:-all pools complete} $(not_ready management machines)"
  sleep 15
done
doing "waiting for all nodes to be ready"
until workload wait nodes --all --for=condition=Ready --timeout=60s; do
  sleep 5
done
