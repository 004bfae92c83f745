import { type HostRequest, newHost, newSite, type SiteRequest } from '../azure/door/host.ts';
import { resourceId, TYPES } from '../azure/ids.ts';
import type { Resource } from '../azure/store.ts';
import type { Host, Site } from '../azure/types.ts';
import { LabError, notFound } from '../errors.ts';
import { namespaceOf } from '../fabric/names.ts';
import { namespacePath } from '../paths.ts';
import type { LabContext } from './context.ts';

export type HostView = Resource<Host> & { namespace: string };

/** Machines that are no nodes: in a virtual network, on-premises or on the internet; and on-premises sites. */
export class Hosts {
  readonly #lab: LabContext;

  constructor(lab: LabContext) {
    this.#lab = lab;
  }

  list(): HostView[] {
    return this.#lab.store.list<Host>(TYPES.host).map((host) => this.#view(host));
  }

  add(request: HostRequest): HostView {
    const properties = newHost(this.#lab.inventory(), request);
    const host = this.#lab.store.put<Host>({
      id: resourceId(TYPES.host, [request.name]),
      type: TYPES.host,
      provisioningState: 'Succeeded',
      properties,
    });
    this.#lab.applyFabric();
    return this.#view(host);
  }

  remove(name: string): void {
    const host = this.list().find((candidate) => candidate.name === name);
    if (!host) {
      throw notFound(
        'host',
        name,
        this.list().map((candidate) => candidate.name),
      );
    }
    this.#lab.store.delete(host.id);
    this.#lab.applyFabric();
  }

  sites(): Resource<Site>[] {
    return this.#lab.store.list<Site>(TYPES.site);
  }

  addSite(request: SiteRequest): Resource<Site> {
    if (this.sites().some((site) => site.name === request.name)) {
      throw new LabError({
        code: 'SiteExists',
        field: 'NAME',
        value: request.name,
        rule: 'is the name of an on-premises site that exists',
        fix: 'choose another name',
        status: 409,
      });
    }
    const site = this.#lab.store.put<Site>({
      id: resourceId(TYPES.site, [request.name]),
      type: TYPES.site,
      provisioningState: 'Succeeded',
      properties: newSite(this.#lab.inventory(), request),
    });
    this.#lab.applyFabric();
    return site;
  }

  removeSite(name: string): void {
    const site = this.sites().find((candidate) => candidate.name === name);
    if (!site) {
      throw notFound(
        'on-premises site',
        name,
        this.sites().map((candidate) => candidate.name),
      );
    }
    const users = this.list().filter(
      ({ properties: { place } }) => place.kind === 'site' && place.site === name,
    );
    if (users.length > 0) {
      throw new LabError({
        code: 'SiteInUse',
        field: 'NAME',
        value: name,
        rule: `has the hosts ${users.map((host) => host.name).join(', ')}`,
        fix: 'remove these first',
        status: 409,
      });
    }
    this.#lab.store.delete(site.id);
    this.#lab.applyFabric();
  }

  #view(host: Resource<Host>): HostView {
    return { ...host, namespace: namespacePath(namespaceOf.host(host.name)) };
  }
}
