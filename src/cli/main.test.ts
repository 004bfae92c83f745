import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { LabError } from '../lab/errors.ts';
import { NotRunningError } from '../lab/supervisor/client.ts';
import { failureOf } from './fail.ts';
import { argumentsOf, flyoverProgram } from './program.ts';

function withAll(command: Command, work: (command: Command) => void): void {
  work(command);
  for (const child of command.commands) withAll(child, work);
}

/** Runs a command that ends before it needs a lab. */
async function flyover(...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const program = flyoverProgram();
  const said = { stdout: '', stderr: '' };
  const writeOut = (part: string): void => {
    said.stdout += part;
  };
  const writeErr = (part: string): void => {
    said.stderr += part;
  };
  withAll(program, (command) => command.configureOutput({ writeOut, writeErr }));
  try {
    await program.parseAsync(argumentsOf(program, argv), { from: 'user' });
    return { code: 0, ...said };
  } catch (error) {
    const { message = '', code } = failureOf(error);
    return { code, ...said, stderr: said.stderr + message };
  }
}

const oneSubnet = ['vnet', 'create', 'v', '--address-prefix', '10.0.0.0/16', '--subnet', 'a'];

describe('the command line', () => {
  test.each([
    [
      'an unknown command',
      ['clutser', 'list'],
      /unknown command 'clutser'\n\(Did you mean cluster\?\)\n\(flyover help/,
    ],
    ['an unknown option', ['cluster', 'create', 'x', '--pods', '3'], /unknown option '--pods'\n.*\n\(--help/],
    ['a missing argument', ['cluster', 'create'], /missing required argument 'name'/],
    ['one argument too many', ['cluster', 'delete', 'a', 'b'], /too many arguments/],
    ['an unknown format', ['cluster', 'list', '-o', 'xml'], /Allowed choices are table, json, yaml/],
    ['a subnet without a range', oneSubnet, /--subnet 'a' has no range; write NAME=CIDR/],
    [
      'a control character',
      ['vnet', 'add-subnet', 'v', 'a\u001b[2J'],
      /SUBNET 'a\\u\{1b\}\[2J' has no range/,
    ],
  ])('refuses %s with 2, on stderr alone', async (_what, argv, message) => {
    expect(await flyover(...argv)).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(message) });
  });

  test('every command has its help, and can print its result as data', async () => {
    const leaves: string[][] = [];
    const walk = (command: Command, path: string[]): void => {
      if (command.commands.length === 0) leaves.push(path);
      for (const child of command.commands) walk(child, [...path, child.name()]);
    };
    walk(flyoverProgram(), []);
    expect(leaves.length).toBeGreaterThan(25);
    for (const path of leaves.filter(([group]) => group !== 'bench')) {
      for (const argv of [
        [...path, '--help'],
        ['help', ...path],
      ]) {
        const { code, stdout } = await flyover(...argv);
        expect([argv, code, stdout]).toEqual([argv, 0, expect.stringContaining(`flyover ${path.join(' ')}`)]);
        // What runs a program prints what the program prints; the agent is no part of the lab.
        if (path[0] === 'agent' || path[1] === 'exec') continue;
        expect([argv, stdout]).toEqual([argv, expect.stringContaining('--output <format>')]);
      }
    }
  });

  test('what failed, what was refused, and a lab that does not run are told apart', () => {
    const refusal = new LabError({
      code: 'X',
      field: 'NAME',
      value: 'a',
      rule: 'is bad',
      fix: 'choose another',
    });
    expect(failureOf(refusal)).toEqual({ code: 2, message: "NAME 'a' is bad; choose another" });
    expect(failureOf(new NotRunningError('ENOENT'))).toEqual({
      code: 3,
      message: expect.stringContaining('start it with: sudo ./flyover up'),
    });
    expect(failureOf(new Error('no space left'))).toEqual({ code: 1, message: 'no space left' });
    expect(failureOf('text').code).toBe(1);
  });

  test('a reader that stops reading is no error to tell of', async () => {
    const argv = ['--no-warnings', join(import.meta.dirname, 'main.ts'), '--help'];
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    const said = text(child.stderr);
    const [code] = (await once(child, 'exit')) as [number];
    expect([code, await said]).toEqual([141, '']);
  });
});
