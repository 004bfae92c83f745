// What the official client's models do not say of fields: how lists merge, what is a quantity, defaults that are part of a list's key.
// Facts of the API's published types (Kubernetes 1.33). Read when the schema is built.

/**
 * `Definition.field list-type(keys) patch-strategy(key)`, one a line. Definitions by their last name; a group's own where names clash.
 * `-` stands for nothing. Without a line a list is atomic for server-side apply and replaced by a strategic merge patch.
 */
export const LISTS = `
meta.ObjectMeta.ownerReferences map(uid) merge(uid)
meta.ObjectMeta.finalizers set merge
meta.ObjectMeta.managedFields atomic -
meta.LabelSelector.matchExpressions atomic -
meta.LabelSelectorRequirement.values atomic -
core.PodSpec.volumes map(name) merge,retainKeys(name)
core.PodSpec.initContainers map(name) merge(name)
core.PodSpec.containers map(name) merge(name)
core.PodSpec.ephemeralContainers map(name) merge(name)
core.PodSpec.imagePullSecrets map(name) merge(name)
core.PodSpec.hostAliases map(ip) merge(ip)
core.PodSpec.tolerations atomic -
core.PodSpec.readinessGates atomic -
core.PodSpec.topologySpreadConstraints map(topologyKey,whenUnsatisfiable) merge(topologyKey)
core.PodSpec.schedulingGates map(name) merge(name)
core.PodSpec.resourceClaims map(name) merge,retainKeys(name)
core.PodStatus.conditions map(type) merge(type)
core.PodStatus.hostIPs atomic merge(ip)
core.PodStatus.podIPs map(ip) merge(ip)
core.PodStatus.initContainerStatuses atomic -
core.PodStatus.containerStatuses atomic -
core.PodStatus.ephemeralContainerStatuses atomic -
core.PodStatus.resourceClaimStatuses map(name) merge,retainKeys(name)
core.Container.command atomic -
core.Container.args atomic -
core.Container.ports map(containerPort,protocol) merge(containerPort)
core.Container.envFrom atomic -
core.Container.env map(name) merge(name)
core.Container.resizePolicy atomic -
core.Container.restartPolicyRules atomic -
core.Container.volumeMounts map(mountPath) merge(mountPath)
core.Container.volumeDevices map(devicePath) merge(devicePath)
core.EphemeralContainer.command atomic -
core.EphemeralContainer.args atomic -
core.EphemeralContainer.ports map(containerPort,protocol) merge(containerPort)
core.EphemeralContainer.envFrom atomic -
core.EphemeralContainer.env map(name) merge(name)
core.EphemeralContainer.resizePolicy atomic -
core.EphemeralContainer.restartPolicyRules atomic -
core.EphemeralContainer.volumeMounts map(mountPath) merge(mountPath)
core.EphemeralContainer.volumeDevices map(devicePath) merge(devicePath)
core.ResourceRequirements.claims map(name) -
core.ContainerStatus.volumeMounts map(mountPath) merge(mountPath)
core.ContainerStatus.allocatedResourcesStatus map(name) merge(name)
core.ResourceStatus.resources map(resourceID) -
core.Capabilities.add atomic -
core.Capabilities.drop atomic -
core.ExecAction.command atomic -
core.HTTPGetAction.httpHeaders atomic -
core.NodeSelector.nodeSelectorTerms atomic -
core.NodeSelectorTerm.matchExpressions atomic -
core.NodeSelectorTerm.matchFields atomic -
core.NodeSelectorRequirement.values atomic -
core.NodeAffinity.preferredDuringSchedulingIgnoredDuringExecution atomic -
core.PodAffinity.preferredDuringSchedulingIgnoredDuringExecution atomic -
core.PodAffinity.requiredDuringSchedulingIgnoredDuringExecution atomic -
core.PodAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution atomic -
core.PodAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution atomic -
core.PodAffinityTerm.namespaces atomic -
core.PodAffinityTerm.matchLabelKeys atomic -
core.PodAffinityTerm.mismatchLabelKeys atomic -
core.TopologySpreadConstraint.matchLabelKeys atomic -
core.SecretVolumeSource.items atomic -
core.ConfigMapVolumeSource.items atomic -
core.ProjectedVolumeSource.sources atomic -
core.DownwardAPIVolumeSource.items atomic -
core.SecretProjection.items atomic -
core.ConfigMapProjection.items atomic -
core.DownwardAPIProjection.items atomic -
core.PodSecurityContext.supplementalGroups atomic -
core.PodSecurityContext.sysctls atomic -
core.PodDNSConfig.nameservers atomic -
core.PodDNSConfig.searches atomic -
core.PodDNSConfig.options atomic -
core.HostAlias.hostnames atomic -
core.LinuxContainerUser.supplementalGroups atomic -
core.ServiceSpec.ports map(port,protocol) merge(port)
core.ServiceSpec.clusterIPs atomic -
core.ServiceSpec.externalIPs atomic -
core.ServiceSpec.loadBalancerSourceRanges atomic -
core.ServiceSpec.ipFamilies atomic -
core.ServiceStatus.conditions map(type) merge(type)
core.LoadBalancerStatus.ingress atomic -
core.LoadBalancerIngress.ports atomic -
core.ServiceAccount.secrets map(name) merge(name)
core.ServiceAccount.imagePullSecrets atomic -
core.NodeSpec.podCIDRs set merge
core.NodeSpec.taints atomic -
core.NodeStatus.conditions map(type) merge(type)
core.NodeStatus.addresses map(type) merge(type)
core.NodeStatus.images atomic -
core.NodeStatus.volumesInUse atomic -
core.NodeStatus.volumesAttached atomic -
core.NodeStatus.runtimeHandlers atomic -
core.ContainerImage.names atomic -
core.NamespaceSpec.finalizers atomic -
core.NamespaceStatus.conditions map(type) merge(type)
core.PersistentVolumeSpec.accessModes atomic -
core.PersistentVolumeSpec.mountOptions atomic -
core.PersistentVolumeClaimSpec.accessModes atomic -
core.PersistentVolumeClaimStatus.accessModes atomic -
core.PersistentVolumeClaimStatus.conditions map(type) merge(type)
core.ReplicationControllerStatus.conditions map(type) merge(type)
core.Endpoints.subsets atomic -
core.EndpointSubset.addresses atomic -
core.EndpointSubset.notReadyAddresses atomic -
core.EndpointSubset.ports atomic -
core.ResourceQuotaSpec.scopes atomic -
core.ScopeSelector.matchExpressions atomic -
core.ScopedResourceSelectorRequirement.values atomic -
core.LimitRangeSpec.limits atomic -
core.TopologySelectorTerm.matchLabelExpressions atomic -
core.TopologySelectorLabelRequirement.values atomic -
apps.DeploymentSpec.strategy - retainKeys
apps.DeploymentStatus.conditions map(type) merge(type)
apps.ReplicaSetStatus.conditions map(type) merge(type)
apps.DaemonSetStatus.conditions map(type) merge(type)
apps.StatefulSetStatus.conditions map(type) merge(type)
apps.StatefulSetSpec.volumeClaimTemplates atomic -
batch.JobStatus.conditions atomic merge(type)
batch.CronJobStatus.active atomic -
batch.PodFailurePolicy.rules atomic -
batch.PodFailurePolicyRule.onPodConditions atomic -
batch.PodFailurePolicyOnExitCodesRequirement.values set -
batch.SuccessPolicy.rules atomic -
batch.UncountedTerminatedPods.failed set -
batch.UncountedTerminatedPods.succeeded set -
networking.IngressSpec.tls atomic -
networking.IngressSpec.rules atomic -
networking.IngressTLS.hosts atomic -
networking.HTTPIngressRuleValue.paths atomic -
networking.IngressLoadBalancerStatus.ingress atomic -
networking.IngressLoadBalancerIngress.ports atomic -
networking.NetworkPolicySpec.ingress atomic -
networking.NetworkPolicySpec.egress atomic -
networking.NetworkPolicySpec.policyTypes atomic -
networking.NetworkPolicyIngressRule.from atomic -
networking.NetworkPolicyIngressRule.ports atomic -
networking.NetworkPolicyEgressRule.to atomic -
networking.NetworkPolicyEgressRule.ports atomic -
networking.IPBlock.except atomic -
discovery.EndpointSlice.endpoints atomic -
discovery.EndpointSlice.ports atomic -
discovery.Endpoint.addresses set -
discovery.EndpointHints.forZones atomic -
discovery.EndpointHints.forNodes atomic -
policy.PodDisruptionBudgetStatus.conditions map(type) merge(type)
policy.PodDisruptionBudgetSpec.selector - replace
rbac.Role.rules atomic -
rbac.ClusterRole.rules atomic -
rbac.RoleBinding.subjects atomic -
rbac.ClusterRoleBinding.subjects atomic -
rbac.AggregationRule.clusterRoleSelectors atomic -
rbac.PolicyRule.verbs atomic -
rbac.PolicyRule.apiGroups atomic -
rbac.PolicyRule.resources atomic -
rbac.PolicyRule.resourceNames atomic -
rbac.PolicyRule.nonResourceURLs atomic -
apiextensions.CustomResourceDefinitionSpec.versions atomic -
apiextensions.CustomResourceDefinitionNames.shortNames atomic -
apiextensions.CustomResourceDefinitionNames.categories atomic -
apiextensions.CustomResourceDefinitionVersion.additionalPrinterColumns atomic -
apiextensions.CustomResourceDefinitionVersion.selectableFields atomic -
apiextensions.CustomResourceDefinitionStatus.conditions map(type) -
apiextensions.CustomResourceDefinitionStatus.storedVersions atomic -
apiextensions.JSONSchemaProps.x-kubernetes-validations map(rule) merge(rule)
apiregistration.APIServiceStatus.conditions map(type) merge(type)
storage.StorageClass.mountOptions atomic -
storage.StorageClass.allowedTopologies atomic -
autoscaling.HorizontalPodAutoscalerSpec.metrics atomic -
autoscaling.HorizontalPodAutoscalerStatus.conditions map(type) merge(type)
autoscaling.HorizontalPodAutoscalerStatus.currentMetrics atomic -
autoscaling.HPAScalingRules.policies atomic -
`;

