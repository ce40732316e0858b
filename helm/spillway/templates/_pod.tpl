{{- /* What every pod of this chart has in common: Pod Security "restricted" and no way to the API. Takes a dict: root, user (a map). */ -}}
{{- define "spillway.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  seccompProfile: {type: RuntimeDefault}
  {{- toYaml .user | nindent 2 }}
{{- end -}}

{{- define "spillway.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{- /* The kubelet asks the admin listener, or where that is inside the pod the binary does. Takes a list: the root, live or ready,
       the numbers of the probe. */ -}}
{{- define "spillway.probe" -}}
{{- $root := index . 0 -}}
{{- if not (include "spillway.keyless" $root) -}}
httpGet: {path: /{{ index . 1 }}, port: admin}
{{- else -}}
exec:
  command:
    - {{ include "spillway.binary" . }}
    - health
    {{- if eq (index . 1) "ready" }}
    - --ready
    {{- end }}
    - {{ printf "--admin-url=%s" (include "spillway.adminUrl" $root) | quote }}
{{- end }}
{{ toYaml (index . 2) }}
{{- end -}}

{{- /* Variables that hold what is secret. REDIS_* come first, since SPILLWAY_BUS is made of them. */ -}}
{{- define "spillway.env" -}}
{{- $secret := tpl .Values.redis.existingSecret . | quote -}}
{{- $kind := include "spillway.busKind" . -}}
{{- if eq $kind "secret" }}
- name: SPILLWAY_BUS
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ .Values.redis.urlKey | quote }}}}
{{- else if eq $kind "password" }}
{{- with .Values.redis.usernameKey }}
- name: REDIS_USERNAME
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ . | quote }}}}
{{- end }}
- name: REDIS_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ .Values.redis.passwordKey | quote }}}}
- name: SPILLWAY_BUS
  value: {{ printf "redis://%s:$(REDIS_PASSWORD)@%s" (ternary "$(REDIS_USERNAME)" "" (ne .Values.redis.usernameKey "")) (trimPrefix "redis://" .Values.config.bus) }}
{{- end }}
{{- with .Values.extraEnv }}
{{ include "spillway.render" (list . $) }}
{{- end }}
{{- end -}}

{{- define "spillway.mounts" -}}
- {name: config, mountPath: /etc/spillway, readOnly: true}
{{- if .Values.adminKeys.existingSecret }}
- {name: admin, mountPath: /run/spillway/admin, readOnly: true}
{{- end }}
{{- if .Values.jwt.existingSecret }}
- {name: jwt, mountPath: /run/spillway/jwt, readOnly: true}
{{- end }}
{{- if .Values.tls.existingSecret }}
- {name: tls, mountPath: /run/spillway/tls, readOnly: true}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ include "spillway.render" (list . $) }}
{{- end }}
{{- end -}}

{{- /* A Secret that lacks a key keeps the pod from starting, and Kubernetes says which. */ -}}
{{- define "spillway.volumes" -}}
- name: config
  configMap: {name: {{ include "spillway.fullname" . }}}
{{- if .Values.adminKeys.existingSecret }}
- name: admin
  secret:
    secretName: {{ tpl .Values.adminKeys.existingSecret . | quote }}
    defaultMode: 0440
    items:
      - {key: {{ .Values.adminKeys.key | quote }}, path: api-keys}
{{- end }}
{{- if .Values.jwt.existingSecret }}
- name: jwt
  secret:
    secretName: {{ tpl .Values.jwt.existingSecret . | quote }}
    defaultMode: 0440
    items:
      {{- with .Values.jwt.secretKey }}
      - {key: {{ . | quote }}, path: secret}
      {{- end }}
      {{- range .Values.jwt.publicKeys }}
      - {key: {{ . | quote }}, path: {{ . | quote }}}
      {{- end }}
{{- end }}
{{- if .Values.tls.existingSecret }}
- name: tls
  secret:
    secretName: {{ tpl .Values.tls.existingSecret . | quote }}
    defaultMode: 0440
    items:
      - {key: {{ .Values.tls.certKey | quote }}, path: tls.crt}
      - {key: {{ .Values.tls.keyKey | quote }}, path: tls.key}
{{- end }}
{{- with .Values.extraVolumes }}
{{ include "spillway.render" (list . $) }}
{{- end }}
{{- end -}}

{{- define "spillway.spread" -}}
{{- $selector := dict "matchLabels" (include "spillway.selector" (list . "gateway") | fromYaml) -}}
{{- $usual := list
      (dict "maxSkew" 1 "topologyKey" "kubernetes.io/hostname" "whenUnsatisfiable" "ScheduleAnyway")
      (dict "maxSkew" 1 "topologyKey" "topology.kubernetes.io/zone" "whenUnsatisfiable" "ScheduleAnyway") -}}
{{- range default $usual .Values.topologySpreadConstraints }}
- {{ toYaml (merge dict . (dict "labelSelector" $selector)) | nindent 2 | trim }}
{{- end }}
{{- end -}}

{{- define "spillway.ports" -}}
{{- range $index, $listen := include "spillway.listen" . | fromJsonArray }}
- name: {{ ternary "public" (printf "public-%d" (add $index 1)) (eq $index 0) }}
  containerPort: {{ include "spillway.port" $listen }}
{{- end }}
{{- if not (include "spillway.keyless" .) }}
- name: admin
  containerPort: {{ include "spillway.adminPort" . }}
{{- end }}
{{- end -}}
