import { call } from './call.ts';
import type { Host } from './host.ts';

/** Set by host.c, and how the host gets the function that it calls. */
declare const flyover: Host & { main?: typeof call };

flyover.main = call;