/** Objects that server-side apply owns as one: definitions, and single fields that hold a map. */
export const ATOMIC_MAPS = `
meta.LabelSelector meta.OwnerReference core.ObjectReference core.LocalObjectReference core.TypedLocalObjectReference core.SecretReference
core.SecretKeySelector core.ConfigMapKeySelector core.ObjectFieldSelector core.ResourceFieldSelector
core.NodeSelector core.NodeSelectorTerm core.ScopeSelector core.ScopedResourceSelectorRequirement core.TopologySelectorTerm
core.EndpointAddress core.EndpointPort discovery.EndpointPort networking.ServiceBackendPort rbac.RoleRef rbac.Subject
core.PodSpec.nodeSelector core.ServiceSpec.selector core.ReplicationControllerSpec.selector
`;

/** Fields that are quantities, or maps of them. */
export const QUANTITIES = `
core.ResourceRequirements.limits core.ResourceRequirements.requests core.VolumeResourceRequirements.limits
core.VolumeResourceRequirements.requests core.EmptyDirVolumeSource.sizeLimit core.ResourceFieldSelector.divisor core.PodSpec.overhead
core.NodeStatus.capacity core.NodeStatus.allocatable core.PersistentVolumeSpec.capacity core.PersistentVolumeClaimStatus.capacity
core.PersistentVolumeClaimStatus.allocatedResources core.LimitRangeItem.max core.LimitRangeItem.min core.LimitRangeItem.default
core.LimitRangeItem.defaultRequest core.LimitRangeItem.maxLimitRequestRatio core.ResourceQuotaSpec.hard core.ResourceQuotaStatus.hard
core.ResourceQuotaStatus.used core.ContainerStatus.allocatedResources core.PodStatus.allocatedResources
autoscaling.MetricTarget.averageValue autoscaling.MetricTarget.value autoscaling.MetricValueStatus.averageValue
autoscaling.MetricValueStatus.value autoscaling.HPAScalingRules.tolerance
`;

/** Defaults that merging must know, because they are part of a list's key. */
export const DEFAULTS: Record<string, unknown> = {
  'core.ContainerPort.protocol': 'TCP',
  'core.ServicePort.protocol': 'TCP',
};

/** Fields that the models have and 1.33 had not, or only behind a gate that was off: unknown to this server. */
export const ABSENT = `
core.Container.restartPolicyRules core.EphemeralContainer.restartPolicyRules core.PodSpec.schedulingGroup
core.PodSpec.hostnameOverride core.EnvVarSource.fileKeyRef core.VolumeProjection.podCertificate
core.PodStatus.extendedResourceClaimStatus core.PodStatus.nodeAllocatableResourceClaimStatuses core.PodStatus.allocatedResources
core.VolumeMountStatus.volumeStatus core.PodStatus.resources core.NodeStatus.declaredFeatures meta.ListMeta.shardInfo
`;
