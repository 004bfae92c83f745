import { clusterDnsRecipe } from './cluster-dns.ts';
import {
  BASE_LAYER,
  type LayerRecipe,
  PATH_VARIABLE,
  type Recipe,
  TOOLBOX,
  TOOLBOX_LAYER,
} from './recipe.ts';

/*
 * Stand-ins for images that everybody uses, built here from Debian packages, so that a lab without a network has them
 * too. They follow the conventions that users of the real ones rely on, and are not copies of them.
 */

/**
 * Busybox of Debian is built without the timeouts of wget and crashes at `-T`, which probes in manifests use a lot.
 * So `wget` is this script: a limit for the whole transfer in place of one for each step of it.
 */
const WGET = `#!/bin/sh
limit=
argument=
count=$#
while [ "$count" -gt 0 ]; do
  word=$1
  shift
  count=$((count - 1))
  case $argument in
    limit) limit=$word argument= ; continue ;;
    other) argument= ; set -- "$@" "$word"; continue ;;
  esac
  case $word in
    --timeout) argument=limit ; continue ;;
    --timeout=*) limit=\${word#*=} ; continue ;;
    --header | --post-data | --post-file | -[cqS]*[OoPUY] | -[OoPUYt]) argument=other ;;
    -T) argument=limit ; continue ;;
    -T*) limit=\${word#-T} ; continue ;;
    -[cqS]T | -[cqS][cqS]T) argument=limit ; word=\${word%T} ;;
    -[cqS]T* | -[cqS][cqS]T*) limit=\${word#*T} ; word=\${word%%T*} ;;
  esac
  set -- "$@" "$word"
done
[ -n "$limit" ] && [ "$limit" != 0 ] || exec busybox wget "$@"
# Of this signal alone the shell has nothing to say.
timeout -s PIPE -k 1 "$limit" busybox wget "$@"
code=$?
if [ "$code" -ge 124 ]; then
  echo 'wget: download timed out' >&2
  code=1
fi
exit "$code"
`;

/**
 * Busybox's own adds no search domain to a name with a dot in it, whatever `ndots` says, and asks for all of them at once for
 * one without. So `nslookup` is this script, which goes through them in the order in which the C library does.
 */
const NSLOOKUP = `#!/bin/sh
options= name= server=
for word; do
  case $word in
    -*) options="$options $word" ;;
    *) if [ -z "$name" ]; then name=$word; else server="$server $word"; fi ;;
  esac
done
# Nothing, a whole name, or an address: nothing is to be added.
case $name in
  '' | *. | *:*) exec busybox nslookup "$@" ;;
  *[!0-9.]*) ;;
  *) exec busybox nslookup "$@" ;;
esac
search= ndots=1
while read -r key values; do
  case $key in
    search) search=$values ;;
    options)
      for option in $values; do
        case $option in ndots:*) ndots=\${option#ndots:} ;; esac
      done
      ;;
  esac
done </etc/resolv.conf
names=
for domain in $search; do names="$names $name.$domain."; done
dots=$(printf %s "$name" | tr -cd . | wc -c)
if [ "$dots" -ge "$ndots" ]; then names="$name. $names"; else names="$names $name."; fi
for each in $names; do
  if said=$(busybox nslookup $options "$each" $server 2>&1); then
    printf '%s\\n' "$said"
    exit 0
  fi
  # Nobody there: no other name gets an answer either.
  case $said in *'no servers could be reached'*) break ;; esac
done
printf '%s\\n' "$said"
exit 1
`;

const PASSWD = [
  'root:x:0:0:root:/root:/bin/sh',
  'daemon:x:1:1:daemon:/usr/sbin:/bin/false',
  'www-data:x:33:33:www-data:/var/www:/bin/false',
  'tcpdump:x:72:72::/:/usr/sbin/nologin',
  'nginx:x:101:101:nginx:/nonexistent:/bin/false',
  'nobody:x:65534:65534:nobody:/:/bin/false',
  '',
].join('\n');
const GROUP = 'root:x:0:\ndaemon:x:1:\nwww-data:x:33:\ntcpdump:x:72:\nnginx:x:101:\nnogroup:x:65534:\n';
const ACCOUNTS = { 'etc/passwd': { content: PASSWD }, 'etc/group': { content: GROUP } };

const BUSYBOX: Recipe = {
  name: 'docker.io/library/busybox',
  layers: [
    {
      // Not the static one: that looks up no names by itself, and its shell would pass over the script above.
      packages: ['busybox'],
      skeleton: true,
      applets: 'all',
      files: {
        ...ACCOUNTS,
        'usr/bin/wget': { content: WGET, mode: 0o755 },
        'usr/bin/nslookup': { content: NSLOOKUP, mode: 0o755 },
        // There is no myhostname here.
        'etc/nsswitch.conf': { content: 'passwd: files\ngroup: files\nhosts: files dns\n' },
      },
    },
  ],
  defaults: { command: ['sh'], env: [PATH_VARIABLE] },
};

const NGINX_CONF = `user nginx;
worker_processes auto;
error_log /var/log/nginx/error.log notice;
pid /run/nginx.pid;
events {
  worker_connections 1024;
}
http {
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  log_format main '$remote_addr - $remote_user [$time_local] "$request" '
                  '$status $body_bytes_sent "$http_referer" '
                  '"$http_user_agent" "$http_x_forwarded_for"';
  access_log /var/log/nginx/access.log main;
  sendfile on;
  keepalive_timeout 65;
  include /etc/nginx/conf.d/*.conf;
}
`;

