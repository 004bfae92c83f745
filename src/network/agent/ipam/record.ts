import * as z from 'zod';
import { isAddress } from '../../../address/ip.ts';
import { IpamError } from './error.ts';

/** Which attachment: the container (sandbox) and the name of its interface, unique together on a node. */
export interface AttachmentKey {
  readonly containerId: string;
  readonly ifName: string;
}

/** What an attachment is, as its ADD says. */
export interface Attachment extends AttachmentKey {
  /** Path of the pod's network namespace. */
  readonly netns: string;
  /** Name of the link's end on the node. */
  readonly hostLink: string;
  /** From CNI_ARGS, where a Kubernetes runtime sent them. */
  readonly podNamespace?: string;
  readonly podName?: string;
  readonly podUid?: string;
  /** Name of the CNI network (conflist) that it was attached by; GC concerns one network at a time. */
  readonly network?: string;
  /** Whether it has host ports, whose connections are tracked. */
  readonly tracked?: boolean;
}

/** An attachment and the addresses that it holds: what is on disk. */
export interface IpamRecord extends Attachment {
  /** One for each of the node's blocks at the time, in their order: `10.244.0.2`, `fd12::2`. */
  readonly addresses: readonly string[];
  /** When it was written, by the node's wall clock, as ISO 8601; for people, nothing depends on it. */
  readonly createdAt: string;
}

/** One change of the state. */
export type Change =
  | { readonly allocate: IpamRecord }
  /** `at` is {@link SteadyTime}'s, in milliseconds. */
  | { readonly release: AttachmentKey & { readonly at: number } };

const name = (longest: number) => z.string().min(1).max(longest);
// IFALIASZ keeps container ids to about 200; IFNAMSIZ, PATH_MAX and DNS give the others.
const attachment = {
  containerId: name(255).regex(/^[^/\s]+$/, 'has a slash or a blank in it'),
  ifName: name(15).regex(/^[^/\s]+$/, 'has a slash or a blank in it'),
  netns: z.string().max(4095),
  hostLink: z.string().max(15),
  podNamespace: z.string().max(253).exactOptional(),
  podName: z.string().max(253).exactOptional(),
  podUid: z.string().max(64).exactOptional(),
  network: z.string().max(255).exactOptional(),
  tracked: z.boolean().exactOptional(),
};

export const attachmentSchema = z.object(attachment);

/** Unknown fields are kept, so that a newer agent's records survive an older one. */
export const recordSchema = z.looseObject({
  ...attachment,
  addresses: z.array(z.string().refine(isAddress, 'is not an address')).min(1).max(2),
  createdAt: z.string().max(40),
});

export const changeSchema = z.union([
  z.object({ allocate: recordSchema }),
  z.object({
    release: z.object({ containerId: z.string(), ifName: z.string(), at: z.number() }),
  }),
]);

/** The key as one text; `containerId` never holds a slash. */
export function keyText(key: AttachmentKey): string {
  return `${key.containerId}/${key.ifName}`;
}

/**
 * What of a request is written down, and nothing else that it may hold.
 * @throws IpamError `invalid` that names the first field that cannot be used
 */
export function checkAttachment(request: Attachment): Attachment {
  const given = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
  const result = attachmentSchema.safeParse(given);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const field = String(issue.path[0] ?? 'attachment');
  throw new IpamError('invalid', {
    field,
    value: given[field],
    rule: `cannot be written down: ${issue.message}`,
    fix: 'correct what calls the agent',
  });
}
