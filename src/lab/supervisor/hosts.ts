import { type HostRequest, newHost, newSite, type SiteRequest } from '../azure/door/host.ts';
import { resourceId, TYPES } from '../azure/ids.ts';
import type { Resource } from '../azure/store.ts';
import type { Host, Site } from '../azure/types.ts';
import { LabError, pickByName } from '../errors.ts';
import { namespaceOf } from '../fabric/names.ts';
import { namespacePath } from '../paths.ts';
import type { LabContext } from './context.ts';
import type { HostView } from './views.ts';

/** Machines that are no nodes: in a virtual network, on-premises or on the internet; and on-premises sites. */
export class Hosts {
  readonly #lab: LabContext;

  constructor(lab: LabContext) {
    this.#lab = lab;
  }

  list(): HostView[] {
    return this.#lab.store.list<Host>(TYPES.host).map((host) => this.#view(host));
  }

  /** @throws LabError, AddressError */
  add(request: HostRequest): HostView {
    const properties = newHost(this.#lab.inventory(), request);
    return this.#lab.change(() =>
      this.#view(
        this.#lab.store.put<Host>({
          id: resourceId(TYPES.host, [request.name]),
          type: TYPES.host,
          provisioningState: 'Succeeded',
          properties,
        }),
      ),
    );
  }

  /** @throws LabError NotFound */
  remove(name: string): void {
    const host = pickByName('host', this.#lab.store.list<Host>(TYPES.host), name);
    this.#lab.change(() => this.#lab.store.delete(host.id));
  }

  sites(): Resource<Site>[] {
    return this.#lab.store.list<Site>(TYPES.site);
  }

  /** @throws LabError, AddressError */
  addSite(request: SiteRequest): Resource<Site> {
    const properties = newSite(this.#lab.inventory(), request);
    return this.#lab.change(() =>
      this.#lab.store.put<Site>({
        id: resourceId(TYPES.site, [request.name]),
        type: TYPES.site,
        provisioningState: 'Succeeded',
        properties,
      }),
    );
  }

  /** @throws LabError `NotFound`, `SiteInUse` */
  removeSite(name: string): void {
    const site = pickByName('on-premises site', this.sites(), name);
    const users = this.#lab
      .inventory()
      .hosts.filter(({ place }) => place.kind === 'site' && place.site === name)
      .map((host) => host.name);
    if (users.length > 0) {
      throw new LabError({
        code: 'SiteInUse',
        field: 'NAME',
        value: name,
        rule: `has the hosts ${users.join(', ')}`,
        fix: 'remove these first',
        status: 409,
      });
    }
    this.#lab.change(() => this.#lab.store.delete(site.id));
  }

  #view(host: Resource<Host>): HostView {
    return { ...host, namespace: namespacePath(namespaceOf.host(host.name)) };
  }
}
