/** What a kubeconfig of one user and one cluster says; certificates and keys are PEM texts. */
export interface KubeconfigContent {
  /** `https://198.19.0.10:6443`. */
  readonly server: string;
  readonly ca: string;
  readonly cluster: string;
  readonly user: string;
  readonly namespace?: string;
  /** Client certificate and key, */
  readonly cert?: string;
  readonly key?: string;
  /** or a bearer token. */
  readonly token?: string;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/**
 * The text of a kubeconfig with everything inside, so that the file can be moved. It holds secrets: write it 0600. The context
 * has the cluster's name.
 */
export function kubeconfigText(content: KubeconfigContent): string {
  // JSON strings are YAML strings, whatever is in the names.
  const name = JSON.stringify(content.cluster);
  const user = JSON.stringify(`${content.user}@${content.cluster}`);
  const credentials = [
    ...(content.cert === undefined ? [] : [`    client-certificate-data: ${base64(content.cert)}`]),
    ...(content.key === undefined ? [] : [`    client-key-data: ${base64(content.key)}`]),
    ...(content.token === undefined ? [] : [`    token: ${JSON.stringify(content.token)}`]),
  ];
  return `${[
    'apiVersion: v1',
    'kind: Config',
    'clusters:',
    `- name: ${name}`,
    '  cluster:',
    `    server: ${JSON.stringify(content.server)}`,
    `    certificate-authority-data: ${base64(content.ca)}`,
    'users:',
    `- name: ${user}`,
    '  user:',
    ...credentials,
    'contexts:',
    `- name: ${name}`,
    '  context:',
    `    cluster: ${name}`,
    `    user: ${user}`,
    ...(content.namespace === undefined ? [] : [`    namespace: ${JSON.stringify(content.namespace)}`]),
    `current-context: ${name}`,
  ].join('\n')}\n`;
}
