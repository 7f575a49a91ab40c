//! The keys that Istio's charts know, of Istio 1.31: those of their `values.yaml`, templates and schemas, and of what istiod and its proxies read out of
//! them (`MeshConfig` and `ProxyConfig` of istio.io/api, the variables of `pilot-agent`). Keys of earlier versions that `lint` reports as dead are left to
//! it. Where a path isn't listed, what is below it is up to the user.

/// A path, and the keys that can be below it.
pub(super) type Known = (&'static [&'static str], &'static str);

/// Of the chart `istiod`.
pub(super) const ISTIOD: &[Known] = &[
    (
        &[],
        "affinity autoscaleBehavior autoscaleEnabled autoscaleMax autoscaleMin base cni compatibilityVersion configMap \
         crlConfigMapName cpu defaults deploymentAnnotations deploymentLabels env envVarFrom experimental extraContainerArgs \
         gatewayClasses gateways global hub image initContainers ipFamilies ipFamilyPolicy istio_cni istiocoredns istiodRemote \
         jwksResolverExtraRootCA keepaliveMaxServerConnectionAge memory meshConfig nodeSelector ownerName pdb pilot platform \
         podAnnotations podLabels profile replicaCount resources revision revisionTags rollingMaxSurge rollingMaxUnavailable \
         seccompProfile serviceAccountAnnotations serviceAnnotations sidecarInjectorWebhook sidecarInjectorWebhookAnnotations \
         spec tag taint telemetry tolerations topologySpreadConstraints traceSampling trustedZtunnelName \
         trustedZtunnelNamespace variant volumeMounts volumes",
    ),
    (
        &["global"],
        "agentgateway autoscalingv2API caAddress caName certSigners configCluster configRootNamespace configValidation \
         controlPlaneSecurityEnabled defaultNodeSelector defaultPodDisruptionBudget defaultResources defaultTolerations \
         enableTracing externalIstiod hub imagePullPolicy imagePullSecrets ipFamilies ipFamilyPolicy istioNamespace istiod \
         jwtPolicy localityLbSetting logAsJson logging meshExpansion meshID meshNetworks mesh_id mountMtlsCerts mtls \
         multiCluster nativeNftables network networkPolicy omitSidecarInjectorConfigMap operatorManageWebhooks \
         outboundTrafficPolicy pilotCertProvider platform priorityClassName proxy proxy_init remotePilotAddress resourceScope \
         sds sts tag tracer trustBundleName trustDomain trustDomainAliases variant waypoint",
    ),
    (
        &["meshConfig"],
        "accessLogEncoding accessLogFile accessLogFormat ca caCertificates certificates configSources connectTimeout \
         defaultConfig defaultDestinationRuleExportTo defaultHttpRetryPolicy defaultProviders defaultServiceExportTo \
         defaultTrafficPolicy defaultVirtualServiceExportTo disableEnvoyListenerLog discoverySelectors dnsRefreshRate \
         enableAutoMtls enableEnvoyAccessLogService enablePrometheusMerge enableTracing extensionProviders h2UpgradePolicy \
         hboneIdleTimeout holdApplicationUntilProxyStarts inboundClusterStatName inboundTrafficPolicy ingressClass \
         ingressControllerMode ingressSelector ingressService localityLbSetting meshMTLS outboundClusterStatName \
         outboundTrafficPolicy pathNormalization protocolDetectionTimeout proxyHttpPort proxyInboundListenPort proxyListenPort \
         rootNamespace serviceEntryVisibility serviceScopeConfigs serviceSettings tcpKeepalive tlsDefaults trustDomain \
         trustDomainAliases verifyCertificateAtClient zoneAwareLbSetting",
    ),
    (&["global", "multiCluster"], "clusterName enabled globalDomainSuffix includeEnvoyFilter"),
    (
        &["global", "proxy"],
        "accessLogFile accessLogFormat autoInject capNetBindService clusterDomain componentLogLevel concurrency excludeIPRanges \
         excludeInboundPorts excludeOutboundPorts holdApplicationUntilProxyStarts image includeIPRanges includeInboundPorts \
         includeOutboundPorts lifecycle logLevel outlierLogPath privileged readinessFailureThreshold \
         readinessInitialDelaySeconds readinessPeriodSeconds resources seccompProfile startupProbe statusPort tracer variant",
    ),
    (&["global", "proxy_init"], "forceApplyIptables image resources"),
    (
        &["meshConfig", "defaultConfig"],
        "availabilityZone binaryPath caCertificatesPem concurrency configPath connectionSettings controlPlaneAuthPolicy \
         customConfigFile discoveryAddress discoveryRefreshDelay drainDuration envoyAccessLogService envoyMetricsService \
         envoyMetricsServiceAddress extraStatTags fileFlushInterval fileFlushMinSizeKb gatewayTopology \
         holdApplicationUntilProxyStarts image interceptionMode meshId privateKeyProvider proxyAdminPort \
         proxyBootstrapTemplatePath proxyHeaders proxyMetadata proxyStatsMatcher readinessProbe runtimeValues sds \
         serviceCluster statNameLength statsCompression statsdUdpAddress statusPort terminationDrainDuration tracing \
         tracingServiceName zipkinAddress",
    ),
    (&["meshConfig", "defaultConfig", "gatewayTopology"], "forwardClientCertDetails numTrustedProxies proxyProtocol"),
    (
        &["meshConfig", "defaultConfig", "proxyMetadata"],
        "CREDENTIAL_FETCHER_TYPE CREDENTIAL_IDENTITY_PROVIDER DNS_FORWARD_PARALLEL DNS_PROXY_ADDR ENVOY_PROMETHEUS_PORT \
         ENVOY_STATUS_PORT EXIT_ON_ZERO_ACTIVE_CONNECTIONS ISTIO_META_AUTO_REGISTER_GROUP ISTIO_META_CERT_SIGNER \
         ISTIO_META_CLUSTER_ID ISTIO_META_DISABLE_HBONE_SEND ISTIO_META_DNS_AUTO_ALLOCATE ISTIO_META_DNS_CAPTURE \
         ISTIO_META_ENABLE_DNS_SERVER ISTIO_META_ENABLE_HBONE ISTIO_META_ENABLE_SELF_DISCOVERY \
         ISTIO_META_GLOBAL_DOWNSTREAM_MAX_CONNECTIONS ISTIO_META_HTTP10 ISTIO_META_IDLE_TIMEOUT ISTIO_META_INTERCEPTION_MODE \
         ISTIO_META_MESH_ID ISTIO_META_NETWORK ISTIO_META_REQUESTED_NETWORK_VIEW ISTIO_META_ROUTER_MODE \
         ISTIO_META_TLS_CLIENT_CERT_CHAIN ISTIO_META_TLS_CLIENT_KEY ISTIO_META_TLS_CLIENT_ROOT_CERT \
         ISTIO_META_TLS_SERVER_CERT_CHAIN ISTIO_META_TLS_SERVER_KEY ISTIO_META_TLS_SERVER_ROOT_CERT MINIMUM_DRAIN_DURATION \
         OUTPUT_CERTS PEER_METADATA_DISCOVERY PROV_CERT PROXY_CONFIG_XDS_AGENT SECRET_GRACE_PERIOD_RATIO \
         SECRET_GRACE_PERIOD_RATIO_JITTER SECRET_TTL TRUST_DOMAIN WASM_HTTP_REQUEST_TIMEOUT WASM_INSECURE_REGISTRIES \
         WASM_MODULE_EXPIRY WASM_PURGE_INTERVAL WORKLOAD_RSA_KEY_SIZE",
    ),
    (&["meshConfig", "outboundTrafficPolicy"], "mode tls"),
    (&["meshConfig", "localityLbSetting"], "distribute enabled failover failoverPriority"),
    (&["meshConfig", "defaultProviders"], "accessLogging metrics tracing"),
    (&["meshConfig", "meshMTLS"], "cipherSuites ecdhCurves minProtocolVersion"),
    (
        &["sidecarInjectorWebhook"],
        "alwaysInjectSelector defaultTemplates enableNamespacesByDefault injectedAnnotations neverInjectSelector \
         reinvocationPolicy rewriteAppHTTPProbe templates",
    ),
    (&["cni"], "chained enabled provider"),
];

