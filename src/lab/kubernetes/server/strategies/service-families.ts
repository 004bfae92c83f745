import { isAddress } from '../../../../address/ip.ts';
import { invalidField } from '../../crd/field-error.ts';
import type { FieldError } from '../../schema/types.ts';
import { hasClusterIp, isFreeForm, type ServiceSpec } from './service-fields.ts';

/** The service network is IPv4 alone. */
const FAMILY = 'IPv4';
const POLICY = 'spec.ipFamilyPolicy';

const familyOf = (address: string): string => (address.includes(':') ? 'IPv6' : 'IPv4');

/**
 * Settles `ipFamilyPolicy` and `ipFamilies` as upstream's allocator does on a cluster of one family: PreferDualStack is served with that one,
 * RequireDualStack is refused, and a headless Service without a selector may have what it likes.
 *
 * @returns what is wrong
 */
export function settleFamilies(spec: ServiceSpec, old: ServiceSpec | undefined): FieldError[] {
  if (!hasClusterIp(spec)) return [];
  const errors: FieldError[] = [];
  spec.ipFamilyPolicy ||= old?.ipFamilyPolicy ?? (isFreeForm(spec) ? 'RequireDualStack' : 'SingleStack');
  if (old?.ipFamilies && !spec.ipFamilies?.length) spec.ipFamilies = [...old.ipFamilies];
  const policy = spec.ipFamilyPolicy;
  const many = (field: string): void => {
    const detail = `must be 'RequireDualStack' or 'PreferDualStack' when multiple ${field} are specified`;
    errors.push(invalidField(POLICY, policy, detail));
  };
  if (policy === 'SingleStack') {
    // Nothing else was changed: it is clear which of the two stays.
    if (old && old.ipFamilies?.length === 2 && spec.ipFamilies?.join() === old.ipFamilies.join())
      spec.ipFamilies = spec.ipFamilies.slice(0, 1);
    if (spec.clusterIPs?.length === 2) many('cluster IPs');
    if (spec.ipFamilies?.length === 2) many('IP families');
  }
  for (const [index, address] of (spec.clusterIPs ?? []).entries()) {
    if (!isAddress(address) || index < (spec.ipFamilies?.length ?? 0)) continue;
    const family = familyOf(address);
    if (family === FAMILY) spec.ipFamilies = [...(spec.ipFamilies ?? []), family];
    else
      errors.push(
        invalidField(
          `spec.clusterIPs[${index}]`,
          spec.clusterIPs,
          `${family} is not configured on this cluster`,
        ),
      );
  }
  if (errors.length > 0) return errors;
  if (isFreeForm(spec)) {
    const [first = FAMILY] = spec.ipFamilies ?? [];
    const both = policy === 'SingleStack' ? [first] : [first, first === 'IPv4' ? 'IPv6' : 'IPv4'];
    if ((spec.ipFamilies?.length ?? 0) < 2) spec.ipFamilies = both;
    return [];
  }
  if (policy === 'RequireDualStack')
    errors.push(invalidField(POLICY, policy, 'this cluster is not configured for dual-stack services'));
  for (const [index, family] of (spec.ipFamilies ?? []).entries())
    if (family !== FAMILY)
      errors.push(invalidField(`spec.ipFamilies[${index}]`, family, 'not configured on this cluster'));
  if (!spec.ipFamilies?.length) spec.ipFamilies = [FAMILY];
  return errors;
}
