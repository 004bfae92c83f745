import { describe, expect, test } from 'vitest';
import { AttributeReader, HEADER_LENGTH, MessageWriter } from '../netlink/attributes.ts';
import { type Instruction, instructionText, readInstructions, writeInstructions } from './instruction.ts';
import { lowerRule } from './lower.ts';
import { schemaOf } from './schema.ts';
import type { MapSpec, SetSpec } from './spec.ts';
import { ruleCases, surroundings } from './testing-rules.ts';

const table = { family: 'inet', name: 't' } as const;
const sets = new Map<string, SetSpec | MapSpec>();
for (const operation of surroundings(table).operations)
  if (operation.op === 'addSet') sets.set(operation.set.name, operation.set);

function throughMessage(list: readonly Instruction[]): Instruction[] {
  const bytes = [new MessageWriter().begin(0, 0)].map((writer) => {
    writeInstructions(writer, 1, list);
    return writer.finish(1);
  })[0]!;
  const reader = AttributeReader.over(bytes.subarray(HEADER_LENGTH));
  expect(reader.next()).toBe(true);
  return readInstructions(reader.nested());
}

describe('instructions', () => {
  test.each(ruleCases.map((one) => [`${one.family ?? 'inet'}: ${one.text}`, one] as const))(
    'as bytes and back: %s',
    (_, { rule, family = 'inet' }) => {
      const list = lowerRule(rule, {
        family,
        schema: (name) => {
          const set = sets.get(name);
          return set && schemaOf(set);
        },
        anonymous: () => ({ name: '__set%d', id: 7 }),
      });
      const back = throughMessage(list);
      expect(back.map(instructionText)).toEqual(list.map(instructionText));
      expect(back.map(({ fields }) => Object.keys(fields).sort())).toEqual(
        list.map(({ fields }) =>
          Object.keys(fields)
            .filter((field) => fields[field] !== undefined)
            .sort(),
        ),
      );
    },
  );

  test('text tells instructions apart that do different things', () => {
    const cmp = (data: string): Instruction => ({
      name: 'cmp',
      fields: { sreg: 8, op: 0, data: Buffer.from(data, 'hex') },
    });
    expect(instructionText(cmp('0a000001'))).toBe('cmp sreg 8 op 0 data 0x0a000001');
    expect(instructionText({ name: 'immediate', fields: { dreg: 0, data: { code: -3, chain: 'x' } } })).toBe(
      'immediate dreg 0 data jump x',
    );
  });
});
