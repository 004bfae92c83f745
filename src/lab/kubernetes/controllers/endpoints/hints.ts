// Where an endpoint is for, as upstream's controller says it by `spec.trafficDistribution`. Pure.
import type { Endpoint } from '../common/objects.ts';

const PREFER_ZONE = ['PreferClose', 'PreferSameZone', 'PreferSameNode'];

/** What a ready endpoint's `hints` are: its own zone, and for PreferSameNode its own node as well. */
export function hintsOf(
  distribution: string | undefined,
  { conditions, zone, nodeName }: Endpoint,
): Endpoint['hints'] {
  if (!distribution || !PREFER_ZONE.includes(distribution) || conditions?.ready !== true) return undefined;
  const forZones = zone ? [{ name: zone }] : [];
  const forNodes = distribution === 'PreferSameNode' && nodeName ? [{ name: nodeName }] : [];
  if (forZones.length + forNodes.length === 0) return undefined;
  return { ...(forZones.length > 0 && { forZones }), ...(forNodes.length > 0 && { forNodes }) };
}
