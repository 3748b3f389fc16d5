{{/* The release's name as a DNS label that leaves room for a role. */}}
{{- define "stampede.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "stampede.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "stampede.selector" -}}
app.kubernetes.io/name: stampede
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end }}

{{- define "stampede.labels" -}}
{{ include "stampede.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* The port of each service, as in runtime/compose.py. */}}
{{- define "stampede.ports" -}}
gateway: 8000
identity: 8001
catalog: 8002
booking: 8003
notification: 8004
{{- end }}

{{/* Where the worker serves /metrics. It is no service: nobody calls it. */}}
{{- define "stampede.workerPort" -}}8006{{- end }}

{{/* Who calls each service over HTTP. */}}
{{- define "stampede.callers" -}}
identity: [gateway, catalog, booking, notification, worker]
catalog: [gateway, booking, notification, worker]
booking: [gateway, worker]
notification: [gateway, booking, worker]
{{- end }}

{{/* Which stores and outside addresses each role uses. The gateway has no access to PostgreSQL. */}}
{{- define "stampede.uses" -}}
gateway: [redis]
identity: [postgresql]
catalog: [postgresql]
booking: [postgresql, redis, nats, outward]
notification: [postgresql]
worker: [postgresql, redis, nats, smtp, outward]
migrate: [postgresql]
{{- end }}

{{- define "stampede.secretEnv" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .ref.name }}
      key: {{ .ref.key }}
{{- end }}

{{- define "stampede.databaseEnv" -}}
{{ include "stampede.secretEnv" (dict "name" "STAMPEDE_DATABASE_URL" "ref" .databaseUrl) }}
{{- if .databaseDirectUrl.name }}
{{ include "stampede.secretEnv" (dict "name" "STAMPEDE_DATABASE_DIRECT_URL" "ref" .databaseDirectUrl) }}
{{- end }}
{{- end }}

{{/* The environment of a role: only what it uses. */}}
{{- define "stampede.env" -}}
{{- $root := .root }}
{{- $uses := get (include "stampede.uses" . | fromYaml) .role }}
{{- $secrets := .root.Values.secrets }}
- name: STAMPEDE_PUBLIC_URL
  value: {{ .root.Values.publicUrl | quote }}
{{- range $service, $port := include "stampede.ports" . | fromYaml }}
{{- if ne $service "gateway" }}
- name: STAMPEDE_{{ $service | upper }}_URL
  value: http://{{ include "stampede.name" $root }}-{{ $service }}:{{ $port }}
{{- end }}
{{- end }}
{{- if has "postgresql" $uses }}
{{ include "stampede.databaseEnv" $secrets }}
{{- end }}
{{- if has "redis" $uses }}
{{ include "stampede.secretEnv" (dict "name" "STAMPEDE_REDIS_URL" "ref" $secrets.redisUrl) }}
{{- end }}
{{- if has "nats" $uses }}
{{ include "stampede.secretEnv" (dict "name" "STAMPEDE_NATS_URL" "ref" $secrets.natsUrl) }}
{{- end }}
{{- if has .role (list "booking" "worker") }}
{{ include "stampede.secretEnv" (dict "name" "STAMPEDE_WEBHOOK_SECRET" "ref" $secrets.webhookSecret) }}
- name: STAMPEDE_PAYMENT_PROVIDER
  value: {{ .root.Values.payment.provider | quote }}
{{- range $name, $ref := .root.Values.payment.secretSettings }}
{{ include "stampede.secretEnv" (dict "name" $name "ref" $ref) }}
{{- end }}
{{- end }}
{{- if has .role (list "notification" "worker") }}
{{ include "stampede.secretEnv" (dict "name" "STAMPEDE_SMTP_URL" "ref" $secrets.smtpUrl) }}
- name: STAMPEDE_MAIL_FROM
  value: {{ .root.Values.mailFrom | quote }}
{{- end }}
{{- if eq .role "worker" }}
- name: STAMPEDE_WORKER_PORT
  value: {{ include "stampede.workerPort" . | quote }}
{{- end }}
{{- if eq .role "gateway" }}
- name: STAMPEDE_TRUSTED_PROXIES
  value: {{ join "," .root.Values.trustedProxies | quote }}
{{- end }}
{{- with (get .root.Values.roles .role).workers }}
- name: STAMPEDE_WORKERS
  value: {{ . | quote }}
{{- end }}
{{- range $name, $value := .root.Values.settings }}
- name: STAMPEDE_{{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{- define "stampede.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "stampede.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* The one place where a role may write: nothing that outlives it. */}}
{{- define "stampede.tmp" -}}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- end }}

{{/* A network peer list, or every address. */}}
{{- define "stampede.peers" -}}
{{- if . }}
{{- toYaml . }}
{{- else -}}
- ipBlock: {cidr: 0.0.0.0/0}
- ipBlock: {cidr: "::/0"}
{{- end }}
{{- end }}
