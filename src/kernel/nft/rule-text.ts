import { NftInputError } from './input-error.ts';
import { instructionText } from './instruction.ts';
import { lowerRule } from './lower.ts';
import { schemaOf } from './schema.ts';
import type { MapSpec, RuleSpec, SetSpec } from './spec.ts';

/**
 * What `listRules` would show as the expressions of this rule if it were in the kernel: to see whether it is.
 *
 * @param sets those that the rule names
 * @throws NftInputError for a rule that no kernel takes, or that brings a nameless set: the kernel chooses its name.
 */
export function ruleText(rule: RuleSpec, sets: readonly (SetSpec | MapSpec)[]): string[] {
  const instructions = lowerRule(rule.rule, {
    family: rule.table.family,
    schema: (name) => {
      const found = sets.find((set) => set.name === name);
      return found && schemaOf(found);
    },
    anonymous: () => {
      throw new NftInputError('rule', rule.comment, 'must not have nameless sets to be compared');
    },
  });
  return instructions.map(instructionText);
}
