#!/bin/bash
# Phase finish: storage class, autoscaler, agent, and whether the cluster is as asked for.
set -euo pipefail
. "${CSE_ROOT:-/opt/cse}/lib.sh"
begin_phase

# apply_if_there <what> <file>
apply_if_there() {
  if [[ -e $2 ]]; then
    doing "applying $1"
    apply_to workload "$2" || die "$1 could not be applied to the new cluster; see the log"
  fi
}

# A Deployment since release 1.4 of the driver, a StatefulSet before.
csi_controller() {
  workload get --namespace kube-system deployment,statefulset --output name | awk '/\/csi-vcd-controllerplugin$/ && !n++ {print} END {exit !n}'
}

# Phases are lost in the move; the controllers in the new cluster find them again.
machines_run() {
  workload wait machines --all --for=jsonpath='{.status.phase}'=Running --timeout=20s
}

apply_if_there "the default storage class" "$CSE_ROOT/storage-class.yaml"
apply_if_there "further documents of the cluster" "$CSE_ROOT/workload-extra.yaml"
apply_if_there "the agent" "$CSE_ROOT/agent.yaml"
doing "waiting for the storage driver"
driver=$(retry 6 10 csi_controller) || die "the new cluster has no storage driver, though it was installed; see the log"
workload rollout status --namespace kube-system "$driver" --timeout=300s ||
  die "the storage driver does not start in the new cluster; see the log"
doing "waiting for CAPVCD in the new cluster"
workload rollout status --namespace capvcd-system deployment/capvcd-controller-manager --timeout=300s ||
  die "CAPVCD does not start in the new cluster; see the log"
doing "checking the machines"
retry 20 10 machines_run || die "not all machines run after the move: $(not_ready workload machines)"
