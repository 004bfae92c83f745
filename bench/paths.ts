import type { Scratch } from './harness/scratch.ts';
import { buildStage, type Place } from './harness/stage.ts';

/** A way that packets take. */
export interface Path {
  readonly name: string;
  readonly from: Place;
  readonly to: Place;
}

/** What all other paths are compared with. */
export const NODE_TO_NODE = 'node-to-node';
export const POD_TO_POD = 'pod-to-pod';

/** The paths that are measured, all through one fabric. */
export async function buildPaths(scratch: Scratch): Promise<Path[]> {
  const { fabric, vxlan } = await buildStage(scratch);
  const [near, far] = fabric.nodes;
  return [
    { name: NODE_TO_NODE, from: near, to: far },
    { name: POD_TO_POD, from: fabric.pod, to: fabric.remote },
    { name: 'pod-to-pod-same-node', from: fabric.pod, to: fabric.neighbour },
    { name: 'pod-to-pod-vxlan', from: vxlan.pod, to: vxlan.remote },
  ];
}
