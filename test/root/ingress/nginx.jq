# nginx.conf from Ingresses and Services. Longest path first is nginx's own rule.
($services[0].items | map({key: "\(.metadata.namespace)/\(.metadata.name)", value: .spec}) | from_entries) as $specs
| def target($namespace; $backend):
    $specs["\($namespace)/\($backend.name)"] as $spec
    | ($backend.port.number // (($spec.ports // [])[] | select(.name == $backend.port.name) | .port)) as $port
    | select($spec != null) | "http://\($spec.clusterIP):\($port)";
  def locations: if .type == "Exact" then ["= \(.path)"]
    elif .path == "/" then ["/"]
    else (.path | rtrimstr("/")) as $p | ["= \($p)", "\($p)/"] end;
[ $ingresses[0].items[] | select(.spec.ingressClassName == $class) | .metadata.namespace as $ns
  | .spec.rules[]? | .host as $host | .http.paths[]?
  | {host: ($host // "_"), path: (.path // "/"), type: .pathType, to: target($ns; .backend.service)} ]
| group_by(.host)
| map("  server {\n    listen 80;\n    server_name \(.[0].host);\n    proxy_set_header Host $http_host;\n    proxy_set_header X-Forwarded-For $remote_addr;\n"
    + (map(. as $rule | locations[] | "    location \(.) { proxy_pass \($rule.to); }\n") | unique | join(""))
    + (if any(.[]; .path == "/" and .type != "Exact") then "" else "    location / { return 404; }\n" end) + "  }\n")
| "user nobody nogroup;\nworker_processes 1;\npid /run/nginx.pid;\nerror_log /dev/stderr notice;\nevents {}\nhttp {\n  access_log /dev/stdout;\n"
  + "  server { listen 80 default_server; location / { return 404; } }\n" + join("") + "}"
