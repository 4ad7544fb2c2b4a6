#!/bin/bash
# Common to the runner and the phases of a cluster's bootstrap. Sourced, never run.
#
# Everything that differs between clusters is in $CSE_ROOT/env, written with single quotes; no name
# of a tenant ever stands in a script. Secrets are never printed and never on a command line.
set -euo pipefail

CSE_ROOT=${CSE_ROOT:-/opt/cse}
CSE_STATE=${CSE_STATE:-/var/lib/cse}
CSE_LOG=${CSE_LOG:-/var/log/cse-bootstrap.log}
# Before the directories of the system; empty but in a rehearsal.
CSE_SYSTEM=${CSE_SYSTEM:-}
# Where programs are looked for after our own; narrower in a rehearsal.
CSE_PATH=${CSE_PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}
KIND_NAME=cse-bootstrap
MANAGEMENT=$CSE_STATE/kind.conf
WORKLOAD=$CSE_STATE/workload.conf
REPOSITORY=$CSE_ROOT/repository
MANIFESTS=$CSE_ROOT/manifests

# shellcheck source=/dev/null
. "$CSE_ROOT/env"

umask 077
mkdir -p "$CSE_STATE" "$REPOSITORY" "$MANIFESTS"
export HOME=${HOME:-/root}
export PATH=$CSE_ROOT/bin:$CSE_PATH

log() {
  TZ=UTC0 printf '%(%Y-%m-%dT%H:%M:%SZ)T %s\n' -1 "$*"
}

# doing <text>: what goes on right now; becomes part of the reason if the time runs out.
doing() {
  printf '%s\n' "$*" >"$CSE_STATE/doing"
  log "$*"
}

# die <text>: ends the phase with a reason for the tenant.
die() {
  printf '%s\n' "$*" >"$CSE_STATE/reason"
  log "failed: $*"
  exit 1
}

# begin_phase: errors that no one foresaw leave a reason too. BASH_COMMAND is the text as written in
# the script, before any variable is filled in, so it holds no secret.
begin_phase() {
  set -E
  trap 'unforeseen "$LINENO" "$BASH_COMMAND"' ERR
}

unforeseen() {
  local what=""
  if [[ -e $CSE_STATE/reason ]]; then
    return
  fi
  if [[ -e $CSE_STATE/doing ]]; then
    what=" while $(<"$CSE_STATE/doing")"
  fi
  printf '%s failed (line %s of %s)%s\n' "$2" "$1" "${BASH_SOURCE[1]##*/}" "$what" >"$CSE_STATE/reason"
}

# retry <attempts> <pause in s> <command...>: ends with the code of the last attempt.
retry() {
  local attempts=$1 pause=$2 try code
  shift 2
  for ((try = 1; ; try++)); do
    code=0
    "$@" || code=$?
    if ((code == 0 || try >= attempts)); then
      return "$code"
    fi
    # Apart from what the command itself says, which may be wanted.
    log "attempt $try of $attempts failed: $1; next in $pause s" >&2
    sleep "$pause"
  done
}

# mirrored <url>: the URL to load from, on the mirror if there is one.
mirrored() {
  if [[ -n $CSE_MIRROR ]]; then
    printf '%s/%s' "$CSE_MIRROR" "${1#*://}"
  else
    printf '%s' "$1"
  fi
}

# fetch <url> <file>: loads a file once; a partial file never gets the final name.
fetch() {
  local url file=$2
  url=$(mirrored "$1")
  if [[ -s $file ]]; then
    return 0
  fi
  doing "downloading $url"
  mkdir -p "${file%/*}"
  retry 4 10 curl --fail --silent --show-error --location --globoff --connect-timeout 20 --max-time 600 \
    --output "$file.part" -- "$url" || die "cannot download $url; see the log for the cause"
  mv "$file.part" "$file"
}

# fetch_manifest <url> <file>: a login page in between answers with a file, too, and must not stay.
fetch_manifest() {
  fetch "$1" "$2"
  if ! grep -q '^apiVersion:' "$2"; then
    rm -f "$2"
    die "the answer of $(mirrored "$1") is no Kubernetes manifest; check proxy and mirror"
  fi
}

