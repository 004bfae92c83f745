import { join } from 'node:path';
import { controlPlaneName } from '../azure/door/machine.ts';
import type { MachineRef } from '../machine/index.ts';
import { LAB_DISKS, LAB_RUN } from '../paths.ts';

/** Where the lab's own programs lie on this machine. */
export interface Programs {
  /** The Node runtime. */
  node: string;
  /** The folder with agent.js, cni/flyover and the other built files. */
  dist: string;
}

/** Where a node of the lab keeps its disk and its record. */
export function machineRefOf(name: string): MachineRef {
  return { id: name, stateDir: join(LAB_DISKS, name), runDir: join(LAB_RUN, 'nodes', name) };
}

/** The same of the machine with a cluster's Kubernetes API. */
export function controlPlaneRef(cluster: string): MachineRef {
  return machineRefOf(controlPlaneName(cluster));
}

/** Inside a control plane: its objects, and what it proves itself with. */
export const KUBERNETES_FOLDER = '/var/lib/kubernetes';

/** The cluster's authority and keys, on this machine. */
export function pkiOf(cluster: string): string {
  return join(controlPlaneRef(cluster).stateDir, KUBERNETES_FOLDER, 'pki');
}

/** A control plane's file in {@link KUBERNETES_FOLDER}, on this machine. */
export function kubernetesFile(cluster: string, name: string): string {
  return join(controlPlaneRef(cluster).stateDir, KUBERNETES_FOLDER, name);
}
