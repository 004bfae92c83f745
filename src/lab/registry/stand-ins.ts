import { readFile } from 'node:fs/promises';
import { builtImage } from '../images/build.ts';
import type { BuiltImage } from '../images/oci.ts';
import { readyMadeOf } from '../images/ready-made.ts';
import type { Recipe } from '../images/recipe.ts';
import { fullName } from '../images/reference.ts';
import type { ImageStore, StoredManifest } from './store.ts';

/** The annotation that says which image this one stands in for. */
export const STAND_IN_ANNOTATION = 'dev.flyover.stand-in-for';

/** Tags of one repository that are stood in for. */
const MOST_STAND_INS = 100;

export interface StandInOptions {
  readonly store: ImageStore;
  /** Builds a recipe's image into the store's folder. */
  readonly build: (recipe: Recipe, step: (text: string) => void) => Promise<BuiltImage>;
  readonly log: (text: string) => void;
  /**
   * Whether a tag other than `latest` that nobody gave us, as in `nginx:1.25`, is answered with the ready-made image.
   * Default true: without a network there is no other answer; with one, the lab is faster and the same everywhere.
   */
  readonly anyTag?: boolean;
}

/**
 * The ready-made images, built when they are first asked for. An image that a user has built, loaded or pushed under
 * the same name goes before; and with `latest` given by the user, no tag of that repository is stood in for.
 */
export class StandIns {
  readonly #options: StandInOptions;
  readonly #underWay = new Map<string, Promise<StoredManifest | undefined>>();

  constructor(options: StandInOptions) {
    this.#options = options;
  }

  /**
   * The image for a tag, under which it is also stored. Waits for its build.
   * @returns nothing when none stands in for this name
   * @throws Error when it cannot be built
   */
  resolve(repository: string, tag: string): Promise<StoredManifest | undefined> {
    const name = fullName(repository, tag);
    let work = this.#underWay.get(name);
    if (!work) {
      work = this.#resolve(repository, tag).finally(() => this.#underWay.delete(name));
      this.#underWay.set(name, work);
    }
    return work;
  }

  async #resolve(repository: string, tag: string): Promise<StoredManifest | undefined> {
    const recipe = readyMadeOf(repository);
    if (!recipe) return undefined;
    const { store, anyTag } = this.#options;
    if (tag !== 'latest') {
      if (anyTag === false) return undefined;
      const latest = await store.tag(repository, 'latest');
      if (latest && latest.source !== 'ready-made') return undefined;
    }
    const image = builtImage(recipe, store.folder) ?? (await this.#build(recipe));
    return await this.#name(image, repository, tag);
  }

  readonly #builds = new Map<string, Promise<BuiltImage>>();

  /** One build of a recipe, however many names ask for it. */
  #build(recipe: Recipe): Promise<BuiltImage> {
    let work = this.#builds.get(recipe.name);
    if (!work) {
      const { build, log } = this.#options;
      log(`building ${recipe.name} from Debian packages`);
      const started = performance.now();
      work = build(recipe, (step) => log(`${recipe.name}: ${step}`))
        .then((image) => {
          log(`${recipe.name} built in ${((performance.now() - started) / 1000).toFixed(1)} s`);
          return image;
        })
        .finally(() => this.#builds.delete(recipe.name));
      this.#builds.set(recipe.name, work);
    }
    return work;
  }

  /** Stores the image's manifest once more, with a note for whose place it takes. The same name gives the same digest. */
  async #name(image: BuiltImage, repository: string, tag: string): Promise<StoredManifest> {
    const { store, log } = this.#options;
    const name = fullName(repository, tag);
    const manifest = JSON.parse(await readFile(store.blobPath(image.manifest.digest), 'utf8')) as object;
    const annotations = {
      [STAND_IN_ANNOTATION]: name,
      'org.opencontainers.image.description': 'Built by Flyover from Debian packages',
    };
    const data = Buffer.from(JSON.stringify({ ...manifest, annotations }));
    const stored = await store.putManifest(repository, data, image.manifest.mediaType);
    const source = tag === 'latest' ? 'ready-made' : 'stand-in';
    const before = await store.tag(repository, tag);
    if (before?.digest !== stored.digest || before.source !== source) {
      await store.setTag(repository, tag, stored.digest, source);
      if (source === 'stand-in') {
        log(`${name} is not here: the ready-made ${image.name} stands in for it`);
        await this.#limit(repository);
      }
    }
    return stored;
  }

  /** Whoever reaches the registry may ask for any tag: the oldest of too many stand-ins go. */
  async #limit(repository: string): Promise<void> {
    const { store } = this.#options;
    const tags = await store.tags(repository);
    if (tags.length <= MOST_STAND_INS) return;
    const records = await Promise.all(
      tags.map(async (tag) => ({ tag, record: await store.tag(repository, tag) })),
    );
    const standIns = records
      .filter(({ record }) => record?.source === 'stand-in')
      .sort((a, b) => (a.record!.updated < b.record!.updated ? -1 : 1));
    for (const { tag } of standIns.slice(0, Math.max(0, standIns.length - MOST_STAND_INS))) {
      await store.removeTag(repository, tag);
    }
  }
}
