export { contentStore, criSocket, prepareContainerd, waitForContainerd } from './containerd.ts';
export { MachineError } from './error.ts';
export { enterArgv, execInMachine, MACHINE_GONE } from './exec.ts';
export { identify, isAlive, signal } from './identity.ts';
export { findMachine, insideMachine, listMachines, onOverlay, startMachine, stopMachine } from './machine.ts';
export { findService, serviceLog, startService, stopService } from './service.ts';
export { DEFAULT_CGROUP_PARENT, PLATFORM_DNS } from './spec.ts';
export type {
  ExecOptions,
  Machine,
  MachineRef,
  MachineSpec,
  ProcessIdentity,
  Service,
  ServiceSpec,
} from './types.ts';
export { ProcessWatch } from './watch.ts';
