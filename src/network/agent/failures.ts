import { isAddressError } from '../../address/error.ts';
import { isKernelError } from '../../kernel/errno.ts';
import { CNI_CODES, CniError } from '../cni/errors.ts';
import { PodLinkError } from '../dataplane/pod-link-error.ts';
import { isIpamError } from './ipam/error.ts';

/** CNI error codes of the agent's own, besides those of the specification. */
export const AGENT_CODES = {
  /** The pod has an interface of that name, or the attachment exists. */
  interfaceExists: 101,
  /** Every address of the node's block is held. */
  noFreeAddress: 102,
  /** CHECK: the kernel is not as ADD left it. */
  linkDiffers: 103,
  /** A route that the pod's link needs is taken. */
  routeExists: 104,
} as const;

const LINK_CODES: Record<PodLinkError['code'], number> = {
  exists: AGENT_CODES.interfaceExists,
  'no-namespace': CNI_CODES.unknownContainer,
  missing: CNI_CODES.internal,
  'route-exists': AGENT_CODES.routeExists,
};

/** Any failure of an operation as the runtime is to see it: what is wrong, and the way out. */
export function toCniError(error: unknown): CniError {
  if (error instanceof CniError) return error;
  const cause = { cause: error };
  if (error instanceof PodLinkError) {
    return new CniError(LINK_CODES[error.code], error.message, error.fix, cause);
  }
  if (isAddressError(error, 'cooling-down')) {
    return new CniError(CNI_CODES.tryAgainLater, 'all free addresses are cooling down', error.message, cause);
  }
  if (isAddressError(error, 'exhausted')) {
    return new CniError(AGENT_CODES.noFreeAddress, 'the node has no free pod address', error.message, cause);
  }
  if (isIpamError(error, 'closed')) {
    return new CniError(CNI_CODES.tryAgainLater, 'the agent is stopping', error.message, cause);
  }
  if (isIpamError(error, 'write-failed')) {
    return new CniError(CNI_CODES.ioFailure, 'the address could not be written down', error.message, cause);
  }
  if (isIpamError(error, 'invalid')) {
    return new CniError(
      CNI_CODES.invalidEnvironment,
      'the attachment cannot be written down',
      error.message,
      cause,
    );
  }
  if (isKernelError(error)) {
    return new CniError(CNI_CODES.internal, 'the kernel refused', error.message, cause);
  }
  const details = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new CniError(CNI_CODES.internal, 'the Flyover agent failed', details, cause);
}
