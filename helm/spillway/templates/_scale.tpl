{{- define "spillway.scaleDown" -}}
{{- $down := .Values.autoscaling.scaleDown -}}
scaleDown:
  stabilizationWindowSeconds: {{ $down.stabilizationWindowSeconds }}
  policies:
    - {type: Pods, value: {{ $down.pods }}, periodSeconds: {{ $down.periodSeconds }}}
{{- end -}}
