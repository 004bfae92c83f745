import type { KubeObject } from '../../schema/types.ts';
import { jsonText, mediaType, parseJson } from '../body.ts';
import type { DeleteOptions } from '../deletion.ts';
import { timestamp } from '../metadata.ts';
import type { Runtime } from '../runtime.ts';
import { meets, requirementsOf } from '../selectors.ts';
import { internalError, notFound, tooManyRequests } from '../status.ts';
import type { RequestContext } from '../types.ts';
import { writeOptions } from '../write-request.ts';

interface Budget extends KubeObject {
  spec?: { selector?: unknown };
  status?: {
    observedGeneration?: number;
    disruptionsAllowed?: number;
    desiredHealthy?: number;
    currentHealthy?: number;
    disruptedPods?: Record<string, string>;
  };
}

const BUDGETS = { group: 'policy', plural: 'poddisruptionbudgets' };
/** So long a client waits for a controller that has not seen the budget yet. Seconds, upstream's. */
const UNSEEN_RETRY = 10;

function budgetsFor(runtime: Runtime, pod: KubeObject): Budget[] {
  return (runtime.access.list(BUDGETS, pod.metadata?.namespace) as Budget[]).filter((budget) => {
    const requirements = requirementsOf(budget.spec?.selector);
    return requirements?.every((one) => meets(one, pod.metadata?.labels?.[one.key]));
  });
}

/** Counts the disruption against the budget before it happens. @throws StatusError 429 when there is none left */
async function spend(runtime: Runtime, budget: Budget, pod: string, now: Date): Promise<void> {
  const status = budget.status ?? {};
  const name = budget.metadata?.name;
  if ((status.observedGeneration ?? 0) < (budget.metadata?.generation ?? 0))
    throw tooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", UNSEEN_RETRY, [
      {
        reason: 'DisruptionBudget',
        message: `The disruption budget ${name} is still being processed by the server.`,
      },
    ]);
  if ((status.disruptionsAllowed ?? 0) <= 0)
    throw tooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0, [
      {
        reason: 'DisruptionBudget',
        message: `The disruption budget ${name} needs ${status.desiredHealthy ?? 0} healthy pods and has ${status.currentHealthy ?? 0} currently`,
      },
    ]);
  await runtime.access.update(
    BUDGETS,
    {
      ...budget,
      status: {
        ...status,
        disruptionsAllowed: (status.disruptionsAllowed ?? 0) - 1,
        disruptedPods: { ...status.disruptedPods, [pod]: timestamp(now) },
      },
    },
    { subresource: 'status' },
  );
}

/** POST of `pods/NAME/eviction`: a deletion that budgets may refuse. @throws StatusError 429, 404, 409 */
export async function evict(runtime: Runtime, context: RequestContext): Promise<KubeObject> {
  const { namespace, name = '' } = context;
  const body = await context.body();
  const eviction =
    body.length > 0
      ? (parseJson(jsonText(body, mediaType(context.request))) as { deleteOptions?: DeleteOptions })
      : {};
  const pods = { group: '', plural: 'pods' };
  const pod = runtime.access.get(pods, namespace, name) as
    | (KubeObject & { status?: { phase?: string } })
    | undefined;
  if (!pod) throw notFound(pods, name);
  const options = { ...writeOptions(context), subresource: undefined };
  if (eviction.deleteOptions?.dryRun?.length) options.dryRun = true;
  const phase = pod.status?.phase;
  const ended = phase === 'Succeeded' || phase === 'Failed' || phase === 'Pending';
  if (!ended && !pod.metadata?.deletionTimestamp) {
    const budgets = budgetsFor(runtime, pod);
    if (budgets.length > 1)
      throw internalError(
        'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
      );
    if (budgets[0] && !options.dryRun) await spend(runtime, budgets[0], name, context.now);
  }
  await runtime.writer.delete(context.kind, namespace, name, eviction.deleteOptions ?? {}, options);
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
}
