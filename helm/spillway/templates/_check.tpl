{{- /* What contradicts itself is refused before anything is made, with the fix. The shape of values is values.schema.json's. */ -}}
{{- define "spillway.check" -}}
{{- include "spillway.checkBus" . -}}
{{- include "spillway.checkKeys" . -}}
{{- include "spillway.checkPublic" . -}}
{{- include "spillway.checkTimes" . -}}
{{- include "spillway.checkScale" . -}}
{{- include "spillway.checkMetrics" . -}}
{{- end -}}

{{- define "spillway.checkBus" -}}
{{- $bus := .Values.config.bus | default "" -}}
{{- $redis := .Values.redis -}}
{{- if and $redis.tryout.enabled (or $bus $redis.existingSecret) -}}
{{- fail "redis.tryout.enabled makes a Redis of its own, and config.bus or redis.existingSecret names another one: leave one of the two out" -}}
{{- end -}}
{{- if regexMatch "^(rediss|redis-sentinel|redis-cluster)://" $bus -}}
{{- fail "config.bus: only redis:// is supported by this version; for TLS put a proxy that speaks it beside the gateway (extraContainers) and name that" -}}
{{- end -}}
{{- if contains "@" $bus -}}
{{- fail "config.bus holds a user or a password, and would stand in a ConfigMap: put it into a Secret and name that in redis.existingSecret with redis.urlKey (the whole URL) or redis.passwordKey" -}}
{{- end -}}
{{- if and $redis.existingSecret (not $redis.urlKey) (not $redis.passwordKey) -}}
{{- fail "redis.existingSecret needs a key of that Secret: redis.urlKey (the whole URL) or redis.passwordKey" -}}
{{- end -}}
{{- if and (or $redis.urlKey $redis.usernameKey $redis.passwordKey) (not $redis.existingSecret) -}}
{{- fail "redis.urlKey, redis.usernameKey and redis.passwordKey are keys of a Secret: set redis.existingSecret" -}}
{{- end -}}
{{- if and $redis.urlKey (or $bus $redis.usernameKey $redis.passwordKey) -}}
{{- fail "redis.urlKey is the whole URL: leave out config.bus, redis.usernameKey and redis.passwordKey" -}}
{{- end -}}
{{- if and $redis.usernameKey (not $redis.passwordKey) -}}
{{- fail "redis.usernameKey needs redis.passwordKey" -}}
{{- end -}}
{{- if and $redis.passwordKey (not (hasPrefix "redis://" $bus)) -}}
{{- fail "redis.passwordKey is for a Redis that config.bus names: set config.bus to redis://HOST:PORT" -}}
{{- end -}}
{{- end -}}

{{- define "spillway.checkKeys" -}}
{{- $config := .Values.config -}}
{{- $loopback := regexMatch "^(127\\.|\\[::1\\])" (include "spillway.adminListen" .) -}}
{{- if and (not .Values.adminKeys.existingSecret) (not $loopback) -}}
{{- fail "config.admin_listen is not on loopback: it needs adminKeys.existingSecret. Make one: kubectl create secret generic spillway-admin --from-literal=api-keys=$(openssl rand -hex 32)" -}}
{{- end -}}
{{- if and .Values.adminKeys.existingSecret $loopback -}}
{{- fail "config.admin_listen is on loopback, where probes and the admin Service do not reach it: leave it out, or leave out adminKeys.existingSecret" -}}
{{- end -}}
{{- if $config.api_key_file -}}
{{- fail "config.api_key_file is what adminKeys sets: put the keys into a Secret and name it in adminKeys.existingSecret" -}}
{{- end -}}
{{- $jwt := or .Values.jwt.secretKey .Values.jwt.publicKeys -}}
{{- $files := or $config.jwt_secret_file $config.jwt_key_file -}}
{{- if and $jwt (not .Values.jwt.existingSecret) -}}
{{- fail "jwt.secretKey and jwt.publicKeys are keys of a Secret: set jwt.existingSecret" -}}
{{- end -}}
{{- if and .Values.jwt.existingSecret (not $jwt) -}}
{{- fail "jwt.existingSecret needs a key of that Secret: jwt.secretKey or jwt.publicKeys" -}}
{{- end -}}
{{- if and $jwt $files -}}
{{- fail "config.jwt_secret_file and config.jwt_key_file are what jwt sets: leave one of the two out" -}}
{{- end -}}
{{- if and (eq $config.auth "jwt") (not $jwt) (not $files) -}}
{{- fail "config.auth: jwt needs a key: set jwt.existingSecret, and jwt.secretKey or jwt.publicKeys" -}}
{{- end -}}
{{- if and (eq $config.auth "none") (or $jwt $files) -}}
{{- fail "config.auth: none lets anybody connect, and there are keys for tokens: set config.auth to jwt, or leave jwt out" -}}
{{- end -}}
{{- if and .Values.tls.existingSecret (or $config.tls_cert $config.tls_key) -}}
{{- fail "config.tls_cert and config.tls_key are what tls.existingSecret sets: leave one of the two out" -}}
{{- end -}}
{{- end -}}

