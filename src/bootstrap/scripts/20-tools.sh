#!/bin/bash
# Phase tools: Docker, kind, kubectl and clusterctl, each in its configured version.
set -euo pipefail
. "${CSE_ROOT:-/opt/cse}/lib.sh"
begin_phase

machine=$(uname -m)
case $machine in
  x86_64) arch=amd64 ;;
  aarch64) arch=arm64 ;;
  *) die "the VM template is for $machine; x86_64 or aarch64 is needed" ;;
esac

# not_what_was_asked_for <url> <file>: it must not stay, or no later run could succeed.
not_what_was_asked_for() {
  rm -f "$2"
  die "the answer of $(mirrored "$1") is no program for $machine; check proxy, mirror and version"
}

# tool <name> <url> <arguments that show the version...>
tool() {
  local name=$1 url=$2
  shift 2
  fetch "$url" "$CSE_ROOT/downloads/$name"
  doing "installing $name"
  install -D -m 0755 "$CSE_ROOT/downloads/$name" "$CSE_ROOT/bin/$name"
  "$name" "$@" || not_what_was_asked_for "$url" "$CSE_ROOT/downloads/$name"
}

# The MTU of overlay networks is often below 1500; containers must not send larger packets.
docker_config() {
  local device mtu
  device=$(ip -4 route show default | awk '{for (i = 1; i < NF; i++) if ($i == "dev") {print $(i + 1); exit}}')
  mtu=$(cat "/sys/class/net/$device/mtu" 2>/dev/null || true)
  if [[ ! $mtu =~ ^[0-9]+$ ]]; then
    mtu=1500
  fi
  mkdir -p "$CSE_SYSTEM/etc/docker"
  cat >"$CSE_SYSTEM/etc/docker/daemon.json" <<JSON
{
  "bip": "172.17.0.1/24",
  "default-address-pools": [{"base": "172.18.0.0/20", "size": 24}],
  "log-driver": "json-file",
  "log-opts": {"max-size": "20m", "max-file": "2"},
  "mtu": $mtu
}
JSON
}

# unit_value <text>: inside a quoted word of a unit file, where \, " and % mean something.
unit_value() {
  local text=${1//\\/\\\\}
  text=${text//\"/\\\"}
  printf '%s' "${text//%/%%}"
}

docker_proxy() {
  if [[ -z $CSE_HTTP_PROXY && -z $CSE_HTTPS_PROXY ]]; then
    return 0
  fi
  mkdir -p "$CSE_SYSTEM/etc/systemd/system/docker.service.d"
  {
    printf '[Service]\n'
    printf 'Environment="HTTP_PROXY=%s" "HTTPS_PROXY=%s" "NO_PROXY=%s"\n' \
      "$(unit_value "$CSE_HTTP_PROXY")" "$(unit_value "$CSE_HTTPS_PROXY")" "$(unit_value "$CSE_NO_PROXY")"
  } >"$CSE_SYSTEM/etc/systemd/system/docker.service.d/http-proxy.conf"
}

docker_unit() {
  mkdir -p "$CSE_SYSTEM/etc/systemd/system"
  cat >"$CSE_SYSTEM"/etc/systemd/system/docker.service <<'UNIT'
[Unit]
Description=Docker for the bootstrap of a cluster
After=network-online.target
Wants=network-online.target

[Service]
Type=notify
Environment=PATH=/opt/cse/docker:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ExecStart=/opt/cse/docker/dockerd
Restart=always
RestartSec=5
LimitNOFILE=1048576
Delegate=yes
KillMode=process

[Install]
WantedBy=multi-user.target
UNIT
}

# The VM is made from a node image, but never becomes a node: its own kubelet and containerd would
# only stand in the way.
install_docker() {
  doing "installing Docker"
  systemctl disable --now kubelet.service containerd.service >/dev/null 2>&1 || true
  docker_config
  docker_proxy
  if [[ -z $CSE_DOCKER_VERSION ]] && command -v dockerd >/dev/null; then
    log "the VM template brings Docker"
  else
    local version=${CSE_DOCKER_VERSION:-$CSE_DOCKER_DEFAULT_VERSION} url
    url=https://download.docker.com/linux/static/stable/$machine/docker-${version#v}.tgz
    fetch "$url" "$CSE_ROOT/downloads/docker.tgz"
    mkdir -p "$CSE_ROOT/docker" "$CSE_ROOT/bin"
    tar --extract --gzip --file "$CSE_ROOT/downloads/docker.tgz" --directory "$CSE_ROOT/docker" --strip-components=1 ||
      not_what_was_asked_for "$url" "$CSE_ROOT/downloads/docker.tgz"
    ln -sf "$CSE_ROOT/docker/docker" "$CSE_ROOT/bin/docker"
    docker_unit
  fi
  doing "starting Docker"
  systemctl daemon-reload
  systemctl enable docker.service
  systemctl restart docker.service
  doing "waiting for Docker"
  retry 12 5 docker info >/dev/null || die "Docker does not start in the bootstrap VM; see the log"
}

install_docker
tool kind "https://github.com/kubernetes-sigs/kind/releases/download/$CSE_KIND_VERSION/kind-linux-$arch" version
tool kubectl "https://dl.k8s.io/release/$CSE_KUBECTL_VERSION/bin/linux/$arch/kubectl" version --client
tool clusterctl "https://github.com/kubernetes-sigs/cluster-api/releases/download/$CSE_CLUSTERCTL_VERSION/clusterctl-linux-$arch" version --output short
