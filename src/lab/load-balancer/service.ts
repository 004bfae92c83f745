import type { Service } from '../../kube/types.ts';

/** Holds a deleted Service until its load balancer is taken down. Upstream's name. */
export const CLEANUP_FINALIZER = 'service.kubernetes.io/load-balancer-cleanup';

/** A Service that wants a load balancer of this cloud; with a class of its own it is somebody else's. */
export function wantsLoadBalancer({ metadata, spec }: Service): boolean {
  return (
    spec?.type === 'LoadBalancer' && spec.loadBalancerClass === undefined && !metadata?.deletionTimestamp
  );
}

export function hasFinalizer(service: Service): boolean {
  return service.metadata?.finalizers?.includes(CLEANUP_FINALIZER) === true;
}

/** What the rules, probes and frontends of a Service are named after: upstream's default name, at most 32 characters. */
export function ownerOf(service: Service): string {
  return `a${service.metadata?.uid ?? ''}`.replaceAll('-', '').slice(0, 32);
}

/** The Service that a rule, a probe or a frontend is named after. */
export function ownerOfName(name: string): string {
  const at = name.indexOf('-');
  return at < 0 ? name : name.slice(0, at);
}

/** The address in a Service's status. */
export function addressInStatus(service: Service): string | undefined {
  return service.status?.loadBalancer?.ingress?.[0]?.ip;
}
