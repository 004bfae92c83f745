/** A CNI network configuration list, as runtimes read it. */
export interface Conflist {
  readonly cniVersion: string;
  readonly name: string;
  readonly plugins: readonly Record<string, unknown>[];
}

/**
 * Our plugin and, where installed, the reference plugins for host ports and rate limits. Ours declares the host
 * ports too: it does not open them, but must know which pods have some (see `tracked_pods` in the node's table).
 */
export function conflist(cniVersion: string, chained: readonly string[]): Conflist {
  const capabilities: Record<string, Record<string, boolean>> = {
    portmap: { portMappings: true },
    bandwidth: { bandwidth: true },
  };
  return {
    cniVersion,
    name: 'flyover',
    plugins: [
      { type: 'flyover', capabilities: { portMappings: true } },
      ...chained.map((type) => ({ type, capabilities: capabilities[type] ?? {} })),
    ],
  };
}

/** One argument as systemd reads it (systemd.service, "command lines"): quoted, `%` and `$` doubled. */
function quoted(argument: string): string {
  const escaped = argument.replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /^[\w@%+=:,./$-]+$/.test(escaped)
    ? escaped
    : `"${escaped.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
}

/**
 * The agent's unit. It is stopped by SIGTERM, which leaves every pod connected; it starts before the runtime, so
 * that the runtime's first call finds it; and it may do what a network daemon must, not more. Nothing here may give
 * it a mount namespace of its own (ProtectHome and the like): the pods' namespaces are mounts that must reach it.
 */
export function unitFile(command: readonly string[]): string {
  return `[Unit]
Description=Flyover node agent
After=network.target
Before=containerd.service crio.service kubelet.service

[Service]
Type=exec
ExecStart=${command.map(quoted).join(' ')}
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=1
KillMode=process
OOMScoreAdjust=-998
LimitNOFILE=65536
RuntimeDirectory=flyover
RuntimeDirectoryPreserve=yes
StateDirectory=flyover
CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW CAP_SYS_ADMIN CAP_SYS_PTRACE CAP_DAC_OVERRIDE
NoNewPrivileges=yes

[Install]
WantedBy=multi-user.target
`;
}
