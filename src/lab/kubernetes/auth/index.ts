import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type {
  Access,
  AdmissionStep,
  Attributes,
  Change,
  Decision,
  Identity,
  Plugins,
} from '../server/types.ts';
import { aggregate } from './aggregation.ts';
import { identify } from './authenticate.ts';
import { escalationCheck } from './escalation.ts';
import { impersonate } from './impersonation.ts';
import { NodeAccess, nodeOf } from './node-access.ts';
import { nodeRestriction } from './node-restriction.ts';
import { ensurePolicy } from './policy.ts';
import { RBAC_GROUP, RBAC_RESOURCES, RbacIndex } from './rbac.ts';
import { reviewHandlers } from './reviews.ts';
import { ruleAllows } from './rules.ts';
import { tokenRequestHandler } from './token-request.ts';
import { keepTokenSecrets } from './token-secrets.ts';
import { TokenSigner } from './tokens.ts';

export { kubeconfigText } from './kubeconfig.ts';
export { ensurePki, issueClient, issueServer } from './pki.ts';

export const ISSUER = 'https://kubernetes.default.svc.cluster.local';
const PODS = { group: '', plural: 'pods' };

export interface AuthOptions {
  /** The folder that `ensurePki` made. */
  readonly pki: string;
  /** Issuer and default audience of tokens. */
  readonly issuer?: string;
  /** Failures of work that no request waits for. */
  readonly onError?: (error: unknown) => void;
}

/** What the API server's pipeline takes from this room; `connect` and `admission` are to be added to the others'. */
export interface Auth extends Pick<Plugins, 'authenticate' | 'authorize' | 'connect' | 'admission'> {
  /** Fills the index, follows the store, and writes the default roles. To be called before the first request. */
  start(access: Access): Promise<void>;
  readonly signer: TokenSigner;
  readonly rbac: RbacIndex;
}

const NODE_ROLE = { kind: 'ClusterRole', name: 'system:node' };

/** Authentication and authorization of a cluster whose PKI is in a folder. */
export function createAuth(options: AuthOptions): Auth {
  const signer = new TokenSigner(readFileSync(join(options.pki, 'sa.key'), 'utf8'), options.issuer ?? ISSUER);
  const rbac = new RbacIndex();
  const nodes = new NodeAccess();

  const decide = (identity: Identity, attributes: Attributes): Decision => {
    const node = nodeOf(identity);
    if (node === undefined) return rbac.decide(identity, attributes);
    const verdict = nodes.decide(node, attributes);
    if (verdict?.allowed) return verdict;
    const granted = !verdict && rbac.roleRules(NODE_ROLE, undefined)?.some((r) => ruleAllows(r, attributes));
    if (granted) return { allowed: true, reason: '' };
    const roles = rbac.decide(identity, attributes);
    return roles.allowed || !verdict ? roles : verdict;
  };

  const connect = reviewHandlers(signer, rbac, decide);
  connect.set('serviceaccounts/token', tokenRequestHandler(signer));
  const admission: AdmissionStep[] = [nodeRestriction, escalationCheck(rbac)];

  const followPods = (change: Change): void => {
    if (change.type === 'DELETED') nodes.delete(change.namespace, change.name);
    else if (!nodes.knows(change.namespace, change.name)) nodes.put(change.object());
  };

  return {
    signer,
    rbac,
    connect,
    admission,
    async authenticate(request, access) {
      return impersonate(request, identify(request, signer, access), decide);
    },
    authorize: decide,
    async start(access) {
      let started = false;
      let aggregating: Promise<void> | undefined;
      for (const plural of RBAC_RESOURCES) {
        const resource = { group: RBAC_GROUP, plural };
        for (const object of access.list(resource)) rbac.put(plural, object);
        access.onChange(resource, (change) => {
          if (change.type === 'DELETED') rbac.delete(plural, change.namespace, change.name);
          else rbac.put(plural, change.object());
          if (plural !== 'clusterroles' || !started || aggregating) return;
          // After this turn, so that one pass answers for all changes of a turn.
          aggregating = Promise.resolve()
            .then(() => {
              aggregating = undefined;
              return aggregate(access);
            })
            .catch((error: unknown) => options.onError?.(error));
        });
      }
      for (const pod of access.list(PODS)) nodes.put(pod);
      access.onChange(PODS, followPods);
      const ca = readFileSync(join(options.pki, 'ca.crt'), 'utf8');
      keepTokenSecrets(access, signer, ca, (error) => options.onError?.(error));
      await ensurePolicy(access);
      await aggregate(access);
      started = true;
    },
  };
}
