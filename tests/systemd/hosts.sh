# shellcheck shell=bash
# Machines for a test: real systemd as PID 1 with its own journal, mounts, processes and network, on an overlay of
# this machine's file system. No image, no network access, nothing left behind. Sourced by `run`.
#
# Needs root, cgroup v2 (mounted at the usual place or beside v1), iproute2, util-linux and systemd. What each
# function takes is said above it. All machines hang on one bridge, which is in a network namespace of its own, $NET,
# so that nothing of this machine's network is touched. $WORK is a directory for everything.

BRIDGE_ADDRESS=198.18.76.1
# Units that want hardware, or files that belong to this machine.
MASKED=(systemd-udevd.service systemd-udev-trigger.service systemd-udevd-kernel.socket systemd-udevd-control.socket
    systemd-sysctl.service systemd-modules-load.service systemd-timesyncd.service systemd-logind.service
    getty.target console-getty.service systemd-networkd.service sys-kernel-debug.mount sys-kernel-tracing.mount
    dev-hugepages.mount dev-mqueue.mount proc-sys-fs-binfmt_misc.automount proc-sys-fs-binfmt_misc.mount
    sys-fs-fuse-connections.mount systemd-remount-fs.service systemd-random-seed.service systemd-update-utmp.service
    systemd-binfmt.service e2scrub_reap.service)