{{- define "spillway.checkPublic" -}}
{{- if eq .Values.config.auth "none" -}}
{{- $open := ternary "ingress.enabled" "" .Values.ingress.enabled -}}
{{- $open = ternary "httpRoute.enabled" $open .Values.httpRoute.enabled -}}
{{- $open = ternary (printf "service.type: %s" .Values.service.type) $open (ne .Values.service.type "ClusterIP") -}}
{{- with $open -}}
{{- fail (printf "%s opens the cluster's door, and config.auth: none lets anybody in: set config.auth to jwt with a key in jwt" .) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- fail "ingress.enabled needs ingress.hosts, as in [{host: push.example.com}]" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.enabled needs httpRoute.parentRefs, as in [{name: public, namespace: gateways}]" -}}
{{- end -}}
{{- end -}}

{{- define "spillway.checkTimes" -}}
{{- $needed := include "spillway.grace" . | int -}}
{{- $given := int .Values.terminationGracePeriodSeconds -}}
{{- if and $given (lt $given $needed) -}}
{{- fail (printf "terminationGracePeriodSeconds: %d is less than the %d s that config.drain_delay_ms, config.drain_ms and config.linger_ms ask for; clients would be cut off: leave it 0, or shorten those" $given $needed) -}}
{{- end -}}
{{- if le (int .Values.rollout.progressDeadlineSeconds) (int .Values.rollout.minReadySeconds) -}}
{{- fail "rollout.progressDeadlineSeconds must be above rollout.minReadySeconds, or no rollout ever succeeds: raise it" -}}
{{- end -}}
{{- if and (eq (toString .Values.rollout.maxSurge) "0") (eq (toString .Values.rollout.maxUnavailable) "0") -}}
{{- fail "rollout.maxSurge and rollout.maxUnavailable are both 0, and no pod could be replaced: raise one of the two" -}}
{{- end -}}
{{- end -}}

{{- define "spillway.checkScale" -}}
{{- $memory := eq (include "spillway.busKind" .) "memory" -}}
{{- $scaled := or .Values.autoscaling.enabled .Values.keda.enabled -}}
{{- $least := ternary (int .Values.autoscaling.minReplicas) (int .Values.replicas) $scaled -}}
{{- if and $memory (gt (int .Values.replicas) 1) -}}
{{- fail "replicas above 1 need a bus that they share, and the embedded one is inside each pod: set config.bus to redis://HOST:PORT, or redis.existingSecret, or to try it out redis.tryout.enabled" -}}
{{- end -}}
{{- if and $memory $scaled -}}
{{- fail "autoscaling.enabled and keda.enabled need a bus that pods share, and the embedded one is inside each pod: set config.bus to redis://HOST:PORT, or redis.existingSecret" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled .Values.keda.enabled -}}
{{- fail "autoscaling.enabled and keda.enabled would both set the number of pods: leave one of the two out" -}}
{{- end -}}
{{- if and $scaled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas is above autoscaling.maxReplicas: lower it" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (not .Values.autoscaling.connectionsPerPod) (not .Values.autoscaling.cpuUtilization) -}}
{{- fail "autoscaling.enabled needs something to look at: set autoscaling.connectionsPerPod or autoscaling.cpuUtilization" -}}
{{- end -}}
{{- if and $scaled .Values.autoscaling.connectionsPerPod (not .Values.adminKeys.existingSecret) -}}
{{- fail "scaling by connections needs adminKeys.existingSecret: without keys the metrics stay inside the pod; or set autoscaling.connectionsPerPod to 0 and use cpuUtilization" -}}
{{- end -}}
{{- if and .Values.keda.enabled (or (not .Values.keda.serverAddress) (not .Values.autoscaling.connectionsPerPod)) -}}
{{- fail "keda.enabled needs keda.serverAddress, as in http://prometheus.monitoring:9090, and autoscaling.connectionsPerPod" -}}
{{- end -}}
{{- with .Values.podDisruptionBudget -}}
{{- $least_set := ne (toString .minAvailable) "" -}}
{{- $most_set := ne (toString .maxUnavailable) "" -}}
{{- if and .enabled (eq $least_set $most_set) -}}
{{- fail "podDisruptionBudget takes exactly one of minAvailable and maxUnavailable: set the other one to \"\"" -}}
{{- end -}}
{{- if and .enabled $least_set (not (kindIs "string" .minAvailable)) (ge (int .minAvailable) $least) -}}
{{- fail (printf "podDisruptionBudget.minAvailable: %d is not below the number of pods (%d), and no node of the cluster could ever be drained: lower it, or use maxUnavailable" (int .minAvailable) $least) -}}
{{- end -}}
{{- if and .enabled (eq (toString .maxUnavailable) "0") -}}
{{- fail "podDisruptionBudget.maxUnavailable: 0 would never let a node of the cluster be drained: raise it" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "spillway.checkMetrics" -}}
{{- $metrics := .Values.metrics -}}
{{- if and $metrics.serviceMonitor.enabled $metrics.podMonitor.enabled -}}
{{- fail "metrics.serviceMonitor and metrics.podMonitor would count everything twice: leave one of the two out" -}}
{{- end -}}
{{- if not .Values.adminKeys.existingSecret -}}
{{- range $name := list "serviceMonitor" "podMonitor" "prometheusRule" "dashboard" -}}
{{- if (index $metrics $name).enabled -}}
{{- fail (printf "metrics.%s needs adminKeys.existingSecret: without keys the admin listener, where the metrics are, stays inside the pod" $name) -}}
{{- end -}}
{{- end -}}
{{- if $metrics.scrapeAnnotations -}}
{{- fail "metrics.scrapeAnnotations needs adminKeys.existingSecret: without keys the admin listener, where the metrics are, stays inside the pod" -}}
{{- end -}}
{{- end -}}
{{- end -}}
