import { describe, expect, test } from 'vitest';
import { renderTemplate } from '../go-template.ts';

const data = { Values: { a: 'x', empty: '', no: false, list: { cpu: '1', memory: '2Mi' } } };

describe('the renderer of the chart', () => {
  test.each([
    ['n: {{ .Values.a }}', 'n: x'],
    ['n: {{ .Values.a | quote }}', 'n: "x"'],
    ['r:\n  {{- toYaml .Values.list | nindent 2 }}\nend', 'r:\n  cpu: "1"\n  memory: 2Mi\nend'],
    ['a\n{{- if .Values.a }}\nb\n{{- end }}\nc', 'a\nb\nc'],
    ['a\n{{- if .Values.empty }}\nb\n{{- else }}\nd\n{{- end }}\nc', 'a\nd\nc'],
    ['a\n{{- if .Values.no }}\nb\n{{- if .Values.a }}\nx\n{{- else }}\ny\n{{- end }}\n{{- end }}\nc', 'a\nc'],
    ['a {{ .Values.a -}}  \n  b', 'a xb'],
  ])('%j', (template, expected) => {
    expect(renderTemplate(template, data)).toBe(expected);
  });

  test.each([
    ['{{ .Values.b }}', '.Values.b is in no value'],
    ['{{ include "x" . }}', 'more than this renderer knows'],
    ['{{ .Values.a | upper }}', 'upper is more than this renderer knows'],
    ['{{ if .Values.a }}x', 'an if has no end'],
  ])('%j is refused', (template, why) => {
    expect(() => renderTemplate(template, data)).toThrow(why);
  });
});
