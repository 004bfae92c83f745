#!/bin/sh
# An ingress controller that is small enough to be read: it turns the Ingresses of its class into an nginx.conf, reloads nginx, and tells
# each Ingress where it is served. All it knows it has from the API, as a pod has it. No admission, no TLS.
set -u
CLASS=nginx
OWN_SERVICE=ingress/ingress-nginx
ACCOUNT=/var/run/secrets/kubernetes.io/serviceaccount
API=https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT
INGRESSES=/apis/networking.k8s.io/v1
CONF=/etc/nginx/nginx.conf

call() {
  path=$1
  shift
  curl -sS --fail --cacert "$ACCOUNT/ca.crt" -H "Authorization: Bearer $(cat "$ACCOUNT/token")" "$@" "$API$path"
}

render() {
  jq -rn --arg class "$CLASS" --slurpfile services services.json --slurpfile ingresses ingresses.json -f /opt/ingress/nginx.jq
}

tell() {
  address=$(jq -r --arg own "$OWN_SERVICE" \
    '.items[] | select("\(.metadata.namespace)/\(.metadata.name)" == $own) | .status.loadBalancer.ingress[0].ip // empty' services.json)
  [ -n "$address" ] || return 0
  jq -r --arg class "$CLASS" --arg ip "$address" \
    '.items[] | select(.spec.ingressClassName == $class and .status.loadBalancer.ingress[0].ip != $ip)
      | "\(.metadata.namespace) \(.metadata.name)"' ingresses.json |
    while read -r namespace name; do
      call "$INGRESSES/namespaces/$namespace/ingresses/$name/status" -o /dev/null -X PATCH \
        -H 'Content-Type: application/merge-patch+json' \
        -d "{\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"$address\"}]}}}"
    done
}

# The packages bring programs alone.
mkdir -p /etc/nginx /var/lib/nginx /var/log/nginx
cd /tmp || exit 1
while :; do
  if call "$INGRESSES/ingresses" -o ingresses.json && call /api/v1/services -o services.json; then
    render >new.conf
    if ! cmp -s new.conf "$CONF" && nginx -q -t -c /tmp/new.conf; then
      cp new.conf "$CONF"
      if [ -s /run/nginx.pid ]; then nginx -s reload; else nginx; fi
    fi
    tell
  fi
  # The first line of a watch, or two seconds, whatever is sooner.
  version=$(jq -r .metadata.resourceVersion ingresses.json)
  : >event
  call "$INGRESSES/ingresses?watch=1&resourceVersion=$version" -N -o event -m 30 2>/dev/null &
  watch=$!
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    [ -s event ] && break
    sleep 0.1
  done
  kill "$watch" 2>/dev/null
  wait "$watch" 2>/dev/null
done
