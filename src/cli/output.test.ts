import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Column, render, wantsColour } from './output.ts';

interface Node {
  name: string;
  pods: number;
  blocks: string[];
  note?: string;
}

const columns: Column<Node>[] = [
  { header: 'NAME', value: (node) => node.name },
  { header: 'PODS', value: (node) => node.pods, align: 'right' },
  { header: 'BLOCKS', value: (node) => node.blocks },
  { header: 'NOTE', value: (node) => node.note, wrap: true },
];
const nodes: Node[] = [
  { name: 'a', pods: 3, blocks: ['10.244.0.0/24'] },
  { name: 'longer', pods: 120, blocks: [], note: 'a note of several words' },
];

describe('table', () => {
  test('aligns columns and shows nothing as a dash', () => {
    expect(render<Node>(nodes, { format: 'table', columns, colour: false, width: 200 })).toBe(
      [
        'NAME    PODS  BLOCKS         NOTE',
        'a          3  10.244.0.0/24  -',
        'longer   120  -              a note of several words',
        '',
      ].join('\n'),
    );
  });

  test('breaks only what may wrap, at spaces', () => {
    expect(render<Node>(nodes, { format: 'table', columns, colour: false, width: 45 })).toBe(
      [
        'NAME    PODS  BLOCKS         NOTE',
        'a          3  10.244.0.0/24  -',
        'longer   120  -              a note of',
        '                             several words',
        '',
      ].join('\n'),
    );
  });

  test('a single object stands on its side', () => {
    expect(render<Node>(nodes[0]!, { format: 'table', columns, colour: false, width: 80 })).toBe(
      ['NAME:    a', 'PODS:    3', 'BLOCKS:  10.244.0.0/24', 'NOTE:    -', ''].join('\n'),
    );
  });

  test('an empty list is its heading', () => {
    expect(render<Node>([], { format: 'table', columns, colour: false, width: 80 })).toBe(
      'NAME  PODS  BLOCKS  NOTE\n',
    );
  });

  test('wide characters keep the columns straight', () => {
    const text = render<Node>([{ name: '節点', pods: 1, blocks: ['x'] }], {
      format: 'table',
      columns,
      colour: false,
      width: 80,
    });
    expect(text.split('\n')[1]).toBe('節点     1  x       -');
  });

  test('colour changes nothing but colour', () => {
    const coloured = columns.map((column) => ({ ...column, colour: () => 'red' as const }));
    const plain = render<Node>(nodes, { format: 'table', columns, colour: false, width: 60 });
    const painted = render<Node>(nodes, { format: 'table', columns: coloured, colour: true, width: 60 });
    expect(painted).not.toBe(plain);
    expect(stripVTControlCharacters(painted)).toBe(plain);
  });

  test('no text can send a control character to the terminal', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (name, note) => {
        const text = render<Node>([{ name, pods: 0, blocks: [], note }], {
          format: 'table',
          columns,
          colour: false,
          width: 40,
        });
        expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202a-\u202e]/u);
      }),
    );
  });
});

describe('data', () => {
  test('json is the data, whole', () => {
    expect(JSON.parse(render<Node>(nodes, { format: 'json', columns }))).toEqual(nodes);
  });

  test('yaml reads back as the data, whatever the strings look like', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ name: fc.string(), on: fc.boolean(), size: fc.integer() })),
        (data) => {
          expect(parse(render(data, { format: 'yaml', columns: [] }))).toEqual(data);
        },
      ),
    );
  });
});

test('colour only where it is welcome', () => {
  expect(wantsColour(true, {})).toBe(true);
  expect(wantsColour(false, {})).toBe(false);
  expect(wantsColour(true, { NO_COLOR: '1' })).toBe(false);
  expect(wantsColour(true, { TERM: 'dumb' })).toBe(false);
});
