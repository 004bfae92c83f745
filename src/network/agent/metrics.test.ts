import { describe, expect, it } from 'vitest';
import { Collected, Counter, Histogram, MetricRegistry } from './metrics.ts';

describe('MetricRegistry', () => {
  it('writes the text format', () => {
    const registry = new MetricRegistry();
    const errors = registry.register('x_errors_total', new Counter('Errors\nby code.'));
    errors.inc({ code: '11', why: 'a "b" \\ c\nd' });
    errors.inc({ code: '11', why: 'a "b" \\ c\nd' }, 2);
    registry.register('x_free', new Collected('gauge', 'Free.', () => [[{ family: '4' }, 250]]));
    const took = registry.register('x_seconds', new Histogram('Took.', [0.1, 1]));
    took.observe(0.1, { op: 'ADD' });
    took.observe(0.5, { op: 'ADD' });
    took.observe(7, { op: 'ADD' });
    expect(registry.text()).toBe(
      [
        '# HELP x_errors_total Errors\\nby code.',
        '# TYPE x_errors_total counter',
        'x_errors_total{code="11",why="a \\"b\\" \\\\ c\\nd"} 3',
        '# HELP x_free Free.',
        '# TYPE x_free gauge',
        'x_free{family="4"} 250',
        '# HELP x_seconds Took.',
        '# TYPE x_seconds histogram',
        'x_seconds_bucket{op="ADD",le="0.1"} 1',
        'x_seconds_bucket{op="ADD",le="1"} 2',
        'x_seconds_bucket{op="ADD",le="+Inf"} 3',
        'x_seconds_sum{op="ADD"} 7.6',
        'x_seconds_count{op="ADD"} 3',
        '',
      ].join('\n'),
    );
  });

  it('leaves out a family that cannot be read, and says so', () => {
    const registry = new MetricRegistry();
    registry.register(
      'bad',
      new Collected('gauge', 'Bad.', () => {
        throw new Error('table is gone');
      }),
    );
    registry.register('good', new Counter('Good.')).inc();
    const failed: string[] = [];
    const text = registry.text((name) => failed.push(name));
    expect(failed).toEqual(['bad']);
    expect(text).toBe('# HELP good Good.\n# TYPE good counter\ngood 1\n');
  });

  it('refuses bad and repeated names, and counters that shrink', () => {
    const registry = new MetricRegistry();
    registry.register('a', new Counter('A.'));
    expect(() => registry.register('a', new Counter('A.'))).toThrow("'a' is registered already");
    expect(() => registry.register('a-b', new Counter('A.'))).toThrow('must match');
    expect(() => new Counter('A.').inc({}, -1)).toThrow(RangeError);
    expect(() => new Counter('A.').inc({ 'a-b': '' })).toThrow('must match');
    expect(() => new Histogram('A.', [1, 1])).toThrow('must ascend');
  });
});
