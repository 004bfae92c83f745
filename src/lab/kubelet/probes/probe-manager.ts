import { EventEmitter } from 'node:events';
import type { CriClient } from '../cri.ts';
import type { PodEvents } from '../events.ts';
import {
  allContainers,
  type Container,
  isDeleted,
  isSidecar,
  type KubeletPod,
  type Probe,
} from '../model.ts';
import { type ContainerState, liveSandbox, type PodRuntime } from '../runtime-state.ts';
import { ask } from './handlers.ts';
import { type ProbeKind, ProbeState, probeNumbers } from './probe-state.ts';

interface Probing {
  readonly uid: string;
  readonly container: ContainerState;
  readonly states: Map<ProbeKind, ProbeState>;
  readonly timers: Map<ProbeKind, NodeJS.Timeout>;
  /** What the probes are asked about now: the pod's object may have changed since they began. */
  pod: KubeletPod;
  spec: Container;
  podIp: string;
  stopped: boolean;
}

const FIELDS = { startup: 'startupProbe', liveness: 'livenessProbe', readiness: 'readinessProbe' } as const;
const LABELS = { startup: 'Startup', liveness: 'Liveness', readiness: 'Readiness' } as const;
const KINDS: readonly ProbeKind[] = ['startup', 'liveness', 'readiness'];
const LONGEST_OUTPUT = 800;

/** The probes of all running containers of the node. `changed` tells of pods for which a verdict changed. */
export class ProbeManager extends EventEmitter<{ changed: [uid: string] }> {
  readonly #cri: CriClient;
  readonly #events: PodEvents;
  readonly #nodeIp: string;
  /** By container id. */
  readonly #probing = new Map<string, Probing>();

  constructor(cri: CriClient, events: PodEvents, nodeIp: string) {
    super();
    this.#cri = cri;
    this.#events = events;
    this.#nodeIp = nodeIp;
  }

  ready(container: ContainerState): boolean {
    return this.#probing.get(container.id)?.states.get('readiness')?.passing ?? true;
  }

  started(container: ContainerState): boolean {
    return this.#probing.get(container.id)?.states.get('startup')?.passing ?? true;
  }

  failure(container: ContainerState): 'liveness' | 'startup' | undefined {
    const states = this.#probing.get(container.id)?.states;
    if (states?.get('startup')?.failing) return 'startup';
    return states?.get('liveness')?.failing ? 'liveness' : undefined;
  }

  /** Begins to probe what runs, and ends it for what does not. */
  sync(pod: KubeletPod, runtime: PodRuntime): void {
    const hostNetwork = pod.spec.hostNetwork ?? false;
    const podIp = hostNetwork ? this.#nodeIp : (liveSandbox(runtime, false)?.addresses[0] ?? '');
    const running = new Set<string>();
    for (const spec of allContainers(pod)) {
      if (!spec.startupProbe && !spec.livenessProbe && !spec.readinessProbe) continue;
      if (pod.spec.initContainers?.includes(spec) && !isSidecar(spec)) continue;
      const container = runtime.containers.find((each) => each.name === spec.name);
      if (container?.state !== 'running') continue;
      running.add(container.id);
      const known = this.#probing.get(container.id);
      if (known) Object.assign(known, { pod, spec, podIp });
      else this.#begin(pod, spec, container, podIp);
    }
    for (const [id, each] of this.#probing) if (each.uid === pod.uid && !running.has(id)) this.#end(id, each);
  }

  /** Ends all probing of a pod. */
  remove(uid: string): void {
    for (const [id, each] of this.#probing) if (each.uid === uid) this.#end(id, each);
  }

  #begin(pod: KubeletPod, spec: Container, container: ContainerState, podIp: string): void {
    const { containerStatuses: proper = [], initContainerStatuses: init = [] } = pod.object.status ?? {};
    // Known from before the kubelet was started again: it stays as ready as it was until it is asked.
    const old = [...proper, ...init].find((each) => each.containerID === `containerd://${container.id}`);
    const states = new Map<ProbeKind, ProbeState>();
    for (const kind of KINDS) {
      const probe = spec[FIELDS[kind]];
      if (!probe) continue;
      const before = kind === 'readiness' ? old?.ready : kind === 'startup' ? old?.started : undefined;
      states.set(kind, new ProbeState(kind, probeNumbers(probe), before ? true : undefined));
    }
    const probing: Probing = {
      uid: pod.uid,
      container,
      states,
      timers: new Map(),
      pod,
      spec,
      podIp,
      stopped: false,
    };
    this.#probing.set(container.id, probing);
    for (const [kind, state] of states) {
      if (state.done) continue;
      const { initialDelay, period } = probeNumbers(spec[FIELDS[kind]]!);
      const due = container.startedAt + initialDelay * 1000 - Date.now();
      // After a restart of the kubelet not all at once.
      this.#schedule(probing, kind, due > 0 ? due : old ? Math.random() * period * 1000 : 0);
    }
  }

  #end(id: string, probing: Probing): void {
    probing.stopped = true;
    for (const timer of probing.timers.values()) clearTimeout(timer);
    this.#probing.delete(id);
  }

  #schedule(probing: Probing, kind: ProbeKind, delayMs: number): void {
    const timer = setTimeout(() => void this.#tick(probing, kind), delayMs);
    probing.timers.set(kind, timer);
  }

  async #tick(probing: Probing, kind: ProbeKind): Promise<void> {
    const state = probing.states.get(kind);
    const probe = probing.spec[FIELDS[kind]];
    if (probing.stopped || !state || !probe || state.done) return;
    const ending = isDeleted(probing.pod) && kind !== 'readiness';
    // Until a container has started, nothing else is asked of it.
    const early = kind !== 'startup' && !this.started(probing.container);
    if (ending) return;
    const began = performance.now();
    if (!early) await this.#once(probing, kind, state, probe);
    if (probing.stopped || state.done) return;
    const period = probeNumbers(probe).period * 1000;
    this.#schedule(
      probing,
      kind,
      early ? Math.min(period, 1000) : Math.max(0, period - (performance.now() - began)),
    );
  }

  async #once(probing: Probing, kind: ProbeKind, state: ProbeState, probe: Probe): Promise<void> {
    const { spec, container, podIp, uid } = probing;
    const target = { container: spec, containerId: container.id, podIp };
    const { success, output } = await ask(this.#cri, probe, target, probeNumbers(probe).timeout * 1000);
    if (probing.stopped) return;
    if (!success) {
      const isInit = probing.pod.spec.initContainers?.some((each) => each.name === spec.name) ?? false;
      const message = `${LABELS[kind]} probe failed: ${output.trim().slice(0, LONGEST_OUTPUT)}`;
      this.#events.event(probing.pod, 'Warning', 'Unhealthy', message, { name: spec.name, isInit });
    }
    if (state.record(success)) this.emit('changed', uid);
  }
}
