{{- define "spillway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "spillway.fullname" -}}
{{- $name := include "spillway.name" . -}}
{{- $both := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $both .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- /* A value whose strings may be templates, as YAML. Takes a list: the value, the root. */ -}}
{{- define "spillway.render" -}}
{{- $value := index . 0 -}}
{{- tpl (ternary $value (toYaml $value) (kindIs "string" $value)) (index . 1) -}}
{{- end -}}

{{- /* Takes a list: the root, a component. */ -}}
{{- define "spillway.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "spillway.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- /* The whole of metadata. Takes a dict: root, component, and where needed name, suffix, labels, annotations. */ -}}
{{- define "spillway.metadata" -}}
{{- $root := .root -}}
name: {{ .name | default (include "spillway.fullname" $root) }}{{ with .suffix }}-{{ . }}{{ end }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "spillway.labels" (dict "root" $root "component" .component "labels" .labels) | nindent 2 }}
{{- $annotations := merge dict (.annotations | default dict) $root.Values.commonAnnotations }}
{{- with $annotations }}
annotations:
  {{- include "spillway.render" (list . $root) | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "spillway.labels" -}}
{{- $root := .root -}}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
{{ include "spillway.selector" (list $root .component) }}
{{- with merge dict (.labels | default dict) $root.Values.commonLabels }}
{{ include "spillway.render" (list . $root) }}
{{- end }}
{{- end -}}

{{- define "spillway.serviceAccountName" -}}
{{- $own := ternary (include "spillway.fullname" .) "default" .Values.serviceAccount.create -}}
{{- default $own .Values.serviceAccount.name -}}
{{- end -}}

{{- define "spillway.image" -}}
{{- $image := .Values.image -}}
{{- with default $image.registry .Values.global.imageRegistry }}{{ . }}/{{ end -}}
{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ default .Chart.AppVersion $image.tag }}{{ end -}}
{{- end -}}

{{- define "spillway.pullSecrets" -}}
{{- range concat .Values.global.imagePullSecrets .Values.imagePullSecrets | uniq }}
- name: {{ tpl . $ | quote }}
{{- end }}
{{- end -}}