# Why machines cannot be booted here; nothing if they can.
hosts_obstacle() {
    local missing=() tool
    [[ $(id -u) == 0 ]] || { echo "not root"; return; }
    for tool in ip nsenter unshare pivot_root mount setsid pgrep curl jq dpkg dpkg-deb; do
        command -v "$tool" > /dev/null || missing+=("$tool")
    done
    [[ -x /lib/systemd/systemd ]] || missing+=(systemd)
    [[ -x /lib/systemd/systemd-socket-proxyd ]] || missing+=(systemd-socket-proxyd)
    [[ ${#missing[@]} == 0 ]] || { echo "not installed: ${missing[*]}"; return; }
    cgroups > /dev/null || { echo "no cgroup v2"; return; }
    # Whether this sandbox lets us do what is needed, tried for real.
    unshare --mount --pid --fork --uts --ipc --cgroup --net true 2> /dev/null \
        || { echo "namespaces are not allowed"; return; }
    local try; try=$(mktemp -d)
    unshare --mount sh -c "mount -t tmpfs try '$try' && mkdir '$try/u' '$try/w' '$try/r' \
        && mount -t overlay try -o 'lowerdir=/,upperdir=$try/u,workdir=$try/w' '$try/r'" 2> /dev/null \
        || echo "an overlay of / is not allowed"
    rmdir "$try"
}

# Where cgroup v2 is mounted.
cgroups() {
    local place
    for place in /sys/fs/cgroup /sys/fs/cgroup/unified; do
        [[ -e $place/cgroup.procs && -e $place/cgroup.controllers ]] && { echo "$place"; return; }
    done
    return 1
}

hosts_network() {
    ip netns add "$NET"
    ip -n "$NET" link set lo up
    ip -n "$NET" link add br0 type bridge
    ip -n "$NET" addr add "$BRIDGE_ADDRESS/24" dev br0
    ip -n "$NET" link set br0 up
}

# host_create NAME NUMBER: its file system and network; it is not booted yet, files may be put into `host_root NAME`.
host_create() {
    local name=$1 number=$2 dir=$WORK/$1 root unit
    mkdir -p "$dir"
    mount -t tmpfs -o size=2g,mode=755 "$name" "$dir"
    mkdir "$dir/up" "$dir/work" "$dir/root"
    mount -t overlay "$name" -o "lowerdir=/,upperdir=$dir/up,workdir=$dir/work" "$dir/root"
    root=$dir/root
    tr -d - < /proc/sys/kernel/random/uuid > "$root/etc/machine-id"
    echo "$name" > "$root/etc/hostname"
    : > "$root/etc/fstab"
    rm -rf "$root"/etc/systemd/system/*.wants "$root"/etc/systemd/system/*.service
    # Only those of systemd itself: others look for services of this machine.
    find "$root/lib/systemd/system-generators" "$root/etc/systemd/system-generators" \
        ! -type d ! -name 'systemd-*' -delete 2> /dev/null || true
    mkdir -p "$root/etc/systemd/system/multi-user.target.wants" "$root/var/log/journal"
    for unit in "${MASKED[@]}"; do ln -sf /dev/null "$root/etc/systemd/system/$unit"; done
    # A container image often says that no package may start a service.
    rm -f "$root/usr/sbin/policy-rc.d"
    # Else every installation indexes all man pages of this machine.
    rm -f "$root/var/lib/man-db/auto-update"
    ip netns add "$NET-$name"
    ip -n "$NET" link add "v$number" type veth peer name eth0 netns "$NET-$name"
    ip -n "$NET" link set "v$number" master br0 up
    ip -n "$NET-$name" addr add "198.18.76.1$number/24" dev eth0
    ip -n "$NET-$name" link set lo up
    ip -n "$NET-$name" link set eth0 up
}

host_root() { echo "$WORK/$1/root"; }

# host_boot NAME: returns when systemd has started everything.
host_boot() {
    local name=$1 dir=$WORK/$1 group outer inner state=none
    group=$(cgroups)/$NET-$name
    mkdir -p "$group"
    cat > "$dir/init.sh" << EOF
set -e
cd '$dir/root'
mount --bind . .
cd '$dir/root'
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
# Else every boot of every machine has this machine's boot ID, and their journals cannot be told apart.
cat /proc/sys/kernel/random/uuid > '$dir/boot_id'
mount --bind '$dir/boot_id' proc/sys/kernel/random/boot_id
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755,size=4m tmpfs dev
for node in null zero full random urandom tty; do touch dev/\$node; mount --bind /dev/\$node dev/\$node; done
mkdir dev/pts dev/shm dev/mqueue
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs tmpfs dev/shm
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
touch dev/console
mount --bind /dev/null dev/console
mount -t tmpfs -o mode=755 tmpfs run
# At boot systemd cleans these up; here they are this machine's, with all that is in them.
for place in tmp var/tmp; do mount -t tmpfs -o mode=1777 tmpfs "\$place"; done
hostname '$name'
mkdir run/.old
pivot_root . run/.old
umount -l /run/.old
rmdir /run/.old
# Else credentials stay empty: systemd mounts them in a child and moves them here.
mount --make-rshared /
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb LANG=C.UTF-8 \
    /lib/systemd/systemd --system --unit=multi-user.target --log-target=journal --show-status=no
EOF
    # shellcheck disable=SC2016
    setsid bash -c 'echo $$ > "$1/cgroup.procs"; exec nsenter --net="/run/netns/$2" \
        unshare --mount --propagation private --pid --fork --kill-child=SIGKILL --uts --ipc --cgroup bash "$3"' \
        boot "$group" "$NET-$name" "$dir/init.sh" < /dev/null > "$WORK/$name.console" 2>&1 &
    outer=$!
    disown "$outer"
    echo "$outer" > "$dir/outer"
    for _ in {1..400}; do
        inner=$(pgrep -P "$outer" | head -n 1 || true)
        if [[ -n $inner ]]; then
            echo "$inner" > "$dir/pid"
            state=$(nsenter -t "$inner" -a systemctl is-system-running 2> /dev/null || true)
        fi
        case $state in running | degraded) return 0 ;; esac
        sleep 0.1
    done
    echo "$name does not boot ($state):" >&2
    cat "$WORK/$name.console" >&2
    return 1
}

# host_do NAME COMMAND...: runs it inside.
host_do() {
    local name=$1; shift
    nsenter -t "$(< "$WORK/$name/pid")" -a -- "$@"
}

# host_power_loss NAME: every process ends without another instruction. `host_boot` starts it again.
host_power_loss() {
    local outer; outer=$(< "$WORK/$1/outer")
    kill -KILL "$(< "$WORK/$1/pid")"
    for _ in {1..100}; do kill -0 "$outer" 2> /dev/null || return 0; sleep 0.05; done
}

# Ends and removes every machine, whatever state it is in, and the network.
hosts_remove() {
    local dir name group space
    for dir in "$WORK"/*/; do
        [[ -d $dir/root ]] || continue
        name=$(basename "$dir")
        if [[ -e $dir/outer ]]; then
            host_power_loss "$name" 2> /dev/null || true
            kill -KILL "$(< "$dir/outer")" 2> /dev/null || true
        fi
        for _ in {1..50}; do umount "$dir/root" 2> /dev/null && break; sleep 0.1; done
        umount "$dir" || umount -l "$dir" || true
        rmdir "$dir" || true
        group=$(cgroups)/$NET-$name
        for _ in {1..50}; do
            [[ -d $group ]] || break
            find "$group" -depth -type d -exec rmdir {} \; 2> /dev/null || true
            [[ -d $group ]] && sleep 0.1
        done
    done
    for space in $(ip netns list | awk '{print $1}' | grep "^$NET" || true); do ip netns del "$space"; done
}