# export_proxy: proxies in both spellings, for every tool that looks for them.
export_proxy() {
  if [[ -z $CSE_HTTP_PROXY && -z $CSE_HTTPS_PROXY ]]; then
    return 0
  fi
  export HTTP_PROXY=$CSE_HTTP_PROXY http_proxy=$CSE_HTTP_PROXY
  export HTTPS_PROXY=$CSE_HTTPS_PROXY https_proxy=$CSE_HTTPS_PROXY
  export NO_PROXY=$CSE_NO_PROXY no_proxy=$CSE_NO_PROXY
  # The API of the new cluster is in the tenant's network: never through a proxy.
  if [[ -s $CSE_STATE/endpoint ]]; then
    NO_PROXY=$NO_PROXY,$(<"$CSE_STATE/endpoint")
    no_proxy=$NO_PROXY
  fi
}
export_proxy

# management, workload <kubectl arguments...>: one of the two clusters, in the cluster's namespace.
management() {
  kubectl --kubeconfig "$MANAGEMENT" --namespace "$CSE_NAMESPACE" "$@"
}

workload() {
  kubectl --kubeconfig "$WORKLOAD" --namespace "$CSE_NAMESPACE" "$@"
}

# management_answers: whether the temporary cluster's API is up; if not, the log says why.
management_answers() {
  kubectl --kubeconfig "$MANAGEMENT" get --raw /readyz >/dev/null
}

# ensure_management: Docker does not start the temporary cluster again after a restart of the VM.
ensure_management() {
  doing "looking for the temporary cluster"
  if management_answers; then
    return 0
  fi
  doing "starting the temporary cluster again"
  retry 12 5 docker start "$KIND_NAME-control-plane" ||
    die "the temporary cluster cannot be started again; see the log"
  retry 36 5 management_answers || die "the temporary cluster does not come up again; see the log"
}

# apply_to <management|workload> <file>: declares the objects of a file, as often as wanted.
apply_to() {
  retry 6 15 "$1" apply --server-side --force-conflicts --field-manager=cse-server -f "$2"
}

# not_ready <management|workload> <resource...>: what the conditions of objects complain about.
not_ready() {
  local where=$1
  shift
  "$where" get "$@" --output jsonpath='{range .items[*]}{.metadata.name}{range .status.conditions[?(@.status=="False")]}{" "}{.type}{": "}{.reason}{" "}{.message}{end}{"; "}{end}' \
    2>/dev/null | tr -d '\n' | cut -c 1-300 || true
}

# has_image <reference>: whether a registry has an image.
has_image() {
  docker manifest inspect "$1" >/dev/null 2>&1
}

# from_artifact <name:version> <directory>: the manifests that a private registry carries as an image
# without content but files, as the vendor's air-gap procedure makes them.
from_artifact() {
  local image=$CSE_REGISTRY/vmware-cloud-director/$1 container
  if [[ $CSE_PRIVATE_REGISTRY != 1 ]] || ! docker pull --quiet "$image" 2>/dev/null; then
    return 1
  fi
  mkdir -p "$2"
  # Called in conditions, where an error does not end the script: each step says so itself.
  container=$(docker create "$image" none) || return 1
  docker cp "$container:/src/artifact/." "$2" || return 1
  docker rm "$container" >/dev/null || true
  find "$2" -type f -name '*.yaml*' -exec \
    sed -i -e "s#__REGISTRY__#$CSE_REGISTRY/vmware-cloud-director#g" -e "s#__VERSION__#${1##*:}#g" {} +
}

# images_of <file>: every image a manifest names.
images_of() {
  sed -n -E 's/^[[:space:]]*(- )?image:[[:space:]]*"?([^"[:space:]]+)"?.*$/\2/p' "$1" | sort -u
}

