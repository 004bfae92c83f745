import { JOBS, type Job, type NewPod } from '../common/objects.ts';
import { namePrefix, podFromTemplate } from '../common/pods.ts';
import { INDEX } from './indexes.ts';
import { TRACKING } from './plan.ts';

/** A pod of a Job; of an Indexed one with its index in labels, annotations, host name and environment. Pure. */
export function jobPod(job: Job, index: number | undefined): NewPod {
  const { name, uid } = job.metadata;
  const base = index === undefined ? name : `${name.slice(0, 55)}-${index}`;
  const pod = podFromTemplate(job.spec.template, job, JOBS, { generateName: namePrefix(base) });
  const metadata = pod.metadata ?? {};
  pod.metadata = {
    ...metadata,
    finalizers: [...new Set([...(metadata.finalizers ?? []), TRACKING])],
    labels: {
      ...metadata.labels,
      'batch.kubernetes.io/controller-uid': uid,
      'batch.kubernetes.io/job-name': name,
      'controller-uid': uid,
      'job-name': name,
      ...(index !== undefined && { [INDEX]: String(index) }),
    },
    ...(index !== undefined && { annotations: { ...metadata.annotations, [INDEX]: String(index) } }),
  };
  if (index === undefined || !pod.spec) return pod;
  pod.spec.hostname ??= `${name}-${index}`.slice(0, 63);
  for (const container of [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]) {
    if (container.env?.some((e) => e.name === 'JOB_COMPLETION_INDEX')) continue;
    container.env = [
      ...(container.env ?? []),
      { name: 'JOB_COMPLETION_INDEX', valueFrom: { fieldRef: { fieldPath: `metadata.labels['${INDEX}']` } } },
    ];
  }
  return pod;
}
