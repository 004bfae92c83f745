import { join } from 'node:path';
import { Command } from 'commander';
import { LAB_CACHE } from '../../lab/paths.ts';
import {
  buildOwn,
  ImageStore,
  type ImageView,
  listImages,
  loadArchive,
  removeImage,
  showImage,
  wordsOf,
} from '../../lab/registry/index.ts';
import { withProgress } from '../lab-call.ts';
import { type Column, type Format, outputOption } from '../output.ts';
import { print } from '../print.ts';

const columns: Column<ImageView>[] = [
  { header: 'NAME', value: (image) => image.name },
  { header: 'TAG', value: (image) => image.tag },
  { header: 'SOURCE', value: (image) => image.source },
  { header: 'SIZE', value: (image) => sizeText(image.size), align: 'right' },
  // As much of it as tells images apart; json and yaml have all.
  { header: 'DIGEST', value: (image) => image.digest?.slice('sha256:'.length, 19) ?? 'at first use' },
];

/** Bytes, in units of a thousand as registries and Docker count. */
function sizeText(bytes: number | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

const collect = (value: string, former: string[] = []): string[] => [...former, value];
const collectCommas = (value: string, former: string[] = []): string[] => [
  ...former,
  ...value
    .split(',')
    .map((word) => word.trim())
    .filter(Boolean),
];

/** The store of the lab's registry. Several processes may write to it, so this needs no running lab. */
function openStore(): ImageStore {
  try {
    return new ImageStore(join(LAB_CACHE, 'images'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
    throw new Error(`only root may change the lab's images in ${LAB_CACHE}; use sudo`);
  }
}

const INTERRUPTED = 'nothing was changed; what was fetched is kept for the next time';

async function shown(store: ImageStore, names: readonly string[]): Promise<ImageView[]> {
  const views = await Promise.all(names.map((name) => showImage(store, name)));
  return views.filter((view) => view !== undefined);
}

interface BuildOptions {
  packages: string[];
  command?: string;
  entrypoint?: string;
  env: string[];
  file: string[];
  refresh?: boolean;
  output: Format;
}

export function imageCommand(): Command {
  const image = new Command('image').description("images of the lab's registry, which nodes ask first");
  image
    .command('build <name>')
    .description(
      'build an image from Debian packages and files; a small shell and its commands are always in it',
    )
    .option(
      '--packages <a,b>',
      'Debian packages, with the libraries they need; may be repeated',
      collectCommas,
      [],
    )
    .option(
      '--command <words>',
      'what containers run; words as a shell reads them, or a JSON list (default: sh)',
    )
    .option('--entrypoint <words>', 'a program that the command is given to')
    .option('--env <name=value>', 'an environment variable; may be repeated', collect, [])
    .option('--file <host:target>', 'a file or folder of this machine; may be repeated', collect, [])
    .option('--refresh', 'take the packages of today, also when the same image was built before')
    .addOption(outputOption())
    .addHelpText(
      'after',
      '\nExamples:\n  flyover image build shop --packages nginx,curl --file ./site:/srv/www --command "nginx -g \'daemon off;\'"\n  kubectl run shop --image shop',
    )
    .action(async (name: string, options: BuildOptions) => {
      const wanted = {
        name,
        packages: options.packages,
        env: options.env,
        files: options.file,
        ...(options.command === undefined ? {} : { command: wordsOf(options.command, '--command') }),
        ...(options.entrypoint === undefined
          ? {}
          : { entrypoint: wordsOf(options.entrypoint, '--entrypoint') }),
      };
      const store = openStore();
      const built = await withProgress(`building ${name}`, INTERRUPTED, ({ step }) =>
        buildOwn(wanted, store, { refresh: options.refresh === true, step }),
      );
      const views = await shown(store, [built]);
      print(options.output === 'table' ? views : views[0]!, { output: options.output, columns });
    });
  image
    .command('load <file>')
    .description('load the images of a file that docker save, or another tool, wrote (docker or OCI archive)')
    .option('--name <name[:tag]>', 'the name for the one image in it')
    .addOption(outputOption())
    .action(async (file: string, options: { name?: string; output: Format }) => {
      const store = openStore();
      const { name } = options;
      const names = await withProgress(`loading ${file}`, INTERRUPTED, ({ step }) =>
        loadArchive(file, store, { step, ...(name === undefined ? {} : { name }) }),
      );
      print(await shown(store, names), { output: options.output, columns, none: 'no images' });
    });
  image
    .command('list')
    .alias('ls')
    .description('list the images, also those that are built at their first use')
    .addOption(outputOption())
    .action(async ({ output }: { output: Format }) => {
      print(await listImages(openStore()), { output, columns, none: 'no images' });
    });
  image
    .command('remove <name...>')
    .alias('rm')
    .description('remove images; nodes keep what they have pulled')
    .addOption(outputOption())
    .action(async (names: string[], { output }: { output: Format }) => {
      const store = openStore();
      const removed = [];
      try {
        for (const name of names)
          removed.push({ name, state: 'Deleted', freed: await removeImage(store, name) });
      } finally {
        // Also those before the one that is not there.
        if (output !== 'table' && removed.length > 0) print(removed, { output, columns: [] });
        else for (const { name } of removed) process.stdout.write(`image ${name} removed\n`);
      }
    });
  return image;
}
