/** A registry, path, tag and digest, each as the distribution's reference grammar has it. */
const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const HOST =
  '(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?';
const REFERENCE = new RegExp(
  `^((?:${HOST}/)?${COMPONENT}(?:/${COMPONENT})*)(?::([\\w][\\w.-]{0,127}))?(?:@([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?$`,
);
const LONGEST = 1024;

/**
 * An image's name with the tag that it has when it says none.
 *
 * @returns undefined when no registry could have such a name
 */
export function withTag(image: string): string | undefined {
  const match = image.length <= LONGEST ? REFERENCE.exec(image) : null;
  if (!match) return undefined;
  return match[2] || match[3] ? image : `${image}:latest`;
}

/** Why {@link withTag} knows no answer, in the distribution's words. */
export function nameFault(image: string): string {
  return /[A-Z]/.test(image) && withTag(image.toLowerCase()) !== undefined
    ? 'repository name must be lowercase'
    : 'invalid reference format';
}

/** The registry that a name stands for: `docker.io` where it names none. */
export function registryOf(image: string): string {
  const first = image.slice(0, Math.max(0, image.indexOf('/')));
  return first.includes('.') || first.includes(':') || first === 'localhost' ? first : 'docker.io';
}
