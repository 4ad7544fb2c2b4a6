#!/bin/sh
# Installs cse-server on a system without dpkg, from the directory this file is in; the same files at the same places
# as the Debian package. Run it as root, again for an upgrade.
#
#   ./install.sh             install or upgrade: configuration and token stay as they are
#   ./install.sh --remove    stop the service and remove everything but /etc/cse-server
set -eu
cd "$(dirname "$0")"
live() { [ -d /run/systemd/system ]; }

case ${1:-} in
    '')
        if [ -e /usr/bin/cse-server ]; then is_first=false; else is_first=true; fi
        find usr -type f | while read -r file; do
            # Beside, then renamed: a running program's file cannot be written to.
            mode=644
            if [ -x "$file" ]; then mode=755; fi
            install -D -m "$mode" "$file" "/$file.new"
            mv -f "/$file.new" "/$file"
        done
        install -d -m 755 /etc/cse-server
        for file in etc/cse-server/*; do
            if [ -e "/$file" ]; then
                install -m 644 "$file" "/$file.sample"
            else
                install -m 644 "$file" "/$file"
            fi
        done
        journalctl --update-catalog || true
        if live; then systemctl daemon-reload; fi
        if $is_first; then
            systemctl enable cse-server
            echo "cse-server is enabled, but not started: set vcd.url in /etc/cse-server/cse-server.toml, put the API"
            echo "token into /etc/cse-server/vcd-api-token (mode 600), then: systemctl start cse-server"
        elif live; then
            # The replica hands its clusters over, and the new version takes its place.
            systemctl try-restart cse-server
        fi
        ;;
    --remove)
        if live; then systemctl disable --now cse-server || true; else systemctl disable cse-server || true; fi
        find usr -type f | while read -r file; do rm -f "/$file"; done
        rmdir /usr/lib/cse-server /usr/share/doc/cse-server/examples /usr/share/doc/cse-server 2> /dev/null || true
        if live; then systemctl daemon-reload; fi
        journalctl --update-catalog || true
        echo "removed; /etc/cse-server is left as it is"
        ;;
    *)
        sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
        exit 64
        ;;
esac
