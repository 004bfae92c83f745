import { isKubeError } from '../../../../kube/error.ts';
import { conditionOf } from '../common/conditions.ts';
import { type Context, create, isNamespaceTerminating, merge } from '../common/context.ts';
import { mergePatch } from '../common/merge-patch.ts';
import { messageOf } from '../common/message.ts';
import { DEPLOYMENTS, type Deployment, live, REPLICA_SETS, type ReplicaSet } from '../common/objects.ts';
import { controllerOf } from '../common/owners.ts';
import { currentAnnotations, lastRevision, REVISION } from './annotations.ts';
import { newSet, sameTemplate } from './sets.ts';
import { deadlineOf, set } from './status.ts';

/** The ReplicaSet of a Deployment's current template: made, and kept in step with the Deployment. */
export class CurrentSets {
  readonly #context: Context;
  /** Deployments as our last write left them, until the cache has them. */
  readonly #written = new Map<string, Deployment>();

  constructor(context: Context) {
    this.#context = context;
  }

  /** The Deployment as we last wrote it, when that is newer than the cache. */
  known(d: Deployment): Deployment {
    const written = this.#written.get(d.metadata.uid);
    this.#written.delete(d.metadata.uid);
    return written && written.metadata.generation === d.metadata.generation ? written : d;
  }

  /** Brings annotations, minReadySeconds and the Deployment's revision in step with an existing ReplicaSet. */
  async refresh(d: Deployment, current: ReplicaSet, old: readonly ReplicaSet[]): Promise<ReplicaSet> {
    const revision = lastRevision(old) + 1;
    const annotations = currentAnnotations(d, current.metadata.annotations ?? {}, revision);
    const minReadySeconds = d.spec.minReadySeconds ?? 0;
    const patch = mergePatch(
      {
        metadata: { annotations: current.metadata.annotations ?? {} },
        spec: { minReadySeconds: current.spec.minReadySeconds ?? 0 },
      },
      { metadata: { annotations }, spec: { minReadySeconds } },
    ) as { metadata?: object } | undefined;
    let result = current;
    if (patch) {
      const body = {
        ...patch,
        metadata: { ...patch.metadata, resourceVersion: current.metadata.resourceVersion },
      };
      result = await merge(this.#context, REPLICA_SETS, current, body);
    }
    await this.#note(d, result, annotations[REVISION], [
      'FoundNewReplicaSet',
      `Found new replica set "${current.metadata.name}"`,
    ]);
    return result;
  }

  /** Makes the ReplicaSet of the current template. undefined when its name is taken: the next round has another. */
  async make(d: Deployment, old: readonly ReplicaSet[]): Promise<ReplicaSet | undefined> {
    const revision = lastRevision(old) + 1;
    const wanted = newSet(d, old, revision);
    const name = wanted.metadata?.name ?? '';
    let made: ReplicaSet;
    try {
      made = await create(this.#context, REPLICA_SETS, wanted);
    } catch (error) {
      const taken = isKubeError(error, 409) && error.reason === 'AlreadyExists';
      const existing = taken ? await this.#existing(d, name) : undefined;
      if (existing) return existing;
      if (!taken && !isNamespaceTerminating(error)) await this.#creationFailed(d, name, messageOf(error));
      throw error;
    }
    const size = made.spec.replicas ?? 0;
    if (size > 0)
      this.#context.events.event(
        DEPLOYMENTS,
        d,
        'Normal',
        'ScalingReplicaSet',
        `Scaled up replica set ${name} from 0 to ${size}`,
      );
    await this.#note(
      d,
      made,
      String(revision),
      ['NewReplicaSetCreated', `Created new replica set "${name}"`],
      true,
    );
    return made;
  }

  /** The ReplicaSet that has our name: ours when the cache was behind; else the next name is tried. */
  async #existing(d: Deployment, name: string): Promise<ReplicaSet | undefined> {
    const { namespace, uid } = d.metadata;
    const found = await this.#context.client.find(REPLICA_SETS, { namespace, name });
    const rs = found && live<ReplicaSet>(found);
    if (rs && controllerOf(rs)?.uid === uid && sameTemplate(rs.spec.template, d.spec.template)) return rs;
    const collisionCount = (d.status.collisionCount ?? 0) + 1;
    await merge(this.#context, DEPLOYMENTS, d, { status: { collisionCount } }, 'status');
    return undefined;
  }

  async #creationFailed(d: Deployment, name: string, message: string): Promise<void> {
    if (deadlineOf(d) === undefined) return;
    const text = `Failed to create new replica set "${name}": ${message}`;
    const conditions = set(
      d.status.conditions,
      ['Progressing', 'False', 'ReplicaSetCreateError', text],
      this.#context.now(),
    );
    await merge(this.#context, DEPLOYMENTS, d, { status: { conditions } }, 'status');
    this.#context.events.event(DEPLOYMENTS, d, 'Warning', 'ReplicaSetCreateError', text);
  }

  /** Writes the revision on the Deployment, and the first Progressing condition. */
  async #note(
    d: Deployment,
    current: ReplicaSet,
    revision: string | undefined,
    [reason, message]: [string, string],
    made = false,
  ): Promise<void> {
    let known = d;
    const own = current.metadata.annotations?.[REVISION] ?? revision;
    if (own && d.metadata.annotations?.[REVISION] !== own)
      known = await merge(this.#context, DEPLOYMENTS, d, { metadata: { annotations: { [REVISION]: own } } });
    if (deadlineOf(d) !== undefined && (made || !conditionOf(d.status.conditions, 'Progressing'))) {
      const conditions = set(
        d.status.conditions,
        ['Progressing', 'True', reason, message],
        this.#context.now(),
        true,
      );
      known = await merge(this.#context, DEPLOYMENTS, d, { status: { conditions } }, 'status');
    }
    if (known !== d) this.#written.set(d.metadata.uid, known);
  }
}
