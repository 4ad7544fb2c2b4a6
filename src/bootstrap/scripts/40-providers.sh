#!/bin/bash
# Phase providers: Cluster API and CAPVCD in the temporary cluster.
set -euo pipefail
. "${CSE_ROOT:-/opt/cse}/lib.sh"
begin_phase
ensure_management

readonly CAPI=https://github.com/kubernetes-sigs/cluster-api/releases/download
readonly CAPVCD=https://github.com/vmware/cluster-api-provider-cloud-director/releases/download
readonly CERT_MANAGER=https://github.com/cert-manager/cert-manager/releases/download

# component <directory> <release URL> <version> <file>: clusterctl wants <directory>/<version>/<file>
# and, beside it, the provider's metadata.
component() {
  fetch_manifest "$2/$3/$4" "$REPOSITORY/$1/$3/$4"
  fetch_manifest "$2/$3/metadata.yaml" "$REPOSITORY/$1/$3/metadata.yaml"
}

# A local repository needs neither GitHub's API, which limits calls, nor a token.
fill_repository() {
  local capvcd=$REPOSITORY/infrastructure-vcd/$CSE_CAPVCD_VERSION
  component cluster-api "$CAPI" "$CSE_CORE_VERSION" core-components.yaml
  component bootstrap-kubeadm "$CAPI" "$CSE_BOOTSTRAP_VERSION" bootstrap-components.yaml
  component control-plane-kubeadm "$CAPI" "$CSE_CONTROL_PLANE_VERSION" control-plane-components.yaml
  if [[ ! -s $capvcd/infrastructure-components.yaml || ! -s $capvcd/metadata.yaml ]]; then
    from_artifact "capvcd-manifest-airgapped:$CSE_CAPVCD_VERSION" "$capvcd" ||
      component infrastructure-vcd "$CAPVCD" "$CSE_CAPVCD_VERSION" infrastructure-components.yaml
  fi
  fetch_manifest "$CERT_MANAGER/$CSE_CERT_MANAGER_VERSION/cert-manager.yaml" \
    "$REPOSITORY/cert-manager/$CSE_CERT_MANAGER_VERSION/cert-manager.yaml"
}

# registry_is_complete: whether every controller can come from the private registry.
registry_is_complete() {
  local image
  if [[ $CSE_PRIVATE_REGISTRY != 1 ]]; then
    return 1
  fi
  for image in "cluster-api/cluster-api-controller:$CSE_CORE_VERSION" \
    "cluster-api/kubeadm-bootstrap-controller:$CSE_BOOTSTRAP_VERSION" \
    "cluster-api/kubeadm-control-plane-controller:$CSE_CONTROL_PLANE_VERSION" \
    "jetstack/cert-manager-controller:$CSE_CERT_MANAGER_VERSION" \
    "jetstack/cert-manager-cainjector:$CSE_CERT_MANAGER_VERSION" \
    "jetstack/cert-manager-webhook:$CSE_CERT_MANAGER_VERSION" \
    "vmware-cloud-director/cluster-api-provider-cloud-director:$CSE_CAPVCD_VERSION"; do
    if ! has_image "$CSE_REGISTRY/$image"; then
      log "the registry has no $image; the controllers come from the public registries"
      return 1
    fi
  done
}

choose_config() {
  if [[ -e $CSE_ROOT/clusterctl-override.yaml ]]; then
    cp "$CSE_ROOT/clusterctl-override.yaml" "$CSE_STATE/clusterctl.yaml"
    return
  fi
  fill_repository
  if registry_is_complete; then
    cp "$CSE_ROOT/clusterctl-registry.yaml" "$CSE_STATE/clusterctl.yaml"
  else
    cp "$CSE_ROOT/clusterctl.yaml" "$CSE_STATE/clusterctl.yaml"
  fi
}

choose_config
doing "installing Cluster API in the temporary cluster"
retry 3 20 init_providers "$MANAGEMENT" ||
  die "Cluster API could not be installed in the temporary cluster; see the log"
proxy_for_capvcd "$MANAGEMENT"
