import { expect, test } from 'vitest';
import { withKubectl } from './testing-suite.ts';

const CRD = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget, shortNames: [wg], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.size, statusReplicasPath: .status.size, labelSelectorPath: .status.selector}
    selectableFields: [{jsonPath: .spec.color}]
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size}
    - {name: Color, type: string, jsonPath: .spec.color}
    - {name: Ready, type: boolean, jsonPath: .status.ready, priority: 1}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    schema:
      openAPIV3Schema:
        type: object
        description: A thing of no use.
        properties:
          spec:
            type: object
            required: [size]
            properties:
              size: {type: integer, minimum: 1, maximum: 10, description: How large it is.}
              color: {type: string, enum: [red, blue], default: red}
              parts:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items: {type: object, required: [name], properties: {name: {type: string}, count: {type: integer, default: 1}}}
          status:
            type: object
            properties: {size: {type: integer}, ready: {type: boolean}, selector: {type: string}}
  - name: v1alpha1
    served: true
    storage: false
    deprecated: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`;
const widget = (name: string, spec: string) =>
  `apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: ${name}}\nspec: ${spec}\n`;

withKubectl('custom resources', (suite) => {
  test('are served once defined', async () => {
    expect(await suite.apply(CRD)).toBe(
      'customresourcedefinition.apiextensions.k8s.io/widgets.example.com created\n',
    );
    await suite.ok('wait crd/widgets.example.com --for=condition=Established --timeout=10s');
    expect(await suite.apply(CRD)).toBe(
      'customresourcedefinition.apiextensions.k8s.io/widgets.example.com unchanged\n',
    );
    expect(await suite.ok('api-resources --api-group=example.com --no-headers')).toMatch(
      /^widgets +wg +example.com\/v1 +true +Widget$/m,
    );
    expect(await suite.ok('create -f -', widget('one', '{size: 3, parts: [{name: a}]}'))).toBe(
      'widget.example.com/one created\n',
    );
    expect(await suite.json('get wg one')).toMatchObject({
      apiVersion: 'example.com/v1',
      spec: { size: 3, color: 'red', parts: [{ name: 'a', count: 1 }] },
    });
  });

  test('have their columns, and stand among all', async () => {
    const [head, row] = (await suite.ok('get widgets')).split('\n');
    expect(head).toMatch(/^NAME +SIZE +COLOR +AGE$/);
    expect(row).toMatch(/^one +3 +red +\d+s$/);
    expect(await suite.ok('get widgets -o wide')).toMatch(/READY/);
    expect(await suite.ok('get all')).toContain('widget.example.com/one');
    expect(await suite.ok('get wg --field-selector spec.color=blue -o name')).toBe('');
    expect(await suite.ok('get wg --field-selector spec.color=red -o name')).toBe('widget.example.com/one\n');
  });

  test('are checked, and pruned', async () => {
    expect(await suite.refused('create -f -', widget('two', '{size: 11, color: pink}'))).toBe(
      [
        'The Widget "two" is invalid: ',
        '* spec.color: Unsupported value: "pink": supported values: "red", "blue"',
        '* spec.size: Invalid value: 11: spec.size in body should be less than or equal to 10',
      ].join('\n'),
    );
    expect(await suite.refused('create -f -', widget('two', '{}'))).toBe(
      'The Widget "two" is invalid: spec.size: Required value',
    );
    expect(await suite.refused('create -f -', widget('two', '{size: 1, colour: red}'))).toContain(
      'unknown field "spec.colour"',
    );
    await suite.ok('create --validate=ignore -f -', widget('two', '{size: 1, colour: red}'));
    expect(await suite.ok(['get', 'wg', 'two', '-o', 'jsonpath={.spec}'])).toBe('{"color":"red","size":1}');
  });

  test('are explained', async () => {
    expect(await suite.ok('explain widget')).toContain('A thing of no use.');
    expect(await suite.ok('explain widget.spec.size')).toContain('How large it is.');
  });

  test('are patched: merge, JSON, and apply by their lists', async () => {
    await suite.ok(['patch', 'wg', 'one', '--type=merge', '-p', '{"spec":{"size":4}}']);
    expect(
      await suite.refused(['patch', 'wg', 'one', '--type=strategic', '-p', '{"spec":{"size":4}}']),
    ).toMatch(/unknown format|not supported/);
    await suite.ok(
      'apply --server-side --field-manager=b -f -',
      widget('one', '{size: 4, parts: [{name: b, count: 2}]}'),
    );
    expect(await suite.ok(['get', 'wg', 'one', '-o', 'jsonpath={.spec.parts[*].name}'])).toBe('a b');
    expect(
      await suite.refused('apply --server-side --field-manager=b -f -', widget('one', '{size: 5}')),
    ).toMatch(/conflict.* with "kubectl-patch" using example.com\/v1: .spec.size/);
  });

  test('have status and scale', async () => {
    await suite.ok([
      'patch',
      'wg',
      'one',
      '--subresource=status',
      '--type=merge',
      '-p',
      '{"status":{"ready":true,"size":4,"selector":"a=b"},"spec":{"size":9}}',
    ]);
    expect(await suite.json('get wg one')).toMatchObject({ spec: { size: 4 }, status: { ready: true } });
    await suite.ok(['patch', 'wg', 'one', '--type=merge', '-p', '{"status":{"ready":false}}']);
    expect(await suite.json('get wg one')).toMatchObject({ status: { ready: true } });
    expect(await suite.ok('scale wg/one --replicas=6')).toBe('widget.example.com/one scaled\n');
    expect(await suite.ok(['get', 'wg', 'one', '-o', 'jsonpath={.spec.size}'])).toBe('6');
  });

  test('are the same in each version, which may warn', async () => {
    const { stdout, stderr } = await suite.run('get widgets.v1alpha1.example.com one -o yaml');
    expect(stdout).toContain('apiVersion: example.com/v1alpha1');
    expect(stderr).toContain('Warning: example.com/v1alpha1 Widget is deprecated');
  });

  test('are there after kill -9, and go with their definition', async () => {
    await suite.server.kill();
    await suite.server.run();
    expect(await suite.ok('get wg -o name')).toBe('widget.example.com/one\nwidget.example.com/two\n');
    expect(await suite.ok('delete crd widgets.example.com --timeout=20s')).toContain('deleted');
    // In kubectl's cache the kind lives on for some minutes.
    expect(await suite.refused('get wg')).toMatch(
      /doesn't have a resource type|could not find the requested resource/,
    );
    await suite.apply(CRD);
    expect((await suite.run('get wg')).stderr).toContain('No resources found');
  });

  test('are refused with definitions that are not right', async () => {
    const refusal = await suite.refused(
      'create -f -',
      CRD.replaceAll('widgets', 'gadgets')
        .replace('name: gadgets.example.com', 'name: other')
        .replace('storage: false', 'storage: true'),
    );
    expect(refusal).toContain(
      'metadata.name: Invalid value: "other": must be spec.names.plural+"."+spec.group',
    );
    expect(refusal).toContain('must have exactly one version marked as storage version');
    const rules = CRD.replace(
      'type: object\n        description',
      'x-kubernetes-validations: [{rule: "self.spec.size > 1"}]\n        type: object\n        description',
    );
    expect((await suite.run('apply -f -', { stdin: rules })).stderr).toContain(
      'x-kubernetes-validations are kept but not enforced',
    );
  });
});
