#!/bin/bash
# Phase addons: network, cloud provider and storage driver of the new cluster.
set -euo pipefail
. "${CSE_ROOT:-/opt/cse}/lib.sh"
begin_phase

readonly CPI=https://raw.githubusercontent.com/vmware/cloud-provider-for-cloud-director
readonly CSI=https://raw.githubusercontent.com/vmware/cloud-director-named-disk-csi-driver
readonly ANTREA=https://github.com/antrea-io/antrea/releases/download

fetch_cni() {
  fetch_manifest "$ANTREA/$CSE_CNI_VERSION/antrea.yml" "$MANIFESTS/cni/antrea.yaml"
}

fetch_cpi() {
  from_artifact "cpi-crs-airgapped:$CSE_CPI_VERSION" "$MANIFESTS/cpi" ||
    fetch_manifest "$CPI/${CSE_CPI_VERSION#v}/manifests/cloud-director-ccm-crs.yaml" "$MANIFESTS/cpi/ccm.yaml"
}

fetch_csi() {
  local file
  if from_artifact "csi-crs-airgapped:$CSE_CSI_VERSION" "$MANIFESTS/csi"; then
    return
  fi
  for file in csi-driver csi-controller-crs csi-node-crs; do
    fetch_manifest "$CSI/${CSE_CSI_VERSION#v}/manifests/$file.yaml" "$MANIFESTS/csi/$file.yaml"
  done
}

# install_addon <name>
install_addon() {
  local file
  doing "installing $1"
  while IFS= read -r -d '' file; do
    use_registry "$file"
    apply_to workload "$file" || die "$1 could not be installed in the new cluster; see the log"
  done < <(find "$MANIFESTS/$1" -type f -name '*.y*ml*' ! -name '*.part' -print0 | sort --zero-terminated)
}

doing "writing credentials and settings of the add-ons"
apply_to workload "$CSE_ROOT/workload.yaml" || die "settings could not be written to the new cluster; see the log"
fetch_cni
fetch_cpi
fetch_csi
# The cloud provider runs on the host's network and takes the taint off the nodes; the rest waits for it.
install_addon cpi
install_addon cni
install_addon csi
doing "waiting for the cloud provider"
workload rollout status --namespace kube-system deployment/vmware-cloud-director-ccm --timeout=600s ||
  die "the cloud provider does not start in the new cluster; see the log"
doing "waiting for the first node to be ready"
retry 20 15 workload wait nodes --all --for=condition=Ready --timeout=15s ||
  die "the first control plane node does not get ready: $(workload get nodes --output jsonpath='{range .items[*].status.conditions[?(@.type=="Ready")]}{.message}{end}' | tr '\n' ' ')"
