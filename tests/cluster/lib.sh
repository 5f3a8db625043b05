# Paths, addresses and small functions that every script here uses. Source it; it changes nothing by itself.

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$HERE/versions.env"

# CACHE outlives the cluster (binaries, base images); STATE is the running cluster; RUN holds sockets and mounts.
CACHE=${FAIRING_CLUSTER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/fairing-cluster}
STATE=${FAIRING_CLUSTER_STATE:-/var/lib/fairing-cluster}
RUN=/run/fairing-cluster
LOCK=/run/fairing-cluster.lock       # one `up` or `down` at a time
BIN=$CACHE/bin                       # current versions, as links into $CACHE/programs/<name>@<version>/
PKI=$STATE/pki
LOGS=$STATE/logs
PIDS=$STATE/pids
export KUBECONFIG_ADMIN=$STATE/kubeconfig

NODE=fairing-node
CGROUP=fairing-cluster               # above every pod and container, in each cgroup hierarchy
NODE_IP=10.97.0.1                    # lives on a bridge without ports: never on a wire
SERVICE_CIDR=10.96.0.0/16
API_SERVICE_IP=10.96.0.1
DNS_IP=10.96.0.10
POD_CIDR=10.244.0.0/24
GATEWAY_IP=10.244.0.1
CLUSTER_SUPERNETS="10.96.0.0/15 10.244.0.0/16"
BRIDGE=fairing-pods
NODE_LINK=fairing-svc
API_PORT=6443
ETCD_PORT=23790                      # not 2379: that one may be in use by a developer's own etcd
REGISTRY_PORT=5000
SECURE_REGISTRY_PORT=5443            # TLS and htpasswd
PROXY_PORT=3128
DOCKER_GATEWAY=10.97.1.1
REGISTRY_NAME=registry.test          # resolves in pods, on the host and for containerd alike
REGISTRY=localhost:$REGISTRY_PORT

export PATH=$BIN:$PATH:/usr/local/go/bin:/usr/sbin:/sbin

say() { printf '%s %s\n' "$(date +%T)" "$*" >&2; }
die() { say "error: $*"; exit 1; }
k() { "$BIN/kubectl" --kubeconfig "$KUBECONFIG_ADMIN" "$@"; }

# render FILE: the file with ${VARIABLES} of this shell filled in (our own templates only: it is evaluated).
render() { eval "cat <<RENDER_END
$(<"$1")
RENDER_END"; }

# A pid file holds "pid starttime": a pid that was reused by another program is never taken for ours.
# Fields 3, 20 and 22 of /proc/PID/stat are the state, the number of threads and the start time. A zombie is dead, but one
# with threads is still dying, and its ports are still taken.
start_time() {
	local stat
	stat=$(cat "/proc/$1/stat" 2> /dev/null) || return 1
	set -- ${stat##*) }
	{ [ "$1" != Z ] || [ "${18}" -gt 1 ]; } && echo "${20}"
}
alive() {
	local pid started
	read -r pid started 2> /dev/null < "$PIDS/$1" || return 1
	[ -n "$started" ] && [ "$(start_time "$pid")" = "$started" ]
}

# start NAME COMMAND...: run it in the background, in a session of its own, log to $LOGS/NAME.log
start() {
	local name=$1; shift
	alive "$name" && return
	setsid "$@" >> "$LOGS/$name.log" 2>&1 < /dev/null 9>&- &   # 9: the lock of `up`, not for daemons
	echo "$! $(start_time $!)" > "$PIDS/$name"
	disown
}

# stop NAME [SECONDS]: ask, wait, then insist; with 0 seconds nobody is asked. Only the recorded process.
stop() {
	local pid started seconds=${2:-10} i
	if alive "$1"; then
		read -r pid started < "$PIDS/$1"
		[ "$seconds" = 0 ] || kill "$pid" 2> /dev/null
		for i in $(seq $((seconds * 10))); do alive "$1" || break; sleep 0.1; done
		if alive "$1"; then kill -9 "$pid" 2> /dev/null; fi
		while alive "$1"; do sleep 0.02; done   # its ports and locks are free only then
	fi
	rm -f "$PIDS/$1"
}

# install_debian PACKAGE...: the package lists are fetched only where the ones here do not do
install_debian() {
	local log=$LOGS/apt.log
	mkdir -p "$LOGS"
	apt_install() { DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"; }
	apt_install "$@" > "$log" 2>&1 || { apt-get update && apt_install "$@"; } >> "$log" 2>&1 || die "see $log"
}

# wait_for SECONDS WHAT COMMAND...: poll until the command succeeds
wait_for() {
	local seconds=$1 what=$2 end; shift 2
	end=$((SECONDS + seconds))
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || die "$what: not there after $seconds s (logs: $LOGS)"
		sleep 0.1
	done
}

# Our group in every cgroup hierarchy: one folder on cgroup v2, one for each controller on v1
cgroup_roots() { local f; for f in /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs; do [ ! -e "$f" ] || dirname "$f"; done; }

# --- for images and add-ons
CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt

in_registry() { # IMAGE (with its host)
	local path=${1#*/}
	curl -sfo /dev/null -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
		"http://${1%%/*}/v2/${path%:*}/manifests/${path##*:}"
}
push_if_missing() { in_registry "$1" || "$HERE/images/push_image.py" "$@" >&2; }

# Where the Go module proxy's copy of a module lies, for the manifests in it
module_folder() { (cd / && go mod download -json "$1@v$2" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p'); }
# a project's manifests, through standard input and output
adapt() { "$HERE/addons/adapt.py" "$@"; }
apply() { k apply --server-side --force-conflicts -f - > /dev/null; }