const DEFAULT_SITE = `server {
  listen 80;
  server_name localhost;
  location / {
    root /usr/share/nginx/html;
    index index.html index.htm;
  }
  error_page 500 502 503 504 /50x.html;
  location = /50x.html {
    root /usr/share/nginx/html;
  }
}
`;

/** Scripts that a derived image or a volume puts into the folder run first, as users of the real one know it. */
const ENTRYPOINT = `#!/bin/sh
set -e
if [ "$1" = nginx ]; then
  for script in /docker-entrypoint.d/*.sh; do
    if [ -x "$script" ]; then "$script"; fi
  done
fi
exec "$@"
`;

const NGINX_LAYER: LayerRecipe = {
  packages: ['bash', 'ca-certificates', 'curl', 'libnss-myhostname', 'nginx', 'nginx-common'],
  certificates: true,
  folders: ['docker-entrypoint.d', 'var/cache/nginx', 'var/lib/nginx', 'var/log/nginx', 'etc/nginx/conf.d'],
  links: { 'var/log/nginx/access.log': '/dev/stdout', 'var/log/nginx/error.log': '/dev/stderr' },
  files: {
    ...ACCOUNTS,
    'docker-entrypoint.sh': { content: ENTRYPOINT, mode: 0o755 },
    'etc/nginx/nginx.conf': { content: NGINX_CONF },
    'etc/nginx/conf.d/default.conf': { content: DEFAULT_SITE },
    'usr/share/nginx/html/50x.html': {
      content: '<!DOCTYPE html>\n<title>Error</title>\n<h1>An error occurred.</h1>\n',
    },
  },
};

const NGINX_DEFAULTS = {
  entrypoint: ['/docker-entrypoint.sh'],
  command: ['nginx', '-g', 'daemon off;'],
  env: [PATH_VARIABLE],
  stopSignal: 'SIGQUIT',
};

const NGINX: Recipe = {
  name: 'docker.io/library/nginx',
  layers: [BASE_LAYER, NGINX_LAYER],
  defaults: { ...NGINX_DEFAULTS, ports: ['80/tcp'] },
};

/** Answers every request with what it was and where it arrived: to see which pod answers, and who it takes one for. */
const ECHO_SITE = `server {
  listen 8080;
  location / {
    default_type text/plain;
    return 200 "Hostname: $hostname
Server address: $server_addr:$server_port
Client address: $remote_addr:$remote_port
Request: $request
Host: $http_host
User-Agent: $http_user_agent
X-Forwarded-For: $http_x_forwarded_for
";
  }
}
`;

const ECHO: Recipe = {
  name: 'registry.k8s.io/echoserver',
  layers: [
    BASE_LAYER,
    NGINX_LAYER,
    { packages: [], files: { 'etc/nginx/conf.d/default.conf': { content: ECHO_SITE } } },
  ],
  defaults: { ...NGINX_DEFAULTS, ports: ['8080/tcp'] },
};

const NETSHOOT: Recipe = {
  name: 'docker.io/nicolaka/netshoot',
  layers: [
    BASE_LAYER,
    // Nodes that have the toolbox need only the rest.
    TOOLBOX_LAYER,
    {
      packages: [
        'bash',
        'bind9-dnsutils',
        'bind9-host',
        'bridge-utils',
        'ca-certificates',
        'conntrack',
        'ethtool',
        'fping',
        'iptables',
        'iputils-arping',
        'jq',
        'less',
        'mtr-tiny',
        'net-tools',
        'nftables',
        'nmap',
        'nmap-common',
        'openssl',
        'procps',
        'strace',
        'traceroute',
        'wget',
      ],
      certificates: true,
      links: {
        'usr/bin/netcat': 'nc.openbsd',
        'usr/bin/traceroute': 'traceroute.db',
        'usr/sbin/iptables': 'iptables-nft',
        'usr/sbin/ip6tables': 'ip6tables-nft',
      },
      files: {
        ...ACCOUNTS,
        'root/.bashrc': { content: `PS1='\\u@\\h:\\w# '\nalias ll='ls -l'\n` },
      },
    },
  ],
  defaults: { command: ['bash'], env: [PATH_VARIABLE, 'LANG=C.UTF-8', 'TERM=xterm'] },
};

/** By the repository, with its registry, that each stands in for. */
export const READY_MADE: ReadonlyMap<string, Recipe> = new Map(
  [BUSYBOX, NGINX, NETSHOOT, ECHO, TOOLBOX, clusterDnsRecipe()].map((recipe) => [recipe.name, recipe]),
);

/** Other names under which the same images go. */
const ALIASES: Readonly<Record<string, string>> = {
  'mcr.microsoft.com/mirror/docker/library/busybox': 'docker.io/library/busybox',
  'mcr.microsoft.com/mirror/docker/library/nginx': 'docker.io/library/nginx',
  'mcr.microsoft.com/oss/nginx/nginx': 'docker.io/library/nginx',
  'registry.k8s.io/busybox': 'docker.io/library/busybox',
  'registry.k8s.io/e2e-test-images/busybox': 'docker.io/library/busybox',
  'registry.k8s.io/e2e-test-images/nginx': 'docker.io/library/nginx',
};

/** The recipe that stands in for a repository. */
export function readyMadeOf(repository: string): Recipe | undefined {
  return READY_MADE.get(ALIASES[repository] ?? repository);
}
