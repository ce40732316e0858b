{{- define "spillway.binary" -}}/usr/local/bin/spillway{{- end -}}

{{- /* memory, tryout, secret (the whole URL), password (user and password for config.bus) or plain. */ -}}
{{- define "spillway.busKind" -}}
{{- $bus := .Values.config.bus | default "memory" -}}
{{- if .Values.redis.tryout.enabled -}}tryout
{{- else if .Values.redis.urlKey -}}secret
{{- else if .Values.redis.passwordKey -}}password
{{- else if eq $bus "memory" -}}memory
{{- else -}}plain
{{- end -}}
{{- end -}}

{{- define "spillway.redisName" -}}{{ include "spillway.fullname" . }}-redis-tryout{{- end -}}

{{- define "spillway.listen" -}}
{{- .Values.config.listen | default (list "0.0.0.0:8000") | toJson -}}
{{- end -}}

{{- /* Outside the pod only with keys; the node itself refuses anything else. */ -}}
{{- define "spillway.adminListen" -}}
{{- $usual := ternary "0.0.0.0:9000" "127.0.0.1:9000" (ne .Values.adminKeys.existingSecret "") -}}
{{- .Values.config.admin_listen | default $usual -}}
{{- end -}}

{{- /* The port of ADDR:PORT[,words]. */ -}}
{{- define "spillway.port" -}}
{{- regexFind "[0-9]+$" (splitList "," . | first) -}}
{{- end -}}

{{- define "spillway.publicPort" -}}
{{- include "spillway.listen" . | fromJsonArray | first | include "spillway.port" -}}
{{- end -}}

{{- define "spillway.adminPort" -}}
{{- include "spillway.adminListen" . | include "spillway.port" -}}
{{- end -}}

{{- /* Where the admin listener is found from inside the pod. */ -}}
{{- define "spillway.adminUrl" -}}
http://{{ include "spillway.adminListen" . | replace "0.0.0.0:" "127.0.0.1:" | replace "[::]:" "[::1]:" }}
{{- end -}}

{{- /* Not empty: the admin listener is reached from inside the pod alone. */ -}}
{{- define "spillway.keyless" -}}
{{- if not .Values.adminKeys.existingSecret }}yes{{ end -}}
{{- end -}}

{{- /* Not empty: the demo page and its feed are on, as they are for trying out. */ -}}
{{- define "spillway.demo" -}}
{{- $usual := and (include "spillway.keyless" .) (eq (include "spillway.busKind" .) "memory") -}}
{{- if ternary .Values.config.demo $usual (hasKey .Values.config "demo") }}yes{{ end -}}
{{- end -}}

{{- /* The config file. Listeners are flags (an image may set them in its environment, which is stronger than a file), and what is
       secret is a file or a variable. */ -}}
{{- define "spillway.config" -}}
{{- $config := omit .Values.config "listen" "admin_listen" -}}
{{- $kind := include "spillway.busKind" . -}}
{{- if eq $kind "tryout" -}}
{{- $_ := set $config "bus" (printf "redis://%s:6379" (include "spillway.redisName" .)) -}}
{{- else if eq $kind "password" -}}
{{- $_ := unset $config "bus" -}}
{{- end -}}
{{- if .Values.adminKeys.existingSecret -}}
{{- $_ := set $config "api_key_file" "/run/spillway/admin/api-keys" -}}
{{- end -}}
{{- if include "spillway.demo" . -}}
{{- $_ := set $config "demo" true -}}
{{- end -}}
{{- with .Values.jwt.secretKey -}}
{{- $_ := set $config "jwt_secret_file" "/run/spillway/jwt/secret" -}}
{{- end -}}
{{- $files := list -}}
{{- range .Values.jwt.publicKeys -}}
{{- $files = append $files (printf "/run/spillway/jwt/%s" .) -}}
{{- end -}}
{{- with $files -}}
{{- $_ := set $config "jwt_key_file" . -}}
{{- end -}}
{{- if .Values.tls.existingSecret -}}
{{- $_ := set $config "tls_cert" "/run/spillway/tls/tls.crt" -}}
{{- $_ := set $config "tls_key" "/run/spillway/tls/tls.key" -}}
{{- end -}}
{{- $lines := list -}}
{{- range $key, $value := $config -}}
{{- $lines = append $lines (printf "  %q: %s" $key (toRawJson $value)) -}}
{{- end -}}
{
{{ join ",\n" $lines }}
}
{{- end -}}

{{- /* How long a pod needs to leave, in seconds: the node's own deadline, rounded up, and time to start and end. */ -}}
{{- define "spillway.grace" -}}
{{- $config := .Values.config -}}
{{- add (div (add $config.drain_delay_ms $config.drain_ms $config.linger_ms 500 999) 1000) 5 -}}
{{- end -}}

{{- /* Why `helm test` has nothing to run; empty: it has. */ -}}
{{- define "spillway.untestable" -}}
{{- if not .Values.tests.enabled -}}
tests.enabled is false
{{- else if or .Values.tls.existingSecret .Values.config.tls_cert (contains "," (include "spillway.listen" . | fromJsonArray | first)) -}}
the public listener speaks TLS or wants a PROXY header
{{- else if and (ne .Values.config.auth "none") (not .Values.tests.tokenSecret.name) -}}
tokens are asked for: give one in tests.tokenSecret
{{- else if and (include "spillway.keyless" .) (not (and (include "spillway.demo" .) (eq (include "spillway.busKind" .) "memory"))) -}}
no key to publish with: set adminKeys.existingSecret
{{- end -}}
{{- end -}}
