import { setFlagsFromString } from 'node:v8';
import { KubeClient } from '../../../kube/client.ts';
import { loadKubeConfig } from '../../../kube/kube-config.ts';
import { serversIn } from '../forward/resolv-conf.ts';
import { ClusterDns } from './cluster-dns.ts';
import { DnsLog } from './log.ts';
import { type DnsSettings, HELP, readSettings } from './settings.ts';

/** Put in by the bundler. */
declare const FLYOVER_VERSION: string | undefined;
const VERSION = typeof FLYOVER_VERSION === 'string' ? FLYOVER_VERSION : 'from its sources';

function settingsOrEnd(): DnsSettings {
  try {
    const settings = readSettings(process.argv.slice(2), process.env);
    if (settings) return settings;
    process.stdout.write(HELP);
    process.exit(0);
  } catch (error) {
    process.stderr.write(`dns: ${(error as Error).message}\n\n${HELP}`);
    process.exit(2);
  }
}

async function run(settings: DnsSettings): Promise<void> {
  // As in the agent: packets and objects are small and short-lived, and V8 would keep 32 MB for the young ones.
  setFlagsFromString('--semi-space-growth-factor=1');
  const { kubeconfig } = settings;
  const log = new DnsLog();
  const config = loadKubeConfig(kubeconfig === undefined ? {} : { kubeconfig });
  const client = new KubeClient(config, { userAgent: 'flyover-dns' });
  const upstreams = serversIn(settings.resolvConf);
  const dns = new ClusterDns({ ...settings, client, log, upstreams });
  // One packet must not take the others' server away; what is not known of must not pass unseen either.
  process.on('unhandledRejection', (error) => log.error(`unhandled rejection: ${(error as Error)?.stack}`));
  await dns.start();
  log.plain(`${settings.domain}.:${dns.port}`);
  log.plain(`.:${dns.port}`);
  log.info(`flyover-dns ${VERSION}, Node.js ${process.version}, ${process.platform}/${process.arch}`);
  const servers = upstreams().map(({ address }) => address);
  log.info(`plugin/forward: other names are asked of ${servers.join(', ') || 'nobody'}`);
  log.info(`plugin/kubernetes: names come from ${config.server} (${config.source})`);
  let stopping = false;
  const stop = (signal: string): void => {
    // A second one means it.
    if (stopping) process.exit(0);
    stopping = true;
    log.info(`${signal}: stopping`);
    void dns.stop().then(() => {
      client.close();
      process.exit(0);
    });
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

await run(settingsOrEnd()).catch((error: unknown) => {
  process.stderr.write(`dns: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
