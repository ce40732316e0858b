// SPDX-License-Identifier: Apache-2.0
//
// Values of the chart: those that must be taken, with the Secrets that they name, and those that must not, with what is said.

import { keyPair, makeSecret } from '../../harness/jwt.mjs';

const admin = { adminKeys: { existingSecret: 'admin' } };
const redis = { ...admin, config: { bus: 'redis://redis.data:6380/2' } };
const jwt = { jwt: { existingSecret: 'jwt', publicKeys: ['a.pem', 'b.pem'] } };
const production = {
  ...admin,
  ...jwt,
  replicas: 3,
  redis: { existingSecret: 'redis', urlKey: 'url' },
  config: { auth: 'jwt', trusted_proxy: ['10.0.0.0/8'], origin: ['https://app.example.com'] },
};
const scaled = { minReplicas: 2, maxReplicas: 6 };

export const secrets = {
  admin: { 'api-keys': 'a-key-of-the-admin-listener\n', other: 'another-key-of-the-admin-listener\n' },
  jwt: { 'a.pem': keyPair('RS256').publicPem, 'b.pem': keyPair('ES256').publicPem, hmac: makeSecret() },
  redis: { url: 'redis://spillway:secret@redis:6379', user: 'spillway', password: 'p%40ss' },
  token: { token: 'a.b.c' },
};

export const taken = {
  'nothing said': {},
  'as in production': production,
  'as in production, seen from outside': {
    ...production,
    ingress: {
      enabled: true,
      className: 'nginx',
      annotations: { 'example.com/name': '{{ .Release.Name }}' },
      hosts: [{ host: '{{ .Release.Name }}.example.com', paths: [{ path: '/v1', pathType: 'Prefix' }] }, { host: 'b.example.com' }],
      tls: [{ secretName: 'front', hosts: ['b.example.com'] }],
    },
    service: { type: 'LoadBalancer', externalTrafficPolicy: 'Local', loadBalancerSourceRanges: ['192.0.2.0/24'], nodePort: 30080 },
  },
  'a route of the Gateway API': {
    ...production,
    httpRoute: { enabled: true, parentRefs: [{ name: 'public', namespace: 'gateways' }], hostnames: ['a.example.com'] },
    service: { appProtocol: 'kubernetes.io/ws', clusterIP: 'None' },
  },
  'a route with times': {
    ...production,
    httpRoute: {
      enabled: true,
      parentRefs: [{ name: 'public' }],
      timeouts: { request: '0s' },
      filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: { remove: ['x-debug'] } }],
    },
  },
  'all that is watched, by Services': {
    ...redis,
    metrics: {
      serviceMonitor: { enabled: true, labels: { release: 'prometheus' }, metricRelabelings: [{ action: 'labeldrop', regex: 'instance' }] },
      prometheusRule: { enabled: true },
      dashboard: { enabled: true },
      scrapeAnnotations: true,
    },
  },
  'watched by pods': { ...redis, metrics: { podMonitor: { enabled: true, interval: '30s', relabelings: [{ targetLabel: 'a', replacement: 'b' }] } } },
  'scaled by connections and CPU': { ...redis, autoscaling: { ...scaled, enabled: true, cpuUtilization: 70 } },
  'scaled by KEDA': { ...redis, autoscaling: scaled, keda: { enabled: true, serverAddress: 'http://prometheus.monitoring:9090' } },
  'scaled by KEDA, with a fallback': {
    ...redis,
    autoscaling: scaled,
    keda: { enabled: true, serverAddress: 'http://prometheus.monitoring:9090', query: 'sum(x{ns="{{ .Release.Namespace }}"})', fallbackReplicas: 4 },
  },
  'a Redis for trying out, without keys': { replicas: 2, redis: { tryout: { enabled: true } } },
  'a Redis for trying out': { ...admin, replicas: 2, redis: { tryout: { enabled: true } } },
  'user and password for Redis': {
    ...redis,
    redis: { existingSecret: '{{ "redis" }}', usernameKey: 'user', passwordKey: 'password' },
    networkPolicy: { redisPorts: [6380], redisTo: [{ ipBlock: { cidr: '10.1.0.0/16' } }], adminFrom: [{ namespaceSelector: {} }] },
  },
  'a secret for tokens, and a token for the test': {
    ...admin,
    config: { auth: 'jwt', jwt_issuer: 'https://id.example.com' },
    jwt: { existingSecret: 'jwt', secretKey: 'hmac' },
    tests: { tokenSecret: { name: 'token' } },
  },
  'TLS in the pod': { ...production, tls: { existingSecret: 'tls' }, podDisruptionBudget: { minAvailable: '50%', maxUnavailable: '' } },
  'topic rules': {
    config: {
      topics: [
        { match: 'ticker.>', mode: 'latest', max_hz: 10 },
        { match: 'orders.>', history: { size: 1000, ttl_ms: 600000 } },
        { match: 'price.*', retain: true },
      ],
    },
  },
  'listeners of one\'s own': {
    ...redis,
    config: { ...redis.config, listen: ['[::]:8443', '0.0.0.0:8080'], admin_listen: '[::]:9100' },
    adminKeys: { existingSecret: 'admin', key: 'other' },
  },
  'much that is one\'s own': {
    ...redis,
    global: { imageRegistry: 'registry.example.com', imagePullSecrets: ['pull'] },
    imagePullSecrets: ['pull', 'more'],
    image: { digest: `sha256:${'0'.repeat(64)}`, pullPolicy: 'IfNotPresent' },
    fullnameOverride: 'hub',
    commonLabels: { team: 'push' },
    commonAnnotations: { owner: '{{ .Release.Name }}' },
    deploymentAnnotations: { a: 'b' },
    podAnnotations: { 'reloader.example.com/auto': 'true' },
    podLabels: { tier: 'edge' },
    extraEnv: [{ name: 'SPILLWAY_LOG_LEVEL', value: 'debug' }, { name: 'NAMESPACE', value: '{{ .Release.Namespace }}' }],
    extraEnvFrom: [{ configMapRef: { name: 'more' } }],
    extraVolumes: [{ name: 'more', emptyDir: {} }],
    extraVolumeMounts: [{ name: 'more', mountPath: '/more' }],
    initContainers: [{ name: 'first', image: 'first:1', securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] }, readOnlyRootFilesystem: true } }],
    extraContainers: [{ name: 'beside', image: 'beside:1', securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] }, readOnlyRootFilesystem: true } }],
    hostAliases: [{ ip: '192.0.2.1', hostnames: ['redis.data'] }],
    dnsPolicy: 'ClusterFirst',
    dnsConfig: { options: [{ name: 'ndots', value: '2' }] },
    priorityClassName: 'high',
    runtimeClassName: 'gvisor',
    nodeSelector: { disk: 'ssd' },
    tolerations: [{ key: 'edge', operator: 'Exists' }],
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['a'] }] }] } } },
    topologySpreadConstraints: [{ maxSkew: 2, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' }],
    podSecurityContext: { runAsUser: 1000650000, runAsGroup: 1000650000, fsGroup: 1000650000, sysctls: [{ name: 'net.ipv4.tcp_fin_timeout', value: '30' }] },
    serviceAccount: { create: true, name: 'own' },
    extraObjects: [
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: '{{ .Release.Name }}-more' }, data: { a: 'b' } },
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}-text}\ndata: {a: b}',
    ],
    terminationGracePeriodSeconds: 120,
    networkPolicy: { enabled: true, publicFrom: [{ namespaceSelector: {} }], extraEgress: [{ ports: [{ port: 443 }] }] },
  },
};

