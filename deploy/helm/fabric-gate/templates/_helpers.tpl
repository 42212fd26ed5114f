{{- define "fabric-gate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "fabric-gate.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 58 | trimSuffix "-" }}
{{- else if contains (include "fabric-gate.name" .) .Release.Name }}
{{- .Release.Name | trunc 58 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "fabric-gate.name" .) | trunc 58 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "fabric-gate.selector" -}}
app.kubernetes.io/name: {{ include "fabric-gate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "fabric-gate.labels" -}}
{{ include "fabric-gate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "fabric-gate.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion -}}
{{- with .Values.image.digest }}{{ $.Values.image.repository }}@{{ . }}
{{- else }}{{ .Values.image.repository }}:{{ $tag }}{{ end }}
{{- end }}

{{- define "fabric-gate.memoryImage" -}}
{{- $image := .Values.memory.image -}}
{{- with $image.digest }}{{ $image.repository }}@{{ . }}
{{- else }}{{ $image.repository }}:{{ $image.tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "fabric-gate.agentImage" -}}
{{- $image := .Values.agent.image -}}
{{- $repository := required "agent.image.repository: the image of the agent backend" $image.repository -}}
{{- with $image.digest }}{{ $repository }}@{{ . }}
{{- else }}{{ $repository }}:{{ required "agent.image.tag (or digest): which agent" $image.tag }}{{ end }}
{{- end }}

{{- define "fabric-gate.secret" -}}
{{- .Values.secrets.name | default (include "fabric-gate.fullname" .) }}
{{- end }}

{{- define "fabric-gate.port" -}}
{{- if .Values.tls.secretName }}8443{{ else }}8080{{ end }}
{{- end }}

{{/* No container has a right, and none writes but to its volumes. */}}
{{- define "fabric-gate.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities: { drop: [ALL] }
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
{{- end }}

{{- define "fabric-gate.config" -}}
# Read at start; a change restarts the pod.
[listen]
address = "0.0.0.0:{{ include "fabric-gate.port" . }}"
{{- with .Values.config.hosts }}
hosts = {{ . | toJson }}
{{- end }}
{{- if .Values.tls.secretName }}
tls = { certificate = "/run/secrets/tls/tls.crt", private_key = "/run/secrets/tls/tls.key"
{{- with .Values.tls.clientCaKey }}, client_ca = "/run/secrets/tls/{{ . }}"{{ end }} }
{{- end }}

[admin]
{{- if .Values.metrics.enabled }}
# The NetworkPolicy says who gets here.
address = "0.0.0.0:9901"
{{- else }}
address = "127.0.0.1:9901"
{{- end }}
token = "file:/run/secrets/fabric/admin-token"

[policies]
directory = "/etc/fabric/policies"

[state]
url = "sqlite:/data/state/gate.db"

[audit]
directory = "/data/audit"
key = "file:/run/secrets/fabric/audit-key"
checkpoints = "/data/audit-checkpoints.jsonl"
on_failure = {{ .Values.config.audit.onFailure | quote }}
durability = {{ .Values.config.audit.durability | quote }}
{{- if .Values.secrets.assertionKey }}

[assertion]
key = "file:/run/secrets/fabric/assertion-key"
{{- end }}

[secrets]
directory = "/run/secrets/handles"

[shutdown]
grace_seconds = {{ .Values.config.graceSeconds }}

[upgrade]
socket = "/data/state/upgrade.sock"
pid_file = "/data/state/gate.pid"
{{- with .Values.config.extra }}

{{ . | trim }}
{{- end }}
{{- end }}

{{- define "fabric-gate.memoryConfig" -}}
# Read at start; a change restarts the pod.
[listen]
address = "127.0.0.1:8090"

[operations]
address = "127.0.0.1:9902"

[identity]
assertion_jwks_url = "http://127.0.0.1:9901/.well-known/jwks.json"

[store]
url = "sqlite:/data/memory"

[memory]
shared_write_roles = {{ .Values.memory.sharedWriteRoles | toJson }}
{{- end }}
