// Lowered to ES5 for the plugin's front as well: see front/README.md for the style this needs.

/** The CNI specification versions that the plugin speaks, oldest first. */
export const SUPPORTED_VERSIONS = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;

export type CniVersion = (typeof SUPPORTED_VERSIONS)[number];

/** What is spoken when the caller did not say, or said something that is not spoken. */
export const NEWEST_VERSION: CniVersion = '1.1.0';

/** Whether `text` is one of {@link SUPPORTED_VERSIONS}, exactly as written. */
export function isSupportedVersion(text: unknown): text is CniVersion {
  return typeof text === 'string' && (SUPPORTED_VERSIONS as readonly string[]).indexOf(text) >= 0;
}

/** Whether `version` is `least` or newer. */
export function isAtLeast(version: CniVersion, least: CniVersion): boolean {
  return SUPPORTED_VERSIONS.indexOf(version) >= SUPPORTED_VERSIONS.indexOf(least);
}

/** The answer to VERSION, as the specification has it. */
export function versionJson(asked: unknown): string {
  return JSON.stringify({
    cniVersion: isSupportedVersion(asked) ? asked : NEWEST_VERSION,
    supportedVersions: SUPPORTED_VERSIONS,
  });
}
