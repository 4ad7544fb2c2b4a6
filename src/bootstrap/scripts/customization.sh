#!/bin/bash
# Guest customization of a bootstrap VM: cloud-init takes its user data from the VM's guestinfo.
# VCD runs this before and after it sets up the network; twice does no harm.
set -eu
mkdir -p /etc/cloud/cloud.cfg.d
cat >/etc/cloud/cloud.cfg.d/98-cse-vmware-datasource.cfg <<'CFG'
datasource_list: [VMware]
CFG
