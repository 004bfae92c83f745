import type { Reply, Request, Services } from './grpc-schema.ts';

/*
 * The part of the Container Runtime Interface, version v1, that a kubelet of ours needs. Names and numbers are the
 * public API's (k8s.io/cri-api, runtime/v1); what is left out is skipped on receipt, as protobuf allows.
 */
export const CRI_SCHEMA = {
  Empty: {},
  VersionRequest: { version: [1, 'string'] },
  VersionResponse: {
    version: [1, 'string'],
    runtimeName: [2, 'string'],
    runtimeVersion: [3, 'string'],
    runtimeApiVersion: [4, 'string'],
  },
  StatusRequest: { verbose: [1, 'bool'] },
  StatusResponse: { status: [1, 'RuntimeStatus'], info: [2, 'map'] },
  RuntimeStatus: { conditions: [1, 'RuntimeCondition[]'] },
  RuntimeCondition: {
    type: [1, 'string'],
    status: [2, 'bool'],
    reason: [3, 'string'],
    message: [4, 'string'],
  },
  NetworkConfig: { podCidr: [1, 'string'] },
  RuntimeConfig: { networkConfig: [1, 'NetworkConfig'] },
  UpdateRuntimeConfigRequest: { runtimeConfig: [1, 'RuntimeConfig'] },

  Int64Value: { value: [1, 'int64'] },
  KeyValue: { key: [1, 'string'], value: [2, 'string'] },
  DNSConfig: { servers: [1, 'string[]'], searches: [2, 'string[]'], options: [3, 'string[]'] },
  PortMapping: {
    /** 0 TCP, 1 UDP, 2 SCTP. */
    protocol: [1, 'int32'],
    containerPort: [2, 'int32'],
    hostPort: [3, 'int32'],
    hostIp: [4, 'string'],
  },
  /** Modes: 0 pod, 1 container, 2 node, 3 target. */
  NamespaceOption: { network: [1, 'int32'], pid: [2, 'int32'], ipc: [3, 'int32'], targetId: [4, 'string'] },
  /** Profile types: 0 the runtime's default, 1 unconfined, 2 localhost. */
  SecurityProfile: { profileType: [1, 'int32'], localhostRef: [2, 'string'] },
  LinuxSandboxSecurityContext: {
    namespaceOptions: [1, 'NamespaceOption'],
    runAsUser: [3, 'Int64Value'],
    readonlyRootfs: [4, 'bool'],
    supplementalGroups: [5, 'int64[]'],
    privileged: [6, 'bool'],
    runAsGroup: [8, 'Int64Value'],
    seccomp: [9, 'SecurityProfile'],
  },
  LinuxPodSandboxConfig: {
    cgroupParent: [1, 'string'],
    securityContext: [2, 'LinuxSandboxSecurityContext'],
    sysctls: [3, 'map'],
  },
  PodSandboxMetadata: {
    name: [1, 'string'],
    uid: [2, 'string'],
    namespace: [3, 'string'],
    attempt: [4, 'uint32'],
  },
  PodSandboxConfig: {
    metadata: [1, 'PodSandboxMetadata'],
    hostname: [2, 'string'],
    logDirectory: [3, 'string'],
    dnsConfig: [4, 'DNSConfig'],
    portMappings: [5, 'PortMapping[]'],
    labels: [6, 'map'],
    annotations: [7, 'map'],
    linux: [8, 'LinuxPodSandboxConfig'],
  },
  RunPodSandboxRequest: { config: [1, 'PodSandboxConfig'], runtimeHandler: [2, 'string'] },
  PodSandboxId: { podSandboxId: [1, 'string'] },
  PodSandboxStatusRequest: { podSandboxId: [1, 'string'], verbose: [2, 'bool'] },
  PodIP: { ip: [1, 'string'] },
  PodSandboxNetworkStatus: { ip: [1, 'string'], additionalIps: [2, 'PodIP[]'] },
  PodSandboxStatus: {
    id: [1, 'string'],
    metadata: [2, 'PodSandboxMetadata'],
    state: [3, 'int32'],
    createdAt: [4, 'int64'],
    network: [5, 'PodSandboxNetworkStatus'],
    labels: [7, 'map'],
    annotations: [8, 'map'],
    runtimeHandler: [9, 'string'],
  },
  PodSandboxStatusResponse: { status: [1, 'PodSandboxStatus'], info: [2, 'map'] },
  PodSandboxStateValue: { state: [1, 'int32'] },
  PodSandboxFilter: { id: [1, 'string'], state: [2, 'PodSandboxStateValue'], labelSelector: [3, 'map'] },
  ListPodSandboxRequest: { filter: [1, 'PodSandboxFilter'] },
  PodSandbox: {
    id: [1, 'string'],
    metadata: [2, 'PodSandboxMetadata'],
    state: [3, 'int32'],
    createdAt: [4, 'int64'],
    labels: [5, 'map'],
    annotations: [6, 'map'],
    runtimeHandler: [7, 'string'],
  },
  ListPodSandboxResponse: { items: [1, 'PodSandbox[]'] },

  ImageSpec: { image: [1, 'string'], annotations: [2, 'map'] },
  Mount: {
    containerPath: [1, 'string'],
    hostPath: [2, 'string'],
    readonly: [3, 'bool'],
    selinuxRelabel: [4, 'bool'],
    /** 0 private, 1 host to container, 2 both ways. */
    propagation: [5, 'int32'],
  },
  Device: { containerPath: [1, 'string'], hostPath: [2, 'string'], permissions: [3, 'string'] },
  Capability: { addCapabilities: [1, 'string[]'], dropCapabilities: [2, 'string[]'] },
  LinuxContainerResources: {
    cpuPeriod: [1, 'int64'],
    cpuQuota: [2, 'int64'],
    cpuShares: [3, 'int64'],
    memoryLimitInBytes: [4, 'int64'],
    oomScoreAdj: [5, 'int64'],
    cpusetCpus: [6, 'string'],
    cpusetMems: [7, 'string'],
  },
  LinuxContainerSecurityContext: {
    capabilities: [1, 'Capability'],
    privileged: [2, 'bool'],
    namespaceOptions: [3, 'NamespaceOption'],
    runAsUser: [5, 'Int64Value'],
    runAsUsername: [6, 'string'],
    readonlyRootfs: [7, 'bool'],
    supplementalGroups: [8, 'int64[]'],
    noNewPrivs: [11, 'bool'],
    runAsGroup: [12, 'Int64Value'],
    maskedPaths: [13, 'string[]'],
    readonlyPaths: [14, 'string[]'],
    seccomp: [15, 'SecurityProfile'],
  },
  LinuxContainerConfig: {
    resources: [1, 'LinuxContainerResources'],
    securityContext: [2, 'LinuxContainerSecurityContext'],
  },
  ContainerMetadata: { name: [1, 'string'], attempt: [2, 'uint32'] },
  ContainerConfig: {
    metadata: [1, 'ContainerMetadata'],
    image: [2, 'ImageSpec'],
    command: [3, 'string[]'],
    args: [4, 'string[]'],
    workingDir: [5, 'string'],
    envs: [6, 'KeyValue[]'],
    mounts: [7, 'Mount[]'],
    devices: [8, 'Device[]'],
    labels: [9, 'map'],
    annotations: [10, 'map'],
    logPath: [11, 'string'],
    stdin: [12, 'bool'],
    stdinOnce: [13, 'bool'],
    tty: [14, 'bool'],
    linux: [15, 'LinuxContainerConfig'],
  },
  CreateContainerRequest: {
    podSandboxId: [1, 'string'],
    config: [2, 'ContainerConfig'],
    sandboxConfig: [3, 'PodSandboxConfig'],
  },
  ContainerId: { containerId: [1, 'string'] },
  StopContainerRequest: { containerId: [1, 'string'], timeout: [2, 'int64'] },
  ContainerStateValue: { state: [1, 'int32'] },
  ContainerFilter: {
    id: [1, 'string'],
    state: [2, 'ContainerStateValue'],
    podSandboxId: [3, 'string'],
    labelSelector: [4, 'map'],
  },
  ListContainersRequest: { filter: [1, 'ContainerFilter'] },
  Container: {
    id: [1, 'string'],
    podSandboxId: [2, 'string'],
    metadata: [3, 'ContainerMetadata'],
    image: [4, 'ImageSpec'],
    imageRef: [5, 'string'],
    state: [6, 'int32'],
    createdAt: [7, 'int64'],
    labels: [8, 'map'],
    annotations: [9, 'map'],
  },
  ListContainersResponse: { containers: [1, 'Container[]'] },
  ContainerStatusRequest: { containerId: [1, 'string'], verbose: [2, 'bool'] },
  ContainerStatus: {
    id: [1, 'string'],
    metadata: [2, 'ContainerMetadata'],
    state: [3, 'int32'],
    createdAt: [4, 'int64'],
    startedAt: [5, 'int64'],
    finishedAt: [6, 'int64'],
    exitCode: [7, 'int32'],
    image: [8, 'ImageSpec'],
    imageRef: [9, 'string'],
    reason: [10, 'string'],
    message: [11, 'string'],
    labels: [12, 'map'],
    annotations: [13, 'map'],
    mounts: [14, 'Mount[]'],
    logPath: [15, 'string'],
  },
  ContainerStatusResponse: { status: [1, 'ContainerStatus'], info: [2, 'map'] },
  ExecSyncRequest: { containerId: [1, 'string'], cmd: [2, 'string[]'], timeout: [3, 'int64'] },
  ExecSyncResponse: { stdout: [1, 'bytes'], stderr: [2, 'bytes'], exitCode: [3, 'int32'] },
  ExecRequest: {
    containerId: [1, 'string'],
    cmd: [2, 'string[]'],
    tty: [3, 'bool'],
    stdin: [4, 'bool'],
    stdout: [5, 'bool'],
    stderr: [6, 'bool'],
  },
  AttachRequest: {
    containerId: [1, 'string'],
    stdin: [2, 'bool'],
    tty: [3, 'bool'],
    stdout: [4, 'bool'],
    stderr: [5, 'bool'],
  },
  PortForwardRequest: { podSandboxId: [1, 'string'], port: [2, 'int32[]'] },
  StreamResponse: { url: [1, 'string'] },
  UInt64Value: { value: [1, 'uint64'] },
  FilesystemIdentifier: { mountpoint: [1, 'string'] },
  FilesystemUsage: {
    timestamp: [1, 'int64'],
    fsId: [2, 'FilesystemIdentifier'],
    usedBytes: [3, 'UInt64Value'],
    inodesUsed: [4, 'UInt64Value'],
  },
  ImageFsInfoResponse: { imageFilesystems: [1, 'FilesystemUsage[]'] },

  ImageFilter: { image: [1, 'ImageSpec'] },
  ListImagesRequest: { filter: [1, 'ImageFilter'] },
  Image: {
    id: [1, 'string'],
    repoTags: [2, 'string[]'],
    repoDigests: [3, 'string[]'],
    size: [4, 'uint64'],
    uid: [5, 'Int64Value'],
    username: [6, 'string'],
    pinned: [8, 'bool'],
  },
  ListImagesResponse: { images: [1, 'Image[]'] },
  ImageStatusRequest: { image: [1, 'ImageSpec'], verbose: [2, 'bool'] },
  ImageStatusResponse: { image: [1, 'Image'], info: [2, 'map'] },
  AuthConfig: {
    username: [1, 'string'],
    password: [2, 'string'],
    auth: [3, 'string'],
    serverAddress: [4, 'string'],
    identityToken: [5, 'string'],
    registryToken: [6, 'string'],
  },
  PullImageRequest: {
    image: [1, 'ImageSpec'],
    auth: [2, 'AuthConfig'],
    sandboxConfig: [3, 'PodSandboxConfig'],
  },
  PullImageResponse: { imageRef: [1, 'string'] },
  RemoveImageRequest: { image: [1, 'ImageSpec'] },
} as const;