/// Of the chart `gateway`.
pub(super) const GATEWAY: &[Known] = &[
    (
        &[],
        "additionalContainers affinity annotations autoscaling compatibilityVersion containerSecurityContext defaultRevision \
         dnsConfig dnsPolicy enabled env envVarFrom global imagePullPolicy imagePullSecrets initContainers kind labels \
         lifecycle minReadySeconds name networkGateway networkGatewayPorts nodeSelector pilot platform podAnnotations \
         podDisruptionBudget priorityClassName profile rbac readinessProbe replicaCount resources revision runAsRoot \
         securityContext service serviceAccount strategy terminationGracePeriodSeconds tolerations topologySpreadConstraints \
         unprivilegedPort volumeMounts volumes",
    ),
    (
        &["service"],
        "allocateLoadBalancerNodePorts annotations clusterIP externalIPs externalTrafficPolicy healthCheckNodePort \
         internalTrafficPolicy ipFamilies ipFamilyPolicy loadBalancerClass loadBalancerIP loadBalancerSourceRanges ports \
         selectorLabels type",
    ),
    (
        &["autoscaling"],
        "autoscaleBehavior enabled maxReplicas minReplicas targetCPUUtilizationPercentage targetMemoryUtilizationPercentage",
    ),
    (&["serviceAccount"], "annotations create name"),
    (&["podDisruptionBudget"], "maxUnavailable minAvailable unhealthyPodEvictionPolicy"),
    (&["global"], "networkPolicy"),
];

/// Of the chart `base`.
pub(super) const BASE: &[Known] = &[
    (&[], "base compatibilityVersion defaultRevision defaults experimental global platform profile revision"),
    (&["base"], "enableCRDTemplates enableIstioConfigCRDs excludedCRDs validationCABundle validationFailurePolicy validationURL"),
    (&["global"], "enableReaderRBAC imagePullSecrets istioNamespace resourceScope"),
];