// What is refused: [values, what must be said].
export const refused = {
  // Typos, by the schema, which names them.
  'an unknown value': [{ replica: 2 }, /'?replica'? (is )?not allowed/],
  'an unknown setting': [{ config: { drain_delay: 5 } }, /'?drain_delay'? (is )?not allowed/],
  'an unknown key of a rule': [{ config: { topics: [{ match: 'a', histroy: {} }] } }, /'?histroy'? (is )?not allowed/],
  'an unknown value of a group': [{ adminKeys: { secret: 'x' } }, /'?secret'? (is )?not allowed/],
  'an unknown value deep inside': [{ autoscaling: { scaleDown: { window: 5 } } }, /'?window'? (is )?not allowed/],
  'a loosened security context': [{ podSecurityContext: { runAsNonRoot: false } }, /'?runAsNonRoot'? (is )?not allowed/],
  'root': [{ podSecurityContext: { runAsUser: 0 } }, /runAsUser.*(minimum|greater than or equal to) ?:? ?.*1/],
  'a number out of its range': [{ config: { workers: 65 } }, /workers.*(maximum|less than or equal to)/],
  'a word for a number': [{ config: { drain_ms: '10s' } }, /drain_ms.*(Invalid type|want integer)/],
  'a word that there is not': [{ config: { log_level: 'loud' } }, /log_level.*must be one of/],
  'a key file without .pem': [{ jwt: { existingSecret: 'jwt', publicKeys: ['a.key'] } }, /publicKeys.*pattern/],
  // Contradictions, by the chart, with the fix.
  'replicas without Redis': [{ replicas: 2 }, /replicas above 1 need a bus that they share.*set config\.bus to redis:/],
  'scaling without Redis': [{ ...admin, autoscaling: { enabled: true } }, /need a bus that pods share.*set config\.bus/],
  'two Redis': [{ ...redis, redis: { tryout: { enabled: true } } }, /redis\.tryout\.enabled.*leave one of the two out/],
  'Redis over TLS': [{ ...admin, config: { bus: 'rediss://redis:6380' } }, /only redis:\/\/ is supported.*extraContainers/],
  'a password that all could read': [{ ...admin, config: { bus: 'redis://:p@redis:6379' } }, /put it into a Secret.*redis\.existingSecret/],
  'a Secret without a key of it': [{ ...admin, redis: { existingSecret: 'redis' } }, /redis\.urlKey .* or redis\.passwordKey/],
  'a key without a Secret': [{ ...admin, redis: { urlKey: 'url' } }, /set redis\.existingSecret/],
  'a URL twice': [{ ...redis, redis: { existingSecret: 'redis', urlKey: 'url' } }, /redis\.urlKey is the whole URL: leave out config\.bus/],
  'a user without a password': [{ ...redis, redis: { existingSecret: 'redis', usernameKey: 'user' } }, /redis\.urlKey .* or redis\.passwordKey/],
  'a password for nobody': [{ ...admin, redis: { existingSecret: 'redis', passwordKey: 'password' } }, /set config\.bus to redis:\/\/HOST:PORT/],
  'an open admin listener without keys': [{ config: { admin_listen: '0.0.0.0:9000' } }, /needs adminKeys\.existingSecret.*kubectl create secret/],
  'keys for a hidden admin listener': [{ ...admin, config: { admin_listen: '127.0.0.1:9000' } }, /leave it out, or leave out adminKeys/],
  'a file of keys': [{ config: { api_key_file: '/keys' } }, /name it in adminKeys\.existingSecret/],
  'tokens without keys': [{ config: { auth: 'jwt' } }, /needs a key: set jwt\.existingSecret/],
  'keys of no Secret': [{ config: { auth: 'jwt' }, jwt: { publicKeys: ['a.pem'] } }, /set jwt\.existingSecret/],
  'a Secret for tokens without a key of it': [{ config: { auth: 'jwt' }, jwt: { existingSecret: 'jwt' } }, /jwt\.secretKey or jwt\.publicKeys/],
  'keys for tokens that nobody needs': [{ ...jwt }, /set config\.auth to jwt, or leave jwt out/],
  'keys for tokens twice': [{ ...jwt, config: { auth: 'jwt', jwt_secret_file: '/s' } }, /leave one of the two out/],
  'a certificate twice': [{ tls: { existingSecret: 'tls' }, config: { tls_cert: '/c' } }, /leave one of the two out/],
  'an Ingress for anybody': [{ ingress: { enabled: true, hosts: [{ host: 'a' }] } }, /ingress\.enabled opens.*set config\.auth to jwt/],
  'a route for anybody': [{ httpRoute: { enabled: true, parentRefs: [{ name: 'a' }] } }, /httpRoute\.enabled opens.*set config\.auth to jwt/],
  'a balancer for anybody': [{ service: { type: 'LoadBalancer' } }, /service\.type: LoadBalancer opens.*set config\.auth to jwt/],
  'an Ingress for no host': [{ ...production, ingress: { enabled: true } }, /ingress\.enabled needs ingress\.hosts/],
  'a route from nowhere': [{ ...production, httpRoute: { enabled: true } }, /httpRoute\.enabled needs httpRoute\.parentRefs/],
  'less grace than draining takes': [{ terminationGracePeriodSeconds: 30 }, /30 is less than the 39 s that config\.drain_delay_ms.*leave it 0, or shorten those/],
  'longer draining than the grace': [{ terminationGracePeriodSeconds: 60, config: { drain_ms: 60000 } }, /60 is less than the 79 s/],
  'no time to drain said': [{ config: { drain_ms: null } }, /drain_ms/],
  'a rollout that cannot end': [{ rollout: { minReadySeconds: 600 } }, /must be above rollout\.minReadySeconds.*raise it/],
  'a rollout that cannot begin': [{ rollout: { maxSurge: 0 } }, /both 0.*raise one of the two/],
  'two scalers': [
    { ...redis, autoscaling: { enabled: true }, keda: { enabled: true, serverAddress: 'http://p:9090' } },
    /would both set the number of pods: leave one of the two out/,
  ],
  'more at least than at most': [{ ...redis, autoscaling: { enabled: true, minReplicas: 20 } }, /above autoscaling\.maxReplicas: lower it/],
  'nothing to scale by': [{ ...redis, autoscaling: { enabled: true, connectionsPerPod: 0 } }, /set autoscaling\.connectionsPerPod or/],
  'connections that nobody can count': [{ config: redis.config, autoscaling: { enabled: true } }, /connections.*adminKeys\.existingSecret/],
  'KEDA without a Prometheus': [{ ...redis, keda: { enabled: true } }, /keda\.enabled needs keda\.serverAddress/],
  'both bounds of a budget': [{ podDisruptionBudget: { minAvailable: 1 } }, /exactly one of minAvailable and maxUnavailable: set the other one to \\?"\\?"/],
  'no bound of a budget': [{ podDisruptionBudget: { maxUnavailable: '' } }, /exactly one of/],
  'a budget that is used up': [{ podDisruptionBudget: { minAvailable: 1, maxUnavailable: '' } }, /not below the number of pods \(1\).*lower it/],
  'a budget of nothing': [{ podDisruptionBudget: { maxUnavailable: 0 } }, /raise it/],
  'both monitors': [{ ...admin, metrics: { serviceMonitor: { enabled: true }, podMonitor: { enabled: true } } }, /count everything twice/],
  'a monitor of a hidden listener': [{ metrics: { serviceMonitor: { enabled: true } } }, /metrics\.serviceMonitor needs adminKeys\.existingSecret/],
  'annotations for a hidden listener': [{ metrics: { scrapeAnnotations: true } }, /metrics\.scrapeAnnotations needs adminKeys\.existingSecret/],
};
