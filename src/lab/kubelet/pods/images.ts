import { Gate } from '../../gate.ts';
import { Backoff, goDuration } from '../backoff.ts';
import type { CriClient } from '../cri.ts';
import type { CriReply, CriRequest } from '../cri-schema.ts';
import { type PodEvents, WaitingError } from '../events.ts';
import { nameFault, registryOf, withTag } from '../image-name.ts';
import { type Container, initContainers, type KubeletPod } from '../model.ts';
import type { ObjectCache } from '../objects.ts';

type Image = CriReply<'Image'>;
type Auth = CriRequest<'AuthConfig'>;

/** Pulls at a time: they share the node's link and disk. */
const AT_ONCE = 3;

/** Images of containers, pulled by their policy, with waiting times that grow when a registry refuses. */
export class Images {
  readonly #cri: CriClient;
  readonly #objects: ObjectCache;
  readonly #events: PodEvents;
  readonly #backoff = new Backoff();
  readonly #lastError = new Map<string, string>();
  readonly #pulls = new Map<string, Promise<void>>();
  readonly #gate = new Gate(AT_ONCE);

  constructor(cri: CriClient, objects: ObjectCache, events: PodEvents) {
    this.#cri = cri;
    this.#objects = objects;
    this.#events = events;
  }

  /** @throws WaitingError with upstream's reason: `ErrImagePull`, `ImagePullBackOff`, `InvalidImageName`, … */
  async ensure(pod: KubeletPod, container: Container): Promise<Image> {
    const named = container.image ?? '';
    const image = withTag(named);
    const about = { name: container.name, isInit: initContainers(pod).includes(container) };
    const tell = (type: 'Normal' | 'Warning', reason: string, message: string): void =>
      this.#events.event(pod, type, reason, message, about);
    if (image === undefined) {
      const message = `Failed to apply default image tag "${named}": couldn't parse image name "${named}": ${nameFault(named)}`;
      tell('Warning', 'InspectFailed', message);
      throw new WaitingError('InvalidImageName', message);
    }
    const policy = container.imagePullPolicy ?? (image.endsWith(':latest') ? 'Always' : 'IfNotPresent');
    const present = await this.#cri.imageStatus(image);
    if (policy !== 'Always' && present) {
      tell('Normal', 'Pulled', `Container image "${named}" already present on machine`);
      return present;
    }
    if (policy === 'Never') {
      const message = `Container image "${named}" is not present with pull policy of Never`;
      tell('Warning', 'ErrImageNeverPull', message);
      throw new WaitingError('ErrImageNeverPull', message);
    }
    const key = `${pod.uid}_${image}`;
    const wait = this.#backoff.remainingSinceNext(key, Date.now());
    if (wait > 0) {
      const message = `Back-off pulling image "${named}"`;
      tell('Normal', 'BackOff', message);
      const cause = this.#lastError.get(key);
      throw new WaitingError('ImagePullBackOff', cause ? `${message}: ErrImagePull: ${cause}` : message, {
        retryMs: wait,
      });
    }
    tell('Normal', 'Pulling', `Pulling image "${named}"`);
    const began = performance.now();
    try {
      await this.#pull(image, await this.#auth(pod, image));
      const pulled = await this.#cri.imageStatus(image);
      if (!pulled) throw new Error(`image "${named}" is not there after it was pulled`);
      const took = goDuration(performance.now() - began);
      tell(
        'Normal',
        'Pulled',
        `Successfully pulled image "${named}" in ${took} (${took} including waiting). Image size: ${pulled.size} bytes.`,
      );
      this.#backoff.forget(key);
      this.#lastError.delete(key);
      return pulled;
    } catch (error) {
      const detail = (error as { detail?: string }).detail ?? (error as Error).message;
      tell('Warning', 'Failed', `Failed to pull image "${named}": ${detail}`);
      this.#backoff.next(key, Date.now(), Date.now());
      this.#lastError.set(key, detail);
      throw new WaitingError('ErrImagePull', detail, { retryMs: this.#backoff.delay(key), cause: error });
    }
  }

  /** Many containers that want the same image at a time are one pull. */
  #pull(image: string, auth: Auth | undefined): Promise<void> {
    const key = `${image} ${auth?.username ?? ''}`;
    const running = this.#pulls.get(key);
    if (running) return running;
    const pull = this.#gate
      .run(async () => {
        await this.#cri.pullImage(image, auth);
      })
      .finally(() => this.#pulls.delete(key));
    this.#pulls.set(key, pull);
    return pull;
  }

  async #auth(pod: KubeletPod, image: string): Promise<Auth | undefined> {
    for (const { name } of pod.spec.imagePullSecrets ?? []) {
      const data = name ? await this.#objects.secretData(pod.namespace, name) : undefined;
      const text = data?.get('.dockerconfigjson') ?? data?.get('.dockercfg');
      const auth = text && authFor(text.toString('utf8'), registryOf(image));
      if (auth) return auth;
    }
    return undefined;
  }

  /** Forgets a pod's failures. */
  forget(uid: string): void {
    this.#backoff.forget(`${uid}_`);
    for (const key of this.#lastError.keys()) if (key.startsWith(`${uid}_`)) this.#lastError.delete(key);
  }
}

/** What a docker configuration says for a registry; undefined: nothing, or it is none. */
export function authFor(text: string, registry: string): Auth | undefined {
  let config: { auths?: Record<string, { username?: string; password?: string; auth?: string }> };
  try {
    config = JSON.parse(text) as typeof config;
  } catch {
    return undefined;
  }
  const auths = config.auths ?? (config as NonNullable<typeof config.auths>);
  for (const [server, { username, password, auth }] of Object.entries(auths)) {
    const host = server.replace(/^https?:\/\//, '').split('/')[0];
    if (host !== registry && !(registry === 'docker.io' && host === 'index.docker.io')) continue;
    if (username !== undefined) return { username, password: password ?? '' };
    const [user, ...rest] = Buffer.from(auth ?? '', 'base64')
      .toString('utf8')
      .split(':');
    if (user) return { username: user, password: rest.join(':') };
  }
  return undefined;
}