export const CRI_SERVICES = {
  RuntimeService: {
    Version: ['VersionRequest', 'VersionResponse'],
    Status: ['StatusRequest', 'StatusResponse'],
    UpdateRuntimeConfig: ['UpdateRuntimeConfigRequest', 'Empty'],
    RunPodSandbox: ['RunPodSandboxRequest', 'PodSandboxId'],
    StopPodSandbox: ['PodSandboxId', 'Empty'],
    RemovePodSandbox: ['PodSandboxId', 'Empty'],
    PodSandboxStatus: ['PodSandboxStatusRequest', 'PodSandboxStatusResponse'],
    ListPodSandbox: ['ListPodSandboxRequest', 'ListPodSandboxResponse'],
    CreateContainer: ['CreateContainerRequest', 'ContainerId'],
    StartContainer: ['ContainerId', 'Empty'],
    StopContainer: ['StopContainerRequest', 'Empty'],
    RemoveContainer: ['ContainerId', 'Empty'],
    ListContainers: ['ListContainersRequest', 'ListContainersResponse'],
    ContainerStatus: ['ContainerStatusRequest', 'ContainerStatusResponse'],
    ReopenContainerLog: ['ContainerId', 'Empty'],
    ExecSync: ['ExecSyncRequest', 'ExecSyncResponse'],
    Exec: ['ExecRequest', 'StreamResponse'],
    Attach: ['AttachRequest', 'StreamResponse'],
    PortForward: ['PortForwardRequest', 'StreamResponse'],
  },
  ImageService: {
    ListImages: ['ListImagesRequest', 'ListImagesResponse'],
    ImageStatus: ['ImageStatusRequest', 'ImageStatusResponse'],
    PullImage: ['PullImageRequest', 'PullImageResponse'],
    RemoveImage: ['RemoveImageRequest', 'Empty'],
    ImageFsInfo: ['Empty', 'ImageFsInfoResponse'],
  },
} as const satisfies Services;

export type CriSchema = typeof CRI_SCHEMA;
/** A CRI message to be sent. */
export type CriRequest<N extends keyof CriSchema> = Request<CriSchema, N>;
/** A CRI message as received. */
export type CriReply<N extends keyof CriSchema> = Reply<CriSchema, N>;

export const SANDBOX_READY = 0;
export const SANDBOX_NOT_READY = 1;
export const CONTAINER_CREATED = 0;
export const CONTAINER_RUNNING = 1;
export const CONTAINER_EXITED = 2;
export const CONTAINER_UNKNOWN = 3;
/** Values of `NamespaceOption`. */
export const NAMESPACE_POD = 0;
export const NAMESPACE_CONTAINER = 1;
export const NAMESPACE_NODE = 2;
export const NAMESPACE_TARGET = 3;
