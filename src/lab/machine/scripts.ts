/*
 * The few steps that have to run in the machine's own processes before they are what they should be. They are
 * constant texts for /bin/sh (dash or any POSIX shell), started as `sh -c TEXT NAME ARGUMENT…`: values come in as
 * arguments and are never pasted into a text. Being texts, they travel inside the bundle.
 */

/**
 * Joins the machine's cgroups, enters its network namespace, makes the other namespaces and forks its init.
 *
 * Arguments: NETNS CGROUP_FOLDER… `--` INIT_ARGV…; prints `pid N`, N as the host sees it. The process that asks
 * for a pid namespace does not live in it, its first child does: so the last shell forks exactly once and ends.
 */
export const BOOT = `set -eu
netns=$1; shift
while [ "$1" != -- ]; do echo 0 >"$1/cgroup.procs"; shift; done; shift
exec nsenter --net="$netns" \\
  unshare --mount --uts --ipc --pid --cgroup --propagation private \\
  /bin/sh -c '"$@" & echo "pid $!"' flyover-boot "$@"
`;

/**
 * Pid 1 of a new machine: arranges its mounts and becomes \`catatonit -P\`, which only reaps. Prints \`ready\` last.
 *
 * Arguments: DISK UPPER HOSTNAME HOSTS RESOLV_CONF CATATONIT, then four lists that end in \`--\` each: paths in
 * hidden trees to keep; mount points to detach; hierarchies as TYPE OPTIONS TARGET LINKS (comma-separated); mount
 * points of the host to make read-only, so that what happens in a machine does not happen to the host's files.
 *
 * The order matters. What is kept is bound below DISK before its tree is hidden. /var/lib comes after everything
 * that names DISK, which usually lies below it. What the host itself has configured for containers is not the
 * machine's: its /etc/cni and the like begin empty. The host's /sys goes before the machine's own comes, or runc would
 * find the cgroups of both; \`/\` becomes shared only when /sys is complete.
 */
export const INIT = `set -eu
umask 022
cd /
disk=$1 upper=$2 name=$3 hosts=$4 resolv=$5 catatonit=$6; shift 6
ulimit -n "$(ulimit -H -n)"

mount -n -t tmpfs -o mode=755,nosuid,nodev tmpfs "$disk/run"
while [ "$1" != -- ]; do
  if [ -e "$disk$1" ]; then :
  elif [ -d "$1" ]; then mkdir -p "$disk$1"
  else mkdir -p "$disk\${1%/*}"; : >"$disk$1"; fi
  mount -n --bind "$1" "$disk$1"
  shift
done; shift

while [ "$1" != -- ]; do
  umount -n -l "$1" || echo "warning: $1 stays mounted" >&2
  shift
done; shift
mount -n --rbind "$disk/run" /run
mount -n -t proc -o nosuid,nodev,noexec proc /proc

umount -n -l /sys
mount -n -t sysfs -o nosuid,nodev,noexec sysfs /sys
[ "$3" = /sys/fs/cgroup ] || mount -n -t tmpfs -o mode=755,nosuid,nodev,noexec cgroup /sys/fs/cgroup
while [ "$1" != -- ]; do
  [ -d "$3" ] || mkdir "$3"
  mount -n -t "$1" -o "$2" cgroup "$3"
  [ -d "$3/system" ] || mkdir "$3/system"
  echo 0 >"$3/system/cgroup.procs"
  IFS=,; for link in $4; do ln -s "\${3##*/}" "\${3%/*}/$link"; done; unset IFS
  shift 4
done; shift

if [ "$upper" != "$disk" ]; then mkdir -p "$upper"; mount -n -t tmpfs -o mode=755 tmpfs "$upper"; fi
for tree in etc opt usr/lib/cni; do
  [ -d "/$tree" ] || continue
  mkdir -p "$upper/$tree" "$upper/.work/$tree"
  mount -n -t overlay -o "lowerdir=/$tree,upperdir=$upper/$tree,workdir=$upper/.work/$tree" overlay "/$tree"
done
for tree in cni containerd flyover; do
  [ -d "$upper/etc/$tree" ] || { rm -rf "/etc/$tree"; mkdir "/etc/$tree"; }
done
echo "$name" >/proc/sys/kernel/hostname
rm -f /etc/hostname /etc/hosts /etc/resolv.conf
printf '%s\\n' "$name" >/etc/hostname
printf '%s' "$hosts" >/etc/hosts
printf '%s' "$resolv" >/etc/resolv.conf

mount -n --rbind "$disk/var/log" /var/log
mount -n --rbind "$disk/var/lib" /var/lib
mount -n --bind /tmp /tmp
mount -n --bind /var/tmp /var/tmp
while [ "$1" != -- ]; do
  mount -n --options-mode ignore -o remount,bind,ro "$1" || echo "warning: $1 stays writable" >&2
  shift
done
mount -n --make-rshared /
echo ready
exec "$catatonit" -P </dev/null >/dev/null 2>&1
`;

/**
 * Enters the cgroups and every namespace of a running machine and becomes the given program.
 *
 * Arguments: INIT_PID INIT_START_TIME CWD CGROUP_FOLDER… \`--\` ARGV…. The namespaces are opened first and the
 * start time is compared afterwards: had the pid been given to another process, that comparison would show it,
 * and what was opened is the machine's own for certain. Exit status 125: the machine is gone.
 */
export const ENTER = `set -eu
pid=$1 start=$2 cwd=$3; shift 3
ns=/proc/$pid/ns
[ -e "$ns/mnt" ] || { echo 'the machine is gone' >&2; exit 125; }
exec 3<"$ns/mnt" 4<"$ns/uts" 5<"$ns/ipc" 6<"$ns/net" 7<"$ns/pid" 8<"$ns/cgroup"
same() { shift 19; [ "$1" = "$start" ]; }
IFS= read -r line <"/proc/$pid/stat" && same \${line##*) } || { echo 'the machine is gone' >&2; exit 125; }
while [ "$1" != -- ]; do echo 0 >"$1/cgroup.procs"; shift; done; shift
fd=/proc/self/fd
exec nsenter --mount=$fd/3 --uts=$fd/4 --ipc=$fd/5 --net=$fd/6 --pid=$fd/7 --cgroup=$fd/8 \\
  /bin/sh -c 'exec 3<&- 4<&- 5<&- 6<&- 7<&- 8<&-; cd "$0" && exec "$@"' "$cwd" "$@"
`;

/**
 * Starts a program in the background of the machine, in a session of its own, with its output in a log file. The
 * machine's init adopts it, so that nothing outside has to stay for it.
 *
 * Arguments: LOG MAX_LOG_KIB ARGV…; prints \`pid N\`, N as the machine sees it. A log above the limit is put aside
 * once, as LOG.1.
 */
export const SPAWN = `set -eu
umask 022
log=$1 max=$2; shift 2
ulimit -n "$(ulimit -H -n)"
if [ -n "$(find "$log" -size "+\${max}k" 2>/dev/null)" ]; then mv -f "$log" "$log.1"; fi
setsid -- "$@" </dev/null >>"$log" 2>&1 &
echo "pid $!"
`;
