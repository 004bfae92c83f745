export type PodLinkErrorCode =
  /** The interface is there already, in the pod or on the node. */
  | 'exists'
  /** The pod's namespace does not exist. */
  | 'no-namespace'
  /** One end of an existing link is gone. */
  | 'missing'
  /** A route that the link needs is taken. */
  | 'route-exists';

/** Why a pod link could not be made: the object by name and the way out. */
export class PodLinkError extends Error {
  override readonly name = 'PodLinkError';
  readonly code: PodLinkErrorCode;
  /** The way out. */
  readonly fix: string;

  constructor(code: PodLinkErrorCode, message: string, fix: string) {
    super(message);
    this.code = code;
    this.fix = fix;
  }
}
