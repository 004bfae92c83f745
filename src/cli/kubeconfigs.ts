import { parse, stringify } from 'yaml';

interface Named {
  name: string;
}

interface KubeconfigFile {
  apiVersion: 'v1';
  kind: 'Config';
  clusters: Named[];
  users: Named[];
  contexts: Named[];
  'current-context'?: string;
}

/**
 * One kubeconfig of several, each of whose contexts is called like its cluster. Pure.
 * @param texts - kubeconfigs, in the order in which they are to be listed
 * @param current - name of the context that commands use when none is said
 */
export function mergeKubeconfigs(texts: readonly string[], current?: string): string {
  const files = texts.map((text) => parse(text) as KubeconfigFile);
  const merged: KubeconfigFile = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: files.flatMap((file) => file.clusters),
    users: files.flatMap((file) => file.users),
    contexts: files.flatMap((file) => file.contexts),
  };
  const context = current ?? merged.contexts[0]?.name;
  if (context !== undefined) merged['current-context'] = context;
  return stringify(merged);
}

/** `'it'\''s'`: a word that a shell takes as it is. */
export function shellQuote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
