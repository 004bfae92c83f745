import type { ManifestProblem } from '../manifest/problem.ts';
import type { Maybe, ObjectMetadata } from './objects.ts';

export type Check =
  /** A part that cannot be read, so that it is closed. */
  | 'unreadable'
  /** Names are asked by UDP first. */
  | 'dns-tcp-only'
  /** Two items of `from` or `to` where one with both selectors was probably meant. */
  | 'alternatives'
  /** An exception that takes nothing, or everything, from its block. */
  | 'except'
  | 'selects-nothing'
  /** A Service's port, where policies see the pod's. */
  | 'service-port'
  /** Without it nothing would be different. */
  | 'useless';

/** Something that is probably not what its author meant. */
export interface Finding extends ManifestProblem {
  readonly check: Check;
}

/** A Service of core/v1, as far as it translates ports. */
export interface ServiceObject {
  readonly metadata?: Maybe<ObjectMetadata>;
  readonly spec?: Maybe<{
    readonly selector?: Maybe<Readonly<Record<string, string>>>;
    readonly ports?: Maybe<
      readonly {
        readonly port?: Maybe<number>;
        readonly targetPort?: Maybe<number | string>;
        readonly protocol?: Maybe<string>;
      }[]
    >;
  }>;
}
