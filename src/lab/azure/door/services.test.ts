import { describe, expect, test } from 'vitest';
import { parseCidr } from '../../../address/cidr.ts';
import { serviceNetwork } from './services.ts';

const claim = (range: string, owner = 'a subnet') => ({ range: parseCidr(range), owner });
const code = (work: () => unknown): string => {
  try {
    work();
    return 'accepted';
  } catch (error) {
    return (error as { refusal: { code: string } }).refusal.code;
  }
};

describe('the addresses of Services', () => {
  test('are the default range where it is free, with its tenth address for DNS', () => {
    expect(serviceNetwork({}, [])).toEqual({ serviceCidr: '10.0.0.0/16', dnsServiceIp: '10.0.0.10' });
  });

  test('move out of the way when nobody named them, first out of the whole network', () => {
    const claims = [claim('10.0.1.0/24')];
    expect(serviceNetwork({}, claims).serviceCidr).toBe('10.1.0.0/16');
    expect(serviceNetwork({}, claims, [claim('10.0.0.0/14')]).serviceCidr).toBe('10.4.0.0/16');
    expect(serviceNetwork({}, claims, [claim('10.0.0.0/8')]).serviceCidr).toBe('10.1.0.0/16');
  });

  test.each([
    [{ serviceCidr: '10.0.0.0/16' }, 'ServiceCidrOverlapExistingSubnetsCidr'],
    [{ serviceCidr: '10.96.0.0/12' }, 'ServiceCidrInvalidSize'],
    [{ serviceCidr: '10.96.0.0/28' }, 'ServiceCidrInvalidSize'],
    [{ serviceCidr: '172.30.0.0/16' }, 'ReservedRange'],
    [{ serviceCidr: '10.96.0.0/16', dnsServiceIp: '10.97.0.10' }, 'DnsServiceIpOutOfServiceCidr'],
    [{ serviceCidr: '10.96.0.0/16', dnsServiceIp: '10.96.0.1' }, 'DnsServiceIpOutOfServiceCidr'],
    [{ serviceCidr: '10.96.0.0/16', dnsServiceIp: '10.96.0.2' }, 'accepted'],
  ])('%o: %s', (request, expected) => {
    expect(code(() => serviceNetwork(request, [claim('10.0.1.0/24')]))).toBe(expected);
  });

  test('are refused when nothing is free', () => {
    expect(code(() => serviceNetwork({}, [claim('10.0.0.0/8')]))).toBe('ServiceCidrExhausted');
  });
});
