#!/bin/bash
# Phase kind: the temporary management cluster.
set -euo pipefail
. "${CSE_ROOT:-/opt/cse}/lib.sh"
begin_phase

# All networks of this VM stay in the two documented ranges.
kind_config() {
  cat >"$CSE_STATE/kind.yaml" <<'YAML'
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
networking:
  podSubnet: 172.17.128.0/17
  serviceSubnet: 172.18.128.0/17
nodes:
- role: control-plane
  extraMounts:
  - hostPath: /etc/ssl/certs/ca-certificates.crt
    containerPath: /etc/ssl/certs/ca-certificates.crt
    readOnly: true
YAML
}

# node_image: from the private registry if it is there, else from the public one.
node_image() {
  local private=$CSE_REGISTRY/kindest/node:$CSE_KIND_NODE_VERSION
  if [[ $CSE_PRIVATE_REGISTRY == 1 ]] && has_image "$private"; then
    printf '%s' "$private"
  else
    printf 'kindest/node:%s' "$CSE_KIND_NODE_VERSION"
  fi
}

is_running() {
  grep -qx "$KIND_NAME" <<<"$(kind get clusters)" && management_answers
}

create() {
  kind delete cluster --name "$KIND_NAME" || true
  kind create cluster --name "$KIND_NAME" --image "$1" --kubeconfig "$MANAGEMENT" \
    --config "$CSE_STATE/kind.yaml" --wait 5m
}

doing "looking for a temporary cluster"
if is_running; then
  log "the temporary cluster runs already"
  exit 0
fi
# Controllers watch many files; the limits of a node image are too low for a cluster in a container.
sysctl -w fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512
kind_config
image=$(node_image)
doing "pulling $image"
retry 4 15 docker pull --quiet "$image" || die "the image $image cannot be pulled; see the log"
doing "creating the temporary cluster"
retry 2 10 create "$image" || die "kind could not create the temporary cluster; see the log"