# replace_image <file> <image> <new image>: whole names only, one may be the beginning of another.
replace_image() {
  awk -v from="$2" -v to="$3" '
    match($0, /^[[:space:]]*(- )?image:[[:space:]]*"?/) {
      rest = substr($0, RLENGTH + 1)
      name = rest
      sub(/["[:space:]].*/, "", name)
      if (name == from) $0 = substr($0, 1, RLENGTH) to substr(rest, length(name) + 1)
    }
    {print}' "$1" >"$CSE_STATE/manifest.part"
  mv "$CSE_STATE/manifest.part" "$1"
}

# use_registry <file>: images come from the private registry as far as it has them, under the path
# they have in public; the old Kubernetes registry no longer exists.
use_registry() {
  local image path
  sed -i 's#k8s\.gcr\.io/#registry.k8s.io/#' "$1"
  if [[ $CSE_PRIVATE_REGISTRY != 1 ]]; then
    return 0
  fi
  while IFS= read -r image; do
    path=
    case $image in
      # From an artifact: some are there as named, some under the path they have in public.
      "$CSE_REGISTRY/vmware-cloud-director/"*)
        if has_image "$image"; then
          continue
        fi
        path=${image#"$CSE_REGISTRY/vmware-cloud-director/"}
        ;;
      *.*/* | *:*/*) path=${image#*/} ;;
      *) path=$image ;;
    esac
    if has_image "$CSE_REGISTRY/$path"; then
      replace_image "$1" "$image" "$CSE_REGISTRY/$path"
    fi
  done < <(images_of "$1")
}

# has_provider <kubeconfig> <type/name>
has_provider() {
  local providers
  providers=$(kubectl --kubeconfig "$1" get providers.clusterctl.cluster.x-k8s.io --all-namespaces \
    --output jsonpath='{range .items[*]}{.type}/{.providerName}{"\n"}{end}' 2>/dev/null) || return 1
  grep -qx "$2" <<<"$providers"
}

# cluster_api <clusterctl arguments...>: GitHub's token is in the environment of this program alone.
cluster_api() (
  export EXP_CLUSTER_RESOURCE_SET=true CLUSTERCTL_DISABLE_VERSIONCHECK=true
  if [[ -n $CSE_GITHUB_TOKEN ]]; then
    export GITHUB_TOKEN=$CSE_GITHUB_TOKEN
  fi
  exec clusterctl "$@"
)

# init_providers <kubeconfig>: installs what is missing; clusterctl refuses what is there already.
init_providers() {
  local missing=()
  has_provider "$1" CoreProvider/cluster-api || missing+=(--core "cluster-api:$CSE_CORE_VERSION")
  has_provider "$1" BootstrapProvider/kubeadm || missing+=(--bootstrap "kubeadm:$CSE_BOOTSTRAP_VERSION")
  has_provider "$1" ControlPlaneProvider/kubeadm || missing+=(--control-plane "kubeadm:$CSE_CONTROL_PLANE_VERSION")
  has_provider "$1" InfrastructureProvider/vcd || missing+=(--infrastructure "vcd:$CSE_CAPVCD_VERSION")
  if ((${#missing[@]} > 0)); then
    cluster_api init "${missing[@]}" --kubeconfig "$1" --config "$CSE_STATE/clusterctl.yaml" \
      --wait-providers --wait-provider-timeout 600 || return
  fi
  # An earlier run may have installed them and not waited.
  kubectl --kubeconfig "$1" wait deployment --all-namespaces --selector cluster.x-k8s.io/provider \
    --for=condition=Available --timeout=600s
}

# proxy_for_capvcd <kubeconfig>: CAPVCD reaches VCD like everything else here does.
proxy_for_capvcd() {
  if [[ -z $CSE_HTTP_PROXY && -z $CSE_HTTPS_PROXY ]]; then
    return 0
  fi
  doing "giving CAPVCD its proxies"
  retry 4 10 tell_proxies "$1" || die "CAPVCD could not be given its proxies; see the log"
  retry 2 10 kubectl --kubeconfig "$1" --namespace capvcd-system rollout status \
    deployment/capvcd-controller-manager --timeout=300s ||
    die "CAPVCD does not start again with its proxies; see the log"
}

# tell_proxies <kubeconfig>: on standard input, because a command line can be seen.
tell_proxies() {
  printf '%s\n' "HTTP_PROXY=$CSE_HTTP_PROXY" "HTTPS_PROXY=$CSE_HTTPS_PROXY" "NO_PROXY=$CSE_POD_NO_PROXY" |
    kubectl --kubeconfig "$1" --namespace capvcd-system set env deployment/capvcd-controller-manager -
}
