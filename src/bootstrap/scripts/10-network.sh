#!/bin/bash
# Phase network: trust, proxy, and whether everything that is needed can be reached.
set -euo pipefail
. "${CSE_ROOT:-/opt/cse}/lib.sh"
begin_phase

install_trust() {
  local certificate
  doing "installing certificates"
  for certificate in "$CSE_ROOT"/ca/*.crt; do
    if [[ -e $certificate ]]; then
      install -D -m 0644 "$certificate" "$CSE_SYSTEM/usr/local/share/ca-certificates/cse-${certificate##*/}"
    fi
  done
  update-ca-certificates
}

# The container networks of this VM are 172.17.0.0/16 and 172.18.0.0/16.
check_own_address() {
  local addresses
  doing "looking at the addresses of the bootstrap VM"
  addresses=$(ip -4 -oneline address show scope global | grep -v -E ' (docker0|br-[0-9a-f]+) ' | awk '{print $4}' || true)
  log "addresses: ${addresses//$'\n'/ }"
  if [[ -z $addresses ]]; then
    die "the bootstrap VM has no IPv4 address; the network needs a static IP pool with free addresses"
  fi
  if grep -q -E '^172\.1[78]\.' <<<"$addresses"; then
    die "the cluster's network lies in 172.17.0.0/16 or 172.18.0.0/16, which the bootstrap VM uses for its containers; choose another network"
  fi
}

# explain <curl's exit code>
explain() {
  case $1 in
    5) printf 'the name of the proxy is not known; check proxyConfig and DNS' ;;
    6) printf 'its name is not known; check the DNS servers of the network' ;;
    7) printf 'the connection was refused or there is no route; check firewall and gateway' ;;
    28) printf 'no answer in time; check firewall, SNAT, gateway and MTU' ;;
    35 | 60) printf 'its certificate is not trusted; add the CA to certificateAuthorities of the server configuration' ;;
    52 | 56) printf 'the connection was cut; check the proxy and the user name and password for it' ;;
    *) printf 'curl ended with code %s' "$1" ;;
  esac
}

# probe <url>: any HTTP answer will do.
probe() {
  curl --silent --show-error --globoff --output /dev/null --connect-timeout 15 --max-time 30 -- "$1"
}

# need <what> <url>
need() {
  doing "checking whether $1 can be reached"
  retry 4 10 probe "$2" ||
    die "$1 cannot be reached from the cluster's network ($2): $(explain $?)"
}

install_trust
check_own_address
# shellcheck disable=SC2153 # from the environment file
need "VMware Cloud Director" "$CSE_SITE/api/versions"
if [[ $CSE_PRIVATE_REGISTRY == 1 ]]; then
  need "the container registry" "https://${CSE_REGISTRY%%/*}/v2/"
else
  for host in registry-1.docker.io registry.k8s.io quay.io; do
    need "the registry $host" "https://$host/v2/"
  done
fi
if [[ -n $CSE_MIRROR ]]; then
  need "the download mirror" "$CSE_MIRROR/"
else
  for host in github.com raw.githubusercontent.com dl.k8s.io download.docker.com; do
    need "$host" "https://$host/"
  done
fi
