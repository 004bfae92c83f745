// String fields that have a closed set of values, for explaining and for `Unsupported value`. Read when the schema is built.

/** `Definition.field A B C`, one a line, as upstream's OpenAPI lists them. */
export const ENUMS = `
core.PodSpec.restartPolicy Always Never OnFailure
core.PodSpec.dnsPolicy ClusterFirst ClusterFirstWithHostNet Default None
core.PodSpec.preemptionPolicy Never PreemptLowerPriority
core.PodStatus.phase Failed Pending Running Succeeded Unknown
core.PodStatus.qosClass BestEffort Burstable Guaranteed
core.Container.imagePullPolicy Always IfNotPresent Never
core.Container.terminationMessagePolicy FallbackToLogsOnError File
core.EphemeralContainer.imagePullPolicy Always IfNotPresent Never
core.EphemeralContainer.terminationMessagePolicy FallbackToLogsOnError File
core.ContainerPort.protocol SCTP TCP UDP
core.HTTPGetAction.scheme HTTP HTTPS
core.SeccompProfile.type Localhost RuntimeDefault Unconfined
core.AppArmorProfile.type Localhost RuntimeDefault Unconfined
core.SecurityContext.procMount Default Unmasked
core.PodSecurityContext.fsGroupChangePolicy Always OnRootMismatch
core.PodSecurityContext.supplementalGroupsPolicy Merge Strict
core.Toleration.operator Equal Exists
core.Toleration.effect NoExecute NoSchedule PreferNoSchedule
core.Taint.effect NoExecute NoSchedule PreferNoSchedule
core.NodeSelectorRequirement.operator DoesNotExist Exists Gt In Lt NotIn
core.TopologySpreadConstraint.whenUnsatisfiable DoNotSchedule ScheduleAnyway
core.TopologySpreadConstraint.nodeAffinityPolicy Honor Ignore
core.TopologySpreadConstraint.nodeTaintsPolicy Honor Ignore
core.ServicePort.protocol SCTP TCP UDP
core.ServiceSpec.type ClusterIP ExternalName LoadBalancer NodePort
core.ServiceSpec.sessionAffinity ClientIP None
core.ServiceSpec.externalTrafficPolicy Cluster Local
core.ServiceSpec.internalTrafficPolicy Cluster Local
core.ServiceSpec.ipFamilyPolicy PreferDualStack RequireDualStack SingleStack
core.NamespaceStatus.phase Active Terminating
core.PersistentVolumeSpec.persistentVolumeReclaimPolicy Delete Recycle Retain
core.PersistentVolumeSpec.volumeMode Block Filesystem
core.PersistentVolumeStatus.phase Available Bound Failed Pending Released
core.PersistentVolumeClaimSpec.volumeMode Block Filesystem
core.PersistentVolumeClaimStatus.phase Bound Lost Pending
core.HostPathVolumeSource.type BlockDevice CharDevice Directory DirectoryOrCreate File FileOrCreate Socket
core.ContainerResizePolicy.restartPolicy NotRequired RestartContainer
apps.DeploymentStrategy.type Recreate RollingUpdate
apps.DaemonSetUpdateStrategy.type OnDelete RollingUpdate
apps.StatefulSetUpdateStrategy.type OnDelete RollingUpdate
apps.StatefulSetSpec.podManagementPolicy OrderedReady Parallel
batch.JobSpec.completionMode Indexed NonIndexed
batch.JobSpec.podReplacementPolicy Failed TerminatingOrFailed
batch.CronJobSpec.concurrencyPolicy Allow Forbid Replace
batch.PodFailurePolicyRule.action Count FailIndex FailJob Ignore
networking.HTTPIngressPath.pathType Exact ImplementationSpecific Prefix
networking.NetworkPolicyPort.protocol SCTP TCP UDP
discovery.EndpointSlice.addressType FQDN IPv4 IPv6
policy.PodDisruptionBudgetSpec.unhealthyPodEvictionPolicy AlwaysAllow IfHealthyBudget
storage.StorageClass.reclaimPolicy Delete Recycle Retain
storage.StorageClass.volumeBindingMode Immediate WaitForFirstConsumer
scheduling.PriorityClass.preemptionPolicy Never PreemptLowerPriority
`;
